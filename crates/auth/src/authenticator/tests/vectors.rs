//! Requests that real signers signed.
//!
//! One file has the requests, one for each signer what it made of them. The client suites check that the signers still
//! write the same, and make the files anew with `BLESS=1`.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{ACCESS_KEY, NOW, SECRET_KEY, Sent, authenticator};
use crate::authenticator::payload;
use crate::canonical;
use crate::claim::{ALGORITHM, Claim};
use crate::refusal::Refusal;

/// The signers by name, with what they wrote.
const SIGNERS: [(&str, &str); 5] = [
    ("botocore", include_str!("../../../tests/vectors/botocore.json")),
    ("go", include_str!("../../../tests/vectors/go.json")),
    ("java", include_str!("../../../tests/vectors/java.json")),
    ("javascript", include_str!("../../../tests/vectors/javascript.json")),
    ("rust", include_str!("../../../tests/vectors/rust.json")),
];

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn cases() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/cases.json")).expect("JSON");
    assert_eq!((&file["access_key"], &file["secret_key"]), (&ACCESS_KEY.into(), &SECRET_KEY.into()));
    assert_eq!(file["now"], NOW);
    file["cases"].as_array().expect("cases").clone()
}

/// Returns what a signer wrote, each with the case that it is of.
fn written(by: &str) -> Vec<(Value, Sent)> {
    let (_, file) = SIGNERS.iter().find(|(name, _)| *name == by).expect("a signer");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let mut vectors = file["vectors"].as_array().expect("vectors").iter();
    let signed = cases().into_iter().filter(|case| case["unlike"][by].is_null());
    let pairs: Vec<(Value, Sent)> = signed
        .map(|case| {
            let vector = vectors.next().expect("as many vectors as cases");
            assert_eq!(vector["name"], case["name"], "{by}");
            let sent = read(by, vector, case["expires"].as_u64());
            (case, sent)
        })
        .collect();
    assert!(vectors.next().is_none(), "{by}: as many cases as vectors");
    pairs
}

fn read(by: &str, vector: &Value, expires: Option<u64>) -> Sent {
    let pair = |pair: &Value| {
        let (name, value) = (text(&pair[0]), text(&pair[1]));
        // A connection hands values on without the blanks at their ends.
        let value = HeaderValue::from_str(value.trim()).expect("a value");
        (name.parse::<HeaderName>().expect("a name"), value)
    };
    Sent {
        name: format!("{by}: {}", text(&vector["name"])),
        method: text(&vector["method"]),
        path: text(&vector["target"]),
        headers: vector["headers"].as_array().expect("headers").iter().map(pair).collect::<HeaderMap>(),
        body: data_encoding::HEXLOWER.decode(text(&vector["body"]).as_bytes()).expect("hexadecimal digits"),
        expires,
    }
}

/// Returns the request of botocore with this name.
pub(super) fn vector(name: &str) -> Sent {
    let found = written("botocore").into_iter().find(|(case, _)| case["name"] == name);
    found.expect("a vector").1
}

/// Tells whether a signature fits its request, whatever the session token in it is worth.
fn fits(sent: &Sent) -> bool {
    let message = sent.message();
    // The server that could open the token is another one; what was signed with it is there all the same.
    let claim = Claim { token: None, ..Claim::find(&message).expect("a claim").expect("one") };
    let credential = claim.credential().expect("a credential");
    let authenticator = authenticator("");
    let known = authenticator.known.read().expect("no panic").clone();
    let found = known.key(&claim, &credential, crate::Service::Sqs, &authenticator).expect("a key");
    let mut hash = Sha256::new();
    let payload = payload(&message).expect("a signed payload");
    canonical::write(&message, &claim.signed_headers, &payload, &mut |piece| hash.update(piece)).expect("a form");
    let hash = data_encoding::HEXLOWER.encode(&hash.finalize());
    let text = format!("{ALGORITHM}\n{}\n{}\n{hash}", crate::date::write(claim.signed), credential.scope);
    found.derived.fits(&[text.as_bytes()], &claim.signature)
}

