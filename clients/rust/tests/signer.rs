//! The requests that the server's own tests hold as signed by the SDK's signer are what it signs.
//!
//! With BLESS=1 the file is written anew.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_sqs::config::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use serde_json::{Value, json};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits")).collect()
}

/// Returns everything that goes over the wire for one case.
fn signed(given: &Value, case: &Value) -> Value {
    let base = format!("http://{}", text(given, "host"));
    let url = format!("{base}{}", text(case, "target"));
    let body = bytes(text(case, "body"));
    let pairs: Vec<(&str, &str)> = case["headers"]
        .as_array()
        .expect("headers")
        .iter()
        .map(|pair| (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value")))
        .collect();
    let token = case["token"].as_str().map(str::to_owned);
    let key = Credentials::new(text(given, "access_key"), text(given, "secret_key"), token, None, "vectors").into();

    let mut settings = SigningSettings::default();
    if let Some(seconds) = case["expires"].as_u64() {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(seconds));
    }
    let payload = if case["unsigned"] == true {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        SignableBody::UnsignedPayload
    } else {
        SignableBody::Bytes(&body)
    };
    let parameters = v4::SigningParams::builder()
        .identity(&key)
        .region(case["region"].as_str().unwrap_or("us-east-1"))
        .name("sqs")
        .time(UNIX_EPOCH + Duration::from_secs(given["now"].as_u64().expect("a time")))
        .settings(settings)
        .build()
        .expect("all parameters")
        .into();
    let request = SignableRequest::new(text(case, "method"), &url, pairs.iter().copied(), payload).expect("a request");
    let (instructions, _) = sign(request, &parameters).expect("a signature").into_parts();

    let mut request = http::Request::builder().method(text(case, "method")).uri(&url);
    for (name, value) in &pairs {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).expect("a request");
    instructions.apply_to_request_http1x(&mut request);
    let mut headers = vec![json!(["host", text(given, "host")])];
    headers.extend(request.headers().iter().map(|(name, value)| {
        json!([name.as_str(), std::str::from_utf8(value.as_bytes()).expect("UTF-8")])
    }));
    let target = request.uri().path_and_query().expect("a path").as_str();
    json!({
        "name": text(case, "name"), "method": text(case, "method"), "target": target, "headers": headers,
        "body": text(case, "body"),
    })
}

#[test]
fn the_signer_signs_as_it_did() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../crates/auth/tests/vectors");
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(directory.join(name)).expect("a file")).expect("JSON")
    };
    let given = read("cases.json");
    let cases = given["cases"].as_array().expect("cases").iter().filter(|case| case["unlike"]["rust"].is_null());
    let vectors: Vec<Value> = cases.map(|case| signed(&given, case)).collect();
    if std::env::var("BLESS").is_ok_and(|value| value == "1") {
        let lines: Vec<String> = vectors.iter().map(|vector| format!("  {vector}")).collect();
        let text = format!("{{\n \"made_by\": \"aws-sigv4\",\n \"vectors\": [\n{}\n ]\n}}\n", lines.join(",\n"));
        std::fs::write(directory.join("rust.json"), text).expect("written");
    }
    assert_eq!(Value::Array(vectors), read("rust.json")["vectors"]);
}
