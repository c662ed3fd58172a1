//! Signatures that real signers made, and everything that can be wrong with one.

use http::{HeaderMap, HeaderValue};
use stanchion_policy::Kind;

use super::*;
use crate::directory::Directory;
use crate::session::Bearer;

mod vectors;

use vectors::vector;

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const NOW: u64 = 1_795_286_846;

/// A request as it comes over the wire.
#[derive(Clone, Debug)]
struct Sent {
    name: String,
    method: String,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    expires: Option<u64>,
}

impl Sent {
    fn message(&self) -> Message<'_> {
        let (path, query) = match self.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.path.as_str(), None),
        };
        Message { method: &self.method, path, query, authority: None, headers: &self.headers, body: &self.body }
    }

    fn identify(&self, authenticator: &Authenticator, now: u64) -> Result<Identified, Refusal> {
        authenticator.identify(&self.message(), Service::Sqs, now)
    }

    fn header(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        self
    }

    fn change(&mut self, name: &'static str, from: &str, to: &str) -> &mut Self {
        let value = self.headers[name].to_str().expect("text");
        assert!(value.contains(from), "{value}");
        let value = value.replace(from, to);
        self.header(name, &value)
    }
}

fn json() -> Sent {
    vector("json")
}

fn presigned() -> Sent {
    vector("url")
}

fn directory(more: &str) -> Directory {
    let file = format!(
        "{more}\n[[accounts]]\nid = \"111122223333\"\n[[accounts.users]]\nname = \"anna\"\n\
         [[accounts.users.keys]]\nid = \"{ACCESS_KEY}\"\nsecret = \"{SECRET_KEY}\"\n"
    );
    Directory::read(&file, &mut |_| Err("nothing to fetch".into())).expect("a directory")
}

fn authenticator(more: &str) -> Authenticator {
    Authenticator::new(directory(more), AccountId::DEFAULT, Region::new("us-east-1").expect("a region"))
}

#[test]
fn who_does_not_sign_is_anonymous() {
    let mut sent = json();
    sent.headers.remove("authorization");
    let identified = sent.identify(&authenticator(""), NOW).expect("nothing to refuse");
    assert_eq!(identified.principal.kind, Kind::Anonymous);
}

/// Everything that a signature covers, one byte after the other, changed to another that is legal there.
#[test]
fn every_changed_byte_is_refused() {
    let authenticator = authenticator("");
    let mut sent = vector("form at a queue");
    sent.path.push_str("?x=1&y=2");
    // Signed anew with the query: no vector has path, query, headers and body at once.
    sign(&mut sent, "content-type;host;x-amz-date");
    sent.identify(&authenticator, NOW).expect("the request as it was signed");

    let mut tried = 0;
    let mut refuse = |changed: &Sent, what: &str| {
        tried += 1;
        assert!(changed.identify(&authenticator, NOW).is_err(), "{what}");
    };
    // Letters stay letters and digits digits, so that what is changed still can be read.
    let other = |byte: u8| match byte {
        b'9' | b'z' | b'Z' => byte - 1,
        b' ' => b'x',
        b'-' => b'_',
        byte if byte.is_ascii_alphanumeric() => byte + 1,
        _ => b'x',
    };
    for at in 0..sent.method.len() {
        let mut bytes = sent.method.clone().into_bytes();
        bytes[at] = other(bytes[at]);
        let method = String::from_utf8(bytes).expect("ASCII");
        refuse(&Sent { method, ..sent.clone() }, &format!("method {at}"));
    }
    for at in 1..sent.path.len() {
        let mut bytes = sent.path.clone().into_bytes();
        bytes[at] = other(bytes[at]);
        let path = String::from_utf8(bytes).expect("ASCII");
        refuse(&Sent { path, ..sent.clone() }, &format!("path {at}"));
    }
    for at in 0..sent.body.len() {
        for bit in 0..8 {
            let mut body = sent.body.clone();
            body[at] ^= 1 << bit;
            refuse(&Sent { body, ..sent.clone() }, &format!("body {at}, bit {bit}"));
        }
    }
    for name in ["content-type", "host", "x-amz-date", "authorization"] {
        let value = sent.headers[name].as_bytes();
        for at in 0..value.len() {
            // A blank more or less between the parts of the header means nothing.
            if name == "authorization" && value[at] == b' ' && value[at - 1] == b',' {
                continue;
            }
            let mut bytes = value.to_vec();
            bytes[at] = other(bytes[at]);
            let mut changed = sent.clone();
            changed.headers.insert(name, HeaderValue::from_bytes(&bytes).expect("a value"));
            refuse(&changed, &format!("{name} {at}"));
        }
        let mut changed = sent.clone();
        changed.headers.remove(name);
        if name != "authorization" {
            refuse(&changed, &format!("without {name}"));
        }
        let mut changed = sent.clone();
        changed.headers.append(name, HeaderValue::from_static("more"));
        refuse(&changed, &format!("{name} twice"));
    }
    assert!(tried > 500, "{tried}");
}