/// Tells whether no server takes this, however well it is signed.
fn is_refused_anyway(case: &Value) -> bool {
    case["unsigned"] == true || !case["token"].is_null()
}

#[test]
fn what_each_signer_signs_is_accepted_and_soon_again_with_the_kept_key() {
    for (by, _) in SIGNERS {
        let authenticator = authenticator("");
        let mut accepted = 0;
        for (case, sent) in written(by) {
            if is_refused_anyway(&case) {
                continue;
            }
            for _ in 0..2 {
                let identified =
                    sent.identify(&authenticator, NOW).unwrap_or_else(|refusal| panic!("{}: {refusal}", sent.name));
                assert_eq!(&*identified.principal.arn, "arn:aws:iam::111122223333:user/anna");
            }
            accepted += 1;
        }
        assert!(accepted >= 25, "{by}: {accepted}");
    }
}

#[test]
fn session_tokens_are_covered_by_signatures_as_each_signer_covers_them() {
    for (by, _) in SIGNERS {
        let mut seen = 0;
        for (_, sent) in written(by).into_iter().filter(|(case, _)| !case["token"].is_null()) {
            assert!(fits(&sent), "{}", sent.name);
            // Nobody has given this token away.
            sent.identify(&authenticator(""), NOW).expect_err(&sent.name);
            seen += 1;
        }
        assert_eq!(seen, 2, "{by}: in a header and in a URL");
    }
}

#[test]
fn a_payload_that_a_signer_leaves_out_is_refused() {
    for (by, _) in SIGNERS {
        let (_, sent) = written(by).into_iter().find(|(case, _)| case["unsigned"] == true).expect("a vector");
        assert_eq!(sent.identify(&authenticator(""), NOW).expect_err(by), Refusal::WrongPayload);
    }
}

/// Whatever a signer covers can be changed by nobody on the way.
#[test]
fn what_each_signer_signs_is_refused_once_it_is_changed() {
    let authenticator = authenticator("");
    let refuse = |sent: &Sent, what: &str| {
        assert!(sent.identify(&authenticator, NOW).is_err(), "{}: {what}", sent.name);
    };
    for (by, _) in SIGNERS {
        for (case, sent) in written(by) {
            if is_refused_anyway(&case) {
                continue;
            }
            let mut changed = sent.clone();
            changed.method = if sent.method == "GET" { "PUT" } else { "GET" }.to_owned();
            refuse(&changed, "another method");

            let (path, query) = sent.path.split_once('?').unwrap_or((&sent.path, ""));
            refuse(&Sent { path: format!("{path}x?{query}"), ..sent.clone() }, "another path");
            refuse(&Sent { path: format!("{path}?{query}&x"), ..sent.clone() }, "one more parameter");
            if let Some((first, rest)) = query.split_once('&') {
                refuse(&Sent { path: format!("{path}?{rest}"), ..sent.clone() }, &format!("without {first}"));
            }

            let mut body = sent.body.clone();
            body.push(b' ');
            refuse(&Sent { body, ..sent.clone() }, "a longer body");
            if let [_, rest @ ..] = sent.body.as_slice() {
                refuse(&Sent { body: rest.to_vec(), ..sent.clone() }, "a shorter body");
            }

            // One second later, where the date stands: in a header or in the URL.
            let mut changed = sent.clone();
            if case["expires"].is_null() {
                changed.change("x-amz-date", "20261121T184726Z", "20261121T184727Z");
            } else {
                assert!(sent.path.contains("20261121T184726Z"), "{}", sent.name);
                changed.path = sent.path.replace("20261121T184726Z", "20261121T184727Z");
            }
            refuse(&changed, "another date");

            let message = sent.message();
            let claim = Claim::find(&message).expect("a claim").expect("one");
            for name in claim.signed_headers.split(';') {
                let name = HeaderName::try_from(name).expect("a name");
                let mut changed = sent.clone();
                changed.headers.insert(name.clone(), HeaderValue::from_static("another"));
                refuse(&changed, &format!("another {name}"));
                changed.headers.remove(&name);
                refuse(&changed, &format!("without {name}"));
            }
        }
    }
}
