//! Signing requests (AWS Signature Version 4, in the `Authorization` header).

use super::Action;
use crate::options::Credentials;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Signs for one account.
pub(super) struct Signer {
    credentials: Credentials,
    host: String,
    /// The key of a day; deriving it costs as much as three signatures.
    key: Mutex<Option<(String, Hmac<Sha256>)>>,
}

/// What the signature of a request depends on, its body aside.
pub(super) struct Signed<'a> {
    path: &'a str,
    content_type: &'a str,
    target: Option<Action>,
    /// Such as `20150830T123600Z`.
    date: String,
    /// Where the signature goes.
    blank: Range<usize>,
}

/// A signature has so many hexadecimal digits.
const SIGNATURE_DIGITS: usize = 64;

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Signer {
    /// This function makes a signer for requests to `host`.
    pub(super) fn new(credentials: &Credentials, host: &str) -> Self {
        Self { credentials: credentials.clone(), host: host.to_owned(), key: Mutex::new(None) }
    }

    /// This function appends the headers of a signature that is left open.
    pub(super) fn begin<'a>(
        &self,
        buffer: &mut Vec<u8>,
        path: &'a str,
        content_type: &'a str,
        target: Option<Action>,
    ) -> Signed<'a> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.begin_at(now, buffer, path, content_type, target)
    }

    fn begin_at<'a>(
        &self,
        now: u64,
        buffer: &mut Vec<u8>,
        path: &'a str,
        content_type: &'a str,
        target: Option<Action>,
    ) -> Signed<'a> {
        let date = moment(now);
        write!(
            buffer,
            "\r\nx-amz-date: {date}\r\nauthorization: AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature=",
            self.credentials.access_key,
            self.scope(&date),
            signed_headers(target),
        )
        .expect("writing to memory does not fail");
        let blank = buffer.len()..buffer.len() + SIGNATURE_DIGITS;
        buffer.extend_from_slice(&[b'0'; SIGNATURE_DIGITS]);
        Signed { path, content_type, target, date, blank }
    }

    /// This function fills the signature in.
    pub(super) fn finish(&self, buffer: &mut [u8], body_at: usize, signed: &Signed<'_>) {
        let body = &buffer[body_at..];
        let mut request = Sha256::new();
        for part in ["POST\n", signed.path, "\n\ncontent-type:", signed.content_type, "\nhost:", &self.host] {
            request.update(part);
        }
        for part in ["\nx-amz-date:", &signed.date, "\n"] {
            request.update(part);
        }
        if let Some(action) = signed.target {
            for part in ["x-amz-target:AmazonSQS.", action.name(), "\n"] {
                request.update(part);
            }
        }
        for part in ["\n", signed_headers(signed.target), "\n"] {
            request.update(part);
        }
        request.update(hex(Sha256::digest(body).into()));
        let mut mac = self.key(&signed.date);
        for part in ["AWS4-HMAC-SHA256\n", &signed.date, "\n", &self.scope(&signed.date), "\n"] {
            mac.update(part.as_bytes());
        }
        mac.update(&hex(request.finalize().into()));
        buffer[signed.blank.clone()].copy_from_slice(&hex(mac.finalize().into_bytes().into()));
    }

    fn scope(&self, date: &str) -> String {
        format!("{}/{}/sqs/aws4_request", &date[..8], self.credentials.region)
    }

    fn key(&self, date: &str) -> Hmac<Sha256> {
        let mut kept = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((day, mac)) = &*kept
            && date.starts_with(day)
        {
            return mac.clone();
        }
        let day = &date[..8];
        let mut mac = keyed(format!("AWS4{}", self.credentials.secret_key).as_bytes());
        for part in [day, &self.credentials.region, "sqs", "aws4_request"] {
            mac.update(part.as_bytes());
            mac = keyed(&mac.finalize().into_bytes());
        }
        *kept = Some((day.to_owned(), mac.clone()));
        mac
    }
}

/// The names of the headers that are signed, in order.
fn signed_headers(target: Option<Action>) -> &'static str {
    match target {
        Some(_) => "content-type;host;x-amz-date;x-amz-target",
        None => "content-type;host;x-amz-date",
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn hex(digest: [u8; 32]) -> [u8; SIGNATURE_DIGITS] {
    let mut text = [0; SIGNATURE_DIGITS];
    HEXLOWER.encode_mut(&digest, &mut text);
    text
}

/// Writes seconds since 1970 as `20150830T123600Z`.
fn moment(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // A year that begins in March ends with the day that only some years have;
    // 400 such years have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next_year;
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::{Action, Signer, moment};
    use crate::options::Credentials;

    #[test]
    fn moments_are_written_as_the_signature_wants_them() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (951_868_799, "20000229T235959Z"),
            (951_868_800, "20000301T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (1_798_761_599, "20261231T235959Z"),
            (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(moment(seconds), expected);
        }
    }

    #[test]
    fn a_signature_is_the_one_that_other_implementations_make() {
        let credentials = Credentials {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            region: "us-east-1".into(),
        };
        let signer = Signer::new(&credentials, "127.0.0.1:9324");
        // Computed with botocore's `SigV4Auth`.
        for (path, content_type, target, body, expected) in [
            ("/", "application/x-amz-json-1.0", Some(Action::SendMessage), "{\"a\":1}", JSON_SIGNATURE),
            ("/000000000000/q", "application/x-www-form-urlencoded", None, "Action=SendMessage", FORM_SIGNATURE),
        ] {
            let mut buffer = b"POST / HTTP/1.1".to_vec();
            let signed = signer.begin_at(1_440_938_160, &mut buffer, path, content_type, target);
            let body_at = buffer.len();
            buffer.extend_from_slice(body.as_bytes());
            signer.finish(&mut buffer, body_at, &signed);
            let text = String::from_utf8(buffer).expect("ASCII");
            assert!(text.ends_with(&format!("Signature={expected}{body}")), "{text}");
        }
    }

    const JSON_SIGNATURE: &str = "9e0a89810c43c61a9f4ec308f8f3eb88af98f76fada9d25265cc13eb824c27d9";
    const FORM_SIGNATURE: &str = "dce8c132c62f43d995f1c81f07a8acb895775b5949beb74f297a9af16725d308";
}