/// What a URL covers, too. Only what means the same may be written otherwise.
#[test]
fn every_changed_byte_of_a_url_is_refused() {
    let authenticator = authenticator("");
    let sent = vector("url with odd parameters");
    sent.identify(&authenticator, NOW).expect("the URL as it was signed");
    let mut tried = 0;
    for at in 1..sent.path.len() {
        for other in [b'x', b'7', b'+', b'&', b'='] {
            let mut bytes = sent.path.clone().into_bytes();
            // No value and an empty one are the same.
            let same = bytes[at] == other || (bytes[at..].starts_with(b"=&") && other == b'&');
            bytes[at] = other;
            let path = String::from_utf8(bytes).expect("ASCII");
            if !same {
                tried += 1;
                // Without its parameters a URL is not signed: then it is nobody's.
                let known = Sent { path, ..sent.clone() }.identify(&authenticator, NOW);
                let known = known.is_ok_and(|identified| identified.principal.kind != Kind::Anonymous);
                assert!(!known, "byte {at} is {}", char::from(other));
            }
        }
    }
    // A plus sign is a blank to whoever reads the parameters.
    let path = sent.path.replace("%2B", "+");
    assert_ne!(path, sent.path);
    assert_eq!(Sent { path, ..sent.clone() }.identify(&authenticator, NOW).expect_err("a blank"), Refusal::Mismatch);
    let path = sent.path.replace("%20", "+");
    Sent { path, ..sent.clone() }.identify(&authenticator, NOW).expect("the same blank");
    assert!(tried > 1_500, "{tried}");
}

/// With a long header and a list that names it over and over, a stranger would make the server hash the product of both.
#[test]
fn a_list_of_signed_headers_that_is_not_sorted_or_names_one_twice_is_refused() {
    let authenticator = authenticator("");
    for list in ["host;host;x-amz-date;x-amz-target", "x-amz-target;host;x-amz-date"] {
        let mut sent = json();
        sign(&mut sent, list);
        let refusal = sent.identify(&authenticator, NOW).expect_err(list);
        assert!(matches!(refusal, Refusal::Incomplete(text) if text.contains("sorted")), "{list}: {refusal}");
    }
}

/// Signs a request with the crate's own parts.
fn sign(sent: &mut Sent, signed_headers: &str) {
    let message = sent.message();
    let mut canonical = Sha256::new();
    let payload = hex(Sha256::digest(&sent.body).into());
    canonical::write(&message, signed_headers, &payload, &mut |piece| canonical.update(piece))
        .expect("a canonical form");
    let date = sent.headers["x-amz-date"].to_str().expect("text").to_owned();
    let scope = format!("{}/us-east-1/sqs/aws4_request", &date[..8]);
    let hash = data_encoding::HEXLOWER.encode(&canonical.finalize());
    let signature = signature(&scope, &format!("{ALGORITHM}\n{date}\n{scope}\n{hash}"));
    let header =
        format!("{ALGORITHM} Credential={ACCESS_KEY}/{scope}, SignedHeaders={signed_headers}, Signature={signature}");
    sent.header("authorization", &header);
}

