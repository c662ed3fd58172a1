//! Requests and their answers, with credentials that are then used: whatever was issued is signed with and identified.

mod bounds;
mod roles;
mod tokens;

use http::{HeaderMap, HeaderValue};
use stanchion_auth::{
    Authenticator, Directory, Identified, Message, Refusal, SESSION_RANDOM_BYTES, Service, SessionKey,
};
use stanchion_policy::{Circumstances, Principal};
use stanchion_types::{AccountId, Region, RequestId};
use zeroize::Zeroizing;

use super::*;

const NOW: u64 = 1_795_286_846;

const FILE: &str = r#"
[policies]
assume = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}'
receive = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:ReceiveMessage","Resource":"*"}}'

[[accounts]]
id = "111122223333"
keys = [{ id = "AKIAROOT", secret = "0123456789abcdef" }]

[[accounts.users]]
name = "anna"
policies = ["assume"]
keys = [{ id = "AKIAANNA", secret = "0123456789abcdef" }]

[[accounts.users]]
name = "bert"
keys = [{ id = "AKIABERT", secret = "0123456789abcdef" }]

[[accounts.roles]]
name = "worker"
trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["111122223333","444455556666"]},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}]}'
policies = ["receive"]
tags = { team = "red", stage = "live" }

[[accounts.roles]]
name = "chained"
trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/worker"},"Action":"sts:*"}]}'
max_session_seconds = 43200

[[accounts.roles]]
name = "external"
trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/bert"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"12345"}}}]}'

[[accounts]]
id = "444455556666"

[[accounts.users]]
name = "anna"
policies = ["assume"]
keys = [{ id = "AKIAOTHER", secret = "0123456789abcdef" }]

[[accounts.users]]
name = "bert"
keys = [{ id = "AKIAOTHERBERT", secret = "0123456789abcdef" }]
"#;

fn directory(text: &str) -> Directory {
    Directory::read(text, &mut |_| Err("nothing to fetch".into())).expect("a directory")
}

fn authenticator() -> Authenticator {
    let region = Region::new("us-east-1").expect("a region");
    let key = SessionKey::new(Zeroizing::new([9; SessionKey::BYTES]));
    Authenticator::new(directory(FILE), AccountId::DEFAULT, region).with_sessions(key)
}

/// Credentials, as a client holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Credentials {
    id: String,
    secret: String,
    token: Option<String>,
}

fn key(id: &str) -> Credentials {
    Credentials { id: id.into(), secret: "0123456789abcdef".into(), token: None }
}

/// Finds out who signs with credentials, at a time.
fn identify(
    authenticator: &Authenticator,
    with: &Credentials,
    service: Service,
    now: u64,
) -> Result<Identified, Refusal> {
    let mut headers = HeaderMap::new();
    let value = |text: &str| HeaderValue::from_str(text).expect("a value");
    let date = stanchion_types::calendar::Date::of(now);
    let day = format!("{:04}{:02}{:02}", date.year, date.month, date.day);
    let moment = format!("{day}T{:02}{:02}{:02}Z", date.hour, date.minute, date.second);
    headers.insert("host", value("localhost"));
    headers.insert("x-amz-date", value(&moment));
    let mut signed = vec![("host", "localhost"), ("x-amz-date", &moment)];
    if let Some(token) = &with.token {
        headers.insert("x-amz-security-token", value(token));
        signed.push(("x-amz-security-token", token));
    }
    let authorization = signature(with, service, &day, &moment, &signed);
    headers.insert("authorization", value(&authorization));
    let message = Message { method: "POST", path: "/", query: None, authority: None, headers: &headers, body: b"" };
    authenticator.identify(&message, service, now)
}

fn signature(with: &Credentials, service: Service, day: &str, moment: &str, signed: &[(&str, &str)]) -> String {
    use data_encoding::HEXLOWER;
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};

    let mac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let hash = |text: &str| HEXLOWER.encode(&Sha256::digest(text));
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", hash(""));
    let scope = format!("{day}/us-east-1/{}/aws4_request", service.name());
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hash(&canonical));
    let key = scope.split('/').fold(format!("AWS4{}", with.secret).into_bytes(), |key, part| mac(&key, part));
    let signature = HEXLOWER.encode(&mac(&key, &text));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", with.id)
}

/// Asks as whoever signs with credentials; status and body.
fn ask(authenticator: &Authenticator, with: &Credentials, form: &[(&str, &str)]) -> (u16, String) {
    let identified = identify(authenticator, with, Service::Sts, NOW).expect("known");
    ask_as(Some(authenticator), &identified.principal, form)
}

