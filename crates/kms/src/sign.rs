//! Signing requests: AWS Signature Version 4 in the header `authorization`, for a `POST` to `/`.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use stanchion_types::calendar::Date;
use zeroize::Zeroizing;

use crate::credentials::Credentials;

/// The name of the service in signatures.
const SERVICE: &str = "kms";

/// What is signed.
pub(crate) struct Request<'a> {
    pub(crate) host: &'a str,
    pub(crate) region: &'a str,
    pub(crate) target: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a [u8],
    /// Seconds since 1970.
    pub(crate) now: u64,
}

/// Returns the headers that a signature needs: names and values.
pub(crate) fn sign(request: &Request<'_>, credentials: &Credentials) -> Vec<(&'static str, Zeroizing<String>)> {
    let Request { host, region, target, content_type, body, now } = request;
    let moment = Date::of(*now).basic();
    let date = &moment[..8];
    let token = credentials.session_token.as_ref().map(|token| token.as_str());
    let (token_line, token_name) = match token {
        Some(token) => (Zeroizing::new(format!("x-amz-security-token:{token}\n")), ";x-amz-security-token"),
        None => (Zeroizing::default(), ""),
    };
    let signed = format!("content-type;host;x-amz-date{token_name};x-amz-target");
    let canonical = Zeroizing::new(format!(
        "POST\n/\n\ncontent-type:{content_type}\nhost:{host}\nx-amz-date:{moment}\n{}x-amz-target:{target}\n\n{signed}\n{}",
        *token_line,
        HEXLOWER.encode(&Sha256::digest(body)),
    ));
    let scope = format!("{date}/{region}/{SERVICE}/aws4_request");
    let digest = HEXLOWER.encode(&Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}");

    let mut key = Zeroizing::new(format!("AWS4{}", *credentials.secret).into_bytes());
    for part in [date, *region, SERVICE, "aws4_request"] {
        key = Zeroizing::new(hmac(&key, part.as_bytes()));
    }
    let signature = HEXLOWER.encode(&hmac(&key, text.as_bytes()));
    let access_key = &credentials.access_key;
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}");
    let token = token.map(|token| ("x-amz-security-token", Zeroizing::new(token.to_owned())));
    [("x-amz-date", Zeroizing::new(moment)), ("authorization", Zeroizing::new(authorization))]
        .into_iter()
        .chain(token)
        .collect()
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signatures were made with botocore's `SigV4Auth` for the same requests.
    #[test]
    fn a_signature_is_the_one_that_other_implementations_make() {
        for (token, expected) in [(None, WITHOUT_TOKEN), (Some("token/with+signs=="), WITH_TOKEN)] {
            let credentials = Credentials {
                access_key: "AKIDEXAMPLE".into(),
                secret: Zeroizing::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into()),
                session_token: token.map(|token: &str| Zeroizing::new(token.to_owned())),
            };
            let request = Request {
                host: "kms.eu-west-1.amazonaws.com",
                region: "eu-west-1",
                target: "TrentService.Decrypt",
                content_type: "application/x-amz-json-1.1",
                body: b"{\"CiphertextBlob\":\"AQ==\"}",
                now: 1_440_938_160,
            };
            let headers = sign(&request, &credentials);
            let value = |name: &str| headers.iter().find(|(of, _)| *of == name).map(|(_, value)| value.as_str());
            assert_eq!(value("x-amz-date"), Some("20150830T123600Z"));
            assert_eq!(value("x-amz-security-token"), token);
            let authorization = value("authorization").expect("a signature");
            assert!(authorization.ends_with(expected), "{authorization}");
        }
    }

    const WITHOUT_TOKEN: &str = "1c750ec5b12801c323b30a88c52a511e6ff648623889943a567eb4a94a73d87c";
    const WITH_TOKEN: &str = "8e015aeb6144fcc28bd87ea4548eb5125ebe5aceae72f261c9c7715bc61581ee";
}
