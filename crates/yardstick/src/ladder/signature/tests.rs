use super::{Credentials, Parts, Refused, Verifier, seconds};
use hyper::Request;

/// The example of the signature's specification: `get-vanilla`.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
    SignedHeaders=host;x-amz-date, \
    Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
const DATE: &str = "20150830T123600Z";
/// That date as seconds.
const AT: u64 = 1_440_938_160;

fn request(authorization: &str, date: &str, uri: &str) -> Parts {
    let request = Request::get(uri).header("host", "example.amazonaws.com").header("x-amz-date", date);
    request.header("authorization", authorization).body(()).expect("a request").into_parts().0
}

fn verifier(access_key: &str, secret_key: &str) -> Verifier {
    Verifier::new(Credentials { access_key: access_key.into(), secret_key: secret_key.into() })
}

#[test]
fn the_specifications_own_example_is_right() {
    let verifier = verifier("AKIDEXAMPLE", SECRET);
    // Twice: the second time with the key that was kept.
    for _ in 0..2 {
        assert_eq!(verifier.verify(&request(AUTHORIZATION, DATE, "/"), b"", AT), Ok(()));
    }
}

#[test]
fn whatever_is_changed_the_signature_is_wrong() {
    let check = |parts: &Parts, body: &[u8], now: u64| verifier("AKIDEXAMPLE", SECRET).verify(parts, body, now);
    let right = request(AUTHORIZATION, DATE, "/");
    assert_eq!(check(&right, b"x", AT), Err(Refused), "another body");
    assert_eq!(check(&right, b"", AT + 901), Err(Refused), "too late");
    assert_eq!(check(&right, b"", AT - 901), Err(Refused), "too early");
    assert_eq!(check(&request(AUTHORIZATION, DATE, "/x"), b"", AT), Err(Refused), "another path");
    assert_eq!(check(&request(AUTHORIZATION, DATE, "/?x"), b"", AT), Err(Refused), "a query");
    assert_eq!(check(&request(AUTHORIZATION, "20150830T123601Z", "/"), b"", AT), Err(Refused), "another date");
    for (from, to) in [
        ("5fa0", "5fa1"),
        ("5fa0", "5fa"),
        ("AKID", "BKID"),
        ("us-east-1", "us-east-2"),
        ("20150830", "20150831"),
        ("aws4_request", "aws5_request"),
        ("host;x-amz-date", "host"),
        ("host;x-amz-date", "x-amz-date"),
        ("host;x-amz-date", ""),
        ("host;x-amz-date", "host;x-amz-date;x-amz-target"),
        ("SHA256", "SHA1"),
        (", SignedHeaders=host;x-amz-date", ""),
        (",", ""),
    ] {
        let authorization = AUTHORIZATION.replacen(from, to, 1);
        assert_eq!(check(&request(&authorization, DATE, "/"), b"", AT), Err(Refused), "{authorization}");
    }
}

#[test]
fn another_key_or_account_does_not_verify() {
    let right = request(AUTHORIZATION, DATE, "/");
    assert_eq!(verifier("AKIDEXAMPLE", "other").verify(&right, b"", AT), Err(Refused));
    assert_eq!(verifier("other", SECRET).verify(&right, b"", AT), Err(Refused));
}

#[test]
fn moments_are_read_as_seconds() {
    for (text, expected) in [
        (DATE, Some(AT)),
        ("19700101T000000Z", Some(0)),
        ("20000229T235959Z", Some(951_868_799)),
        ("20260301T000000Z", Some(1_772_323_200)),
        ("19691231T235959Z", None),
        ("20261301T000000Z", None),
        ("20260301T00000Z", None),
        ("2026030AT000000Z", None),
        ("20260301000000Z", None),
        ("20260301T000000", None),
        ("\u{e9}\u{e9}\u{e9}\u{e9}T000000Z", None),
        ("", None),
    ] {
        assert_eq!(seconds(text), expected, "{text}");
    }
}