fn ask_as(authenticator: Option<&Authenticator>, principal: &Principal, form: &[(&str, &str)]) -> (u16, String) {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.append_pair("Version", VERSION).extend_pairs(form);
    let region = Region::new("us-east-1").expect("a region");
    let circumstances = Circumstances { source: None, secure: true, now: NOW, user_agent: None, referer: None };
    let random = &[3; SESSION_RANDOM_BYTES];
    let call = Call { principal, region: &region, circumstances: &circumstances, authenticator, random };
    let reply = answer(&call, None, body.finish().as_bytes(), &RequestId([0; 16])).reply;
    assert_eq!(reply.content_type, "text/xml");
    (reply.status, String::from_utf8(reply.body).expect("text"))
}

/// Returns the text of an element.
fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// Reads the credentials of an answer.
#[track_caller]
fn credentials((status, xml): (u16, String)) -> Credentials {
    assert_eq!(status, 200, "{xml}");
    let text = |name: &str| element(&xml, name).expect(name).to_owned();
    Credentials { id: text("AccessKeyId"), secret: text("SecretAccessKey"), token: Some(text("SessionToken")) }
}

/// Expects a refusal and returns its words.
#[track_caller]
fn refused((status, xml): (u16, String), expected: u16, code: &str) -> String {
    assert_eq!((status, element(&xml, "Code")), (expected, Some(code)), "{xml}");
    element(&xml, "Message").expect("a message").to_owned()
}

const WORKER: &str = "arn:aws:iam::111122223333:role/worker";

/// Asks for a session of a role.
fn assume(authenticator: &Authenticator, with: &Credentials, role: &str, more: &[(&str, &str)]) -> (u16, String) {
    let form = [&[("Action", "AssumeRole"), ("RoleArn", role), ("RoleSessionName", "s1")], more].concat();
    ask(authenticator, with, &form)
}

#[test]
fn requests_are_told_by_their_version() {
    assert!(is_meant(None, b"Action=GetCallerIdentity&Version=2011-06-15"));
    assert!(is_meant(Some("Version=2011-06-15&Action=GetCallerIdentity"), b""));
    assert!(!is_meant(None, b"Action=SendMessage&Version=2012-11-05&MessageBody=x&Version=2011-06-15"));
    assert!(!is_meant(None, b"Action=SendMessage&MessageBody=Version%3D2011-06-15"));
    assert!(!is_meant(Some("NoVersion=2011-06-15"), b""));
}

#[test]
fn everybody_who_signs_is_told_who_he_is() {
    let authenticator = authenticator();
    for (id, arn, user) in [
        ("AKIAROOT", "arn:aws:iam::111122223333:root", "111122223333"),
        ("AKIABERT", "arn:aws:iam::111122223333:user/bert", "AIDA"),
    ] {
        let (status, xml) = ask(&authenticator, &key(id), &[("Action", "GetCallerIdentity")]);
        assert_eq!((status, element(&xml, "Arn")), (200, Some(arn)));
        assert!(element(&xml, "UserId").is_some_and(|id| id.starts_with(user)), "{xml}");
    }
    let root = Principal::root(AccountId::DEFAULT);
    let (_, xml) = ask_as(None, &root, &[("Action", "GetCallerIdentity")]);
    assert_eq!(
        xml,
        "<?xml version=\"1.0\"?><GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:root</Arn><UserId>000000000000</UserId>\
         <Account>000000000000</Account></GetCallerIdentityResult><ResponseMetadata>\
         <RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    );
    let nobody = Principal::anonymous(AccountId::DEFAULT);
    refused(ask_as(None, &nobody, &[("Action", "GetCallerIdentity")]), 403, "MissingAuthenticationToken");
}

#[test]
fn a_signature_is_good_for_one_service() {
    let authenticator = authenticator();
    let with = key("AKIABERT");
    let identified = identify(&authenticator, &with, Service::Sts, NOW).expect("known");
    assert_eq!(&*identified.principal.arn, "arn:aws:iam::111122223333:user/bert");
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost"));
    headers.insert("x-amz-date", HeaderValue::from_static("20261121T184726Z"));
    let signed = [("host", "localhost"), ("x-amz-date", "20261121T184726Z")];
    let text = signature(&with, Service::Sqs, "20261121", "20261121T184726Z", &signed);
    headers.insert("authorization", HeaderValue::from_str(&text).expect("a value"));
    let message = Message { method: "POST", path: "/", query: None, authority: None, headers: &headers, body: b"" };
    let refusal = authenticator.identify(&message, Service::Sts, NOW).expect_err("another service's");
    assert_eq!(refusal.to_string(), "Credential should be scoped to correct service: 'sts'.");
    authenticator.identify(&message, Service::Sqs, NOW).expect("the service that it was made for");
}