fn signature(scope: &str, text: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let key = scope.split('/').fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| mac(&key, part));
    data_encoding::HEXLOWER.encode(&mac(&key, text))
}

#[test]
fn a_request_is_good_for_fifteen_minutes_around_its_date() {
    let (authenticator, sent) = (authenticator(""), json());
    for now in [NOW - 900, NOW, NOW + 900] {
        sent.identify(&authenticator, now).expect("within the time");
    }
    let late = sent.identify(&authenticator, NOW + 901).expect_err("too late");
    assert_eq!(
        late.to_string(),
        "Signature expired: 20261121T184726Z is now earlier than 20261121T184727Z (20261121T190227Z - 15 min.)"
    );
    let early = sent.identify(&authenticator, NOW - 901).expect_err("too early");
    assert_eq!(
        early.to_string(),
        "Signature not yet current: 20261121T184726Z is still later than 20261121T184725Z (20261121T183225Z + 15 min.)"
    );
}

#[test]
fn a_url_is_good_for_as_long_as_it_says() {
    let (authenticator, sent) = (authenticator(""), presigned());
    let expires = sent.expires.expect("a validity");
    for now in [NOW - 900, NOW + expires] {
        sent.identify(&authenticator, now).expect("within the time");
    }
    assert!(matches!(sent.identify(&authenticator, NOW - 901), Err(Refusal::NotYetCurrent { .. })));
    assert!(matches!(sent.identify(&authenticator, NOW + expires + 1), Err(Refusal::Expired { .. })));
}

