//! Verifying signatures (AWS Signature Version 4, in the `Authorization`
//! header).
//!
//! Only what clients of the JSON protocol send: a path and no query.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use hyper::HeaderMap;
use hyper::http::request::Parts;
use sha2::{Digest, Sha256};
use std::sync::{Mutex, PoisonError};

/// The account that may call.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// What the client says who it is.
    pub(crate) access_key: String,
    /// What both sides know.
    pub(crate) secret_key: String,
}

/// The signature is missing, wrong, or too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

/// Checks signatures, with the key of the last scope at hand: deriving it
/// takes four more HMACs.
pub(super) struct Verifier {
    credentials: Credentials,
    key: Mutex<Option<Key>>,
}

/// A key that is good for a day, a region and a service.
struct Key {
    scope: String,
    mac: Hmac<Sha256>,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// A request's date may be off by so many seconds, as at the service.
const SKEW_MAX: u64 = 15 * 60;

/// The parts of an `Authorization` header.
struct Authorization<'a> {
    access_key: &'a str,
    /// Date, region, service and `aws4_request`, with slashes.
    scope: &'a str,
    signed_headers: &'a str,
    signature: [u8; 32],
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let rest = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            match part.trim().split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("SignedHeaders", value) => signed_headers = Some(value),
                ("Signature", value) => signature = Some(value),
                _ => return None,
            }
        }
        let (access_key, scope) = credential?.split_once('/')?;
        let text = signature?.as_bytes();
        let mut signature = [0; 32];
        if text.len() != 64 || HEXLOWER_PERMISSIVE.decode_mut(text, &mut signature).is_err() {
            return None;
        }
        Some(Self { access_key, scope, signed_headers: signed_headers?, signature })
    }
}

impl Verifier {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials, key: Mutex::new(None) }
    }

    /// This function checks the signature of a request at `now`, seconds since
    /// 1970.
    pub(super) fn verify(&self, parts: &Parts, body: &[u8], now: u64) -> Result<(), Refused> {
        let header = text(&parts.headers, "authorization")?;
        let authorization = Authorization::parse(header).ok_or(Refused)?;
        let date = text(&parts.headers, "x-amz-date")?;
        let at = seconds(date).ok_or(Refused)?;
        if authorization.access_key != self.credentials.access_key
            || !authorization.scope.starts_with(&date[..8])
            || now.abs_diff(at) > SKEW_MAX
            || parts.uri.query().is_some()
        {
            return Err(Refused);
        }
        let request = canonical_request(parts, authorization.signed_headers, body)?;
        let mut mac = self.mac(authorization.scope)?;
        for part in [ALGORITHM.as_bytes(), b"\n", date.as_bytes(), b"\n", authorization.scope.as_bytes(), b"\n"] {
            mac.update(part);
        }
        mac.update(&hex(request));
        mac.verify_slice(&authorization.signature).map_err(|_| Refused)
    }

    fn mac(&self, scope: &str) -> Result<Hmac<Sha256>, Refused> {
        let mut kept = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*kept
            && key.scope == scope
        {
            return Ok(key.mac.clone());
        }
        let mac = derive(&self.credentials.secret_key, scope).ok_or(Refused)?;
        *kept = Some(Key { scope: scope.to_owned(), mac: mac.clone() });
        Ok(mac)
    }
}

fn derive(secret: &str, scope: &str) -> Option<Hmac<Sha256>> {
    if scope.split('/').count() != 4 || !scope.ends_with("/aws4_request") {
        return None;
    }
    let mut mac = keyed(format!("AWS4{secret}").as_bytes());
    for part in scope.split('/') {
        mac.update(part.as_bytes());
        mac = keyed(&mac.finalize().into_bytes());
    }
    Some(mac)
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// The hash of the canonical request, which is hashed as it is made.
fn canonical_request(parts: &Parts, signed_headers: &str, body: &[u8]) -> Result<[u8; 32], Refused> {
    let mut hash = Sha256::new();
    for part in [parts.method.as_str(), "\n", parts.uri.path(), "\n\n"] {
        hash.update(part);
    }
    let (mut host, mut date) = (false, false);
    for name in signed_headers.split(';') {
        host |= name == "host";
        date |= name == "x-amz-date";
        hash.update(name);
        hash.update(":");
        for (index, word) in text(&parts.headers, name)?.split_ascii_whitespace().enumerate() {
            if index > 0 {
                hash.update(" ");
            }
            hash.update(word);
        }
        hash.update("\n");
    }
    if !(host && date) {
        return Err(Refused);
    }
    hash.update("\n");
    hash.update(signed_headers);
    hash.update("\n");
    hash.update(hex(Sha256::digest(body).into()));
    Ok(hash.finalize().into())
}

fn hex(digest: [u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    HEXLOWER.encode_mut(&digest, &mut text);
    text
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refused> {
    headers.get(name).and_then(|value| value.to_str().ok()).ok_or(Refused)
}

/// Reads a moment such as `20150830T123600Z` as seconds since 1970.
fn seconds(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('Z')?;
    let (day, time) = digits.split_once('T')?;
    let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if day.len() != 8 || time.len() != 6 || !numeric(day) || !numeric(time) {
        return None;
    }
    let number = |text: &str| text.parse::<u64>().ok();
    let (year, month, day) = (number(&day[..4])?, number(&day[4..6])?, number(&day[6..])?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // A year that begins in March ends with the day that only some years have.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_1970 = 719_468;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - days_before_1970;
    Some(days * 86_400 + number(&time[..2])? * 3600 + number(&time[2..4])? * 60 + number(&time[4..])?)
}

#[cfg(test)]
mod tests;
