//! What the errors of a key management service mean.

use serde::Deserialize;
use stanchion_keyring::service::{Reason, Refusal};

use crate::transport::Response;

/// The longest text that is passed on, in characters.
const TEXT_MAX: usize = 1000;

#[derive(Default, Deserialize)]
struct Text {
    #[serde(rename = "__type", default)]
    kind: String,
    #[serde(default, alias = "Message")]
    message: String,
}

/// Reads an answer that is no success.
pub(crate) fn refusal(response: &Response) -> Refusal {
    let text: Text = serde_json::from_slice(&response.body).unwrap_or_default();
    // Names come with a namespace in front or a URL behind.
    let name = text.kind.split(':').next().unwrap_or_default();
    let name = name.rsplit(['#', '.']).next().unwrap_or_default();
    let reason = reason(name, response.status);
    let words: String = text.message.chars().take(TEXT_MAX).collect();
    match words.is_empty() {
        false => Refusal::new(reason, words),
        true if name.is_empty() => {
            Refusal::new(reason, format!("the key management service answered with status {}", response.status))
        }
        true => Refusal::new(reason, format!("the key management service answered {name}")),
    }
}

fn reason(name: &str, status: u16) -> Reason {
    match name {
        "NotFoundException" | "InvalidArnException" | "InvalidAliasNameException" => Reason::NotFound,
        "DisabledException" => Reason::Disabled,
        "KMSInvalidStateException" => Reason::InvalidState,
        "InvalidKeyUsageException" | "IncorrectKeyException" => Reason::InvalidKeyUsage,
        "AccessDeniedException"
        | "AccessDenied"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "ExpiredTokenException" => Reason::AccessDenied,
        "ThrottlingException" | "LimitExceededException" | "RequestLimitExceeded" => Reason::Throttled,
        "OptInRequired" | "SubscriptionRequiredException" => Reason::OptInRequired,
        "InvalidCiphertextException" => Reason::Damaged,
        "KeyUnavailableException" | "DependencyTimeoutException" | "KMSInternalException" => Reason::Unavailable,
        _ if status == 429 => Reason::Throttled,
        _ if status == 403 => Reason::AccessDenied,
        // A key id that is none at all, such as one with blanks.
        "ValidationException" => Reason::NotFound,
        _ => Reason::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn read(status: u16, body: &str) -> Refusal {
        refusal(&Response { status, body: Zeroizing::new(body.as_bytes().to_vec()) })
    }

    #[test]
    fn every_error_of_the_service_has_its_reason() {
        for (name, expected) in [
            ("NotFoundException", Reason::NotFound),
            ("InvalidArnException", Reason::NotFound),
            ("DisabledException", Reason::Disabled),
            ("KMSInvalidStateException", Reason::InvalidState),
            ("InvalidKeyUsageException", Reason::InvalidKeyUsage),
            ("IncorrectKeyException", Reason::InvalidKeyUsage),
            ("AccessDeniedException", Reason::AccessDenied),
            ("UnrecognizedClientException", Reason::AccessDenied),
            ("InvalidSignatureException", Reason::AccessDenied),
            ("ThrottlingException", Reason::Throttled),
            ("LimitExceededException", Reason::Throttled),
            ("OptInRequired", Reason::OptInRequired),
            ("SubscriptionRequiredException", Reason::OptInRequired),
            ("KeyUnavailableException", Reason::Unavailable),
            ("DependencyTimeoutException", Reason::Unavailable),
            ("KMSInternalException", Reason::Unavailable),
            ("InvalidCiphertextException", Reason::Damaged),
            ("SomethingElseException", Reason::Unavailable),
        ] {
            for kind in [name.to_owned(), format!("com.amazonaws.kms#{name}"), format!("{name}:http://x/y.z")] {
                let body = format!(r#"{{"__type": "{kind}", "message": "why"}}"#);
                assert_eq!(read(400, &body), Refusal::new(expected, "why"), "{kind}");
            }
        }
        let capital = read(400, r#"{"__type": "DisabledException", "Message": "why"}"#);
        assert_eq!(capital, Refusal::new(Reason::Disabled, "why"));
    }

    #[test]
    fn an_answer_without_words_is_told_by_its_status() {
        assert_eq!(read(429, "").reason, Reason::Throttled);
        assert_eq!(read(403, "<html>").reason, Reason::AccessDenied);
        assert_eq!(read(503, "[]").reason, Reason::Unavailable);
        assert!(read(502, "null").text.contains("502"));
        let long = format!(r#"{{"__type": "DisabledException", "message": "{}"}}"#, "x".repeat(5000));
        assert_eq!(read(400, &long).text.len(), TEXT_MAX);
    }
}