#[test]
fn what_is_missing_or_cannot_be_read_is_named() {
    let header = |from: &str, to: &str| {
        let mut sent = json();
        sent.change("authorization", from, to);
        sent
    };
    let query = |from: &str, to: &str| {
        let mut sent = presigned();
        assert!(sent.path.contains(from), "{}", sent.path);
        sent.path = sent.path.replace(from, to);
        sent
    };
    let mut undated = json();
    undated.headers.remove("x-amz-date");
    let mut both = presigned();
    both.headers = json().headers;
    for (sent, expected) in [
        (header("Credential=", "Credentials="), "Authorization header has a part that is none."),
        (header("Credential=", "X=1,Credential="), "Authorization header has a part that is none."),
        (header("Credential=AKIA", "Credential=x,Credential=AKIA"), "Authorization header has a part twice."),
        (header("SignedHeaders=content-type;host;x-amz-date;x-amz-target, ", ""), "requires 'SignedHeaders'"),
        (header("Signature=", "Signature=0"), "Signature must be 64 hexadecimal digits."),
        (header("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "Unsupported AWS 'algorithm'"),
        (header("/aws4_request", ""), "Credential must have exactly 5 slash-delimited elements"),
        (header("/aws4_request", "/aws4"), "Credential must have exactly 5 slash-delimited elements"),
        (undated, "requires existence of either a 'X-Amz-Date' or a 'Date' header"),
        (both, "only one is allowed"),
        (query("X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""), "must include 'X-Amz-Algorithm'"),
        (query("X-Amz-Expires=900", "X-Amz-Expires=604801"), "from 1 to 604800"),
        (query("X-Amz-Expires=900", "X-Amz-Expires=%2B900"), "from 1 to 604800"),
        (query("X-Amz-Expires=900&", ""), "must include 'X-Amz-Expires'"),
        (query("X-Amz-Date=2026", "X-Amz-Date=2026-"), "ISO-8601"),
        (query("X-Amz-Expires=900", "X-Amz-Expires=900&X-Amz-Expires=901"), "there twice"),
    ] {
        let refusal = sent.identify(&authenticator(""), NOW).expect_err(expected);
        assert!(matches!(refusal, Refusal::Incomplete(text) if text.contains(expected)), "{refusal} is not {expected}");
        assert_eq!(Error::from(refusal).code, Code::IncompleteSignature);
    }
}

use stanchion_types::{Code, Error};

#[test]
fn the_scope_must_be_of_this_service_and_day_and_of_a_region_that_is_served() {
    let changed = |from: &str, to: &str| {
        let mut sent = json();
        sent.change("authorization", from, to);
        sent.identify(&authenticator("regions = [\"eu-west-1\"]"), NOW).expect_err("another scope")
    };
    assert_eq!(changed("/sqs/", "/sns/"), Refusal::WrongService(Service::Sqs));
    assert_eq!(changed("/sqs/", "/sts/"), Refusal::WrongService(Service::Sqs));
    assert_eq!(changed("/20261121/", "/20261120/"), Refusal::WrongDay);
    assert_eq!(changed("/us-east-1/", "/mars-1/"), Refusal::WrongRegion);
    assert_eq!(changed("/us-east-1/", "/eu-west-1/"), Refusal::Mismatch);
}

#[test]
fn regions_are_kept_apart_once_they_are_listed() {
    let sent = vector("json for another region");
    let region = |more: &str| sent.identify(&authenticator(more), NOW).map(|identified| identified.region.to_string());
    assert_eq!(region(""), Ok("us-east-1".into()));
    assert_eq!(region("regions = [\"eu-central-1\"]"), Ok("eu-central-1".into()));
    assert_eq!(region("regions = [\"eu-west-1\"]"), Err(Refusal::WrongRegion));
}

#[test]
fn headers_that_matter_must_be_covered() {
    let authenticator = authenticator("");
    for (header, value, expected) in [
        ("x-amz-security-token", "token", Refusal::Unsigned("x-amz-security-token")),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD", Refusal::Unsigned("x-amz-content-sha256")),
    ] {
        assert_eq!(json().header(header, value).identify(&authenticator, NOW).expect_err(header), expected);
    }
    for (covered, expected) in [
        ("content-type;x-amz-date;x-amz-target", Refusal::Unsigned("host")),
        ("content-type;host;x-amz-date", Refusal::Unsigned("x-amz-target")),
        ("content-type;host;x-amz-target", Refusal::Unsigned("x-amz-date")),
    ] {
        let mut sent = json();
        sign(&mut sent, covered);
        assert_eq!(sent.identify(&authenticator, NOW).expect_err(covered), expected);
    }
}

#[test]
fn a_payload_that_is_not_covered_is_refused() {
    for said in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", &"0".repeat(64)] {
        let mut sent = json();
        sent.header("x-amz-content-sha256", said);
        sign(&mut sent, "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-target");
        assert_eq!(sent.identify(&authenticator(""), NOW).expect_err(said), Refusal::WrongPayload);
    }
}

#[test]
fn a_key_that_nobody_has_and_one_with_a_session_token_are_not_valid() {
    let mut unknown = json();
    unknown.change("authorization", ACCESS_KEY, "AKIAIOSFODNN7NOBODY0");
    let mut session = json();
    session.header("x-amz-security-token", "token");
    sign(&mut session, "content-type;host;x-amz-date;x-amz-security-token;x-amz-target");
    for sent in [unknown, session] {
        let refusal = sent.identify(&authenticator(""), NOW).expect_err("no such key");
        assert_eq!(refusal, Refusal::UnknownKey);
        assert_eq!(Error::from(refusal).code, Code::InvalidClientTokenId);
    }
}

#[test]
fn a_key_that_is_taken_away_is_gone_at_once() {
    let (authenticator, sent) = (authenticator(""), json());
    sent.identify(&authenticator, NOW).expect("known");
    authenticator.replace(Directory::read("", &mut |_| Err("nothing".into())).expect("an empty directory"));
    assert_eq!(sent.identify(&authenticator, NOW).expect_err("gone"), Refusal::UnknownKey);
}

#[test]
fn kept_keys_stay_within_their_bound() {
    let authenticator = authenticator("");
    let known = authenticator.known.read().expect("no panic").clone();
    let sent = json();
    let message =
        Message { method: "POST", path: "/", query: None, authority: None, headers: &sent.headers, body: b"" };
    let claim = Claim::find(&message).expect("a claim").expect("one");
    let credential = claim.credential().expect("a credential");
    let found = known.key(&claim, &credential, Service::Sqs, &authenticator).expect("a key");
    for number in 0..KEPT_MAX + 10 {
        known.keep(&number.to_string(), &found.derived);
    }
    assert!(known.kept.read().expect("no panic").len() <= KEPT_MAX);
}

#[test]
fn no_secret_shows_itself() {
    let authenticator = authenticator("");
    json().identify(&authenticator, NOW).expect("known");
    let shown = format!("{authenticator:?}");
    assert!(shown.contains(ACCESS_KEY) && !shown.contains("wJalr"), "{shown}");
}

#[test]
fn much_is_known_before_the_body_is_read() {
    let sessions = SessionKey::new([1; SessionKey::BYTES].into());
    let authenticator = authenticator("").with_sessions(sessions);
    let terms = Terms {
        account: AccountId::new("111122223333").expect("an account"),
        bearer: Bearer::User("anna".into()),
        issued: NOW,
        expires: NOW + 900,
        policy: None,
        policy_names: Vec::new(),
        tags: Vec::new(),
        passed_on: Vec::new(),
        source_identity: None,
    };
    let issued = authenticator.issue(terms, &[7; SESSION_RANDOM_BYTES]).expect("there are sessions");
    let preflight = |authorization: Option<&str>, date: &str, token: Option<&str>| {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| headers.insert(name, value.parse().expect("a value"));
        put("host", "localhost");
        put("x-amz-date", date);
        authorization.and_then(|authorization| put("authorization", authorization));
        token.and_then(|token| put("x-amz-security-token", token));
        let message = Message { method: "POST", path: "/", query: None, authority: None, headers: &headers, body: &[] };
        authenticator.preflight(&message, NOW)
    };
    let date = date::write(NOW);
    let signed = |key: &str, headers: &str| {
        let (day, signature) = (&date[..8], "0".repeat(64));
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/{day}/us-east-1/sqs/aws4_request, SignedHeaders={headers}, Signature={signature}"
        )
    };
    let whole = signed(ACCESS_KEY, "host;x-amz-date");
    assert_eq!(preflight(Some(&whole), &date, None), Ok(true), "the signature itself takes the body");
    assert_eq!(preflight(None, &date, None), Ok(false));
    let (unknown, uncovered) = (signed("AKIANOBODY", "host;x-amz-date"), signed(ACCESS_KEY, "x-amz-date"));
    assert_eq!(preflight(Some(&unknown), &date, None), Err(Refusal::UnknownKey));
    assert_eq!(preflight(Some(&uncovered), &date, None), Err(Refusal::Unsigned("host")));
    assert!(matches!(preflight(Some(&whole), &date::write(NOW - 901), None), Err(Refusal::Expired { .. })));
    assert!(matches!(preflight(Some("AWS4-HMAC-SHA256"), &date, None), Err(Refusal::Incomplete(_))));

    let temporary = |key: &str| signed(key, "host;x-amz-date;x-amz-security-token");
    let of_session = temporary(&issued.access_key);
    assert_eq!(preflight(Some(&of_session), &date, Some(&issued.token)), Ok(true));
    for (authorization, token) in
        [(&of_session, "bm90aGluZw=="), (&temporary(ACCESS_KEY), &*issued.token), (&temporary(ACCESS_KEY), "x")]
    {
        assert_eq!(preflight(Some(authorization), &date, Some(token)), Err(Refusal::UnknownKey), "{token}");
    }
}
