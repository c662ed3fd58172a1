//! Reads arbitrary bytes as a signed request: the first line is the path with its query, the lines after it are headers,
//! and what follows an empty line is the body.
#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use stanchion_auth::{Authenticator, Directory, Message, Service};
use stanchion_policy::Kind;
use stanchion_types::{AccountId, Error, Region};

/// A minute in 2026, near which dates are good.
const NOW: u64 = 1_795_286_846;

static AUTHENTICATOR: LazyLock<Authenticator> = LazyLock::new(|| {
    let file = "[[accounts]]\nid = \"111122223333\"\nkeys = [{ id = \"AKIAX\", secret = \"0123456789abcdef\" }]";
    let directory = Directory::read(file, &mut |_| Err("nothing to fetch".into())).expect("a directory");
    Authenticator::new(directory, AccountId::DEFAULT, Region::new("us-east-1").expect("a region"))
});

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Some(Ok(target)) = lines.next().map(std::str::from_utf8) else { return };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut headers = HeaderMap::new();
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let body: Vec<u8> = lines.flatten().copied().collect();
    let message = Message { method: "POST", path, query, authority: None, headers: &headers, body: &body };
    match AUTHENTICATOR.identify(&message, Service::Sqs, NOW) {
        // The key is not told to anybody, so whoever gets in without a good signature must be nobody.
        Ok(identified) => assert!(identified.principal.kind == Kind::Anonymous),
        Err(refusal) => assert!(!Error::from(refusal).message.is_empty()),
    }
});
