//! Decodes arbitrary bytes as a form: in a body or in a URL, at the endpoint or at the path of a queue.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stanchion_types::RequestId;
use stanchion_types::request::Envelope;
use stanchion_wire::{Head, Protocol, decode, encode_error};

fuzz_target!(|data: &[u8]| {
    let Some((first, form)) = data.split_first() else { return };
    let path = if first & 1 == 0 { "/" } else { "/000000000000/q" };
    let decoded = match std::str::from_utf8(form) {
        Ok(query) if first & 2 != 0 => decode(&Head { method: "GET", path, query: Some(query), ..Head::default() }, b""),
        _ => decode(&Head { method: "POST", path, ..Head::default() }, form),
    };
    match decoded {
        Ok(Envelope { request: Ok(request), action, .. }) => assert_eq!(request.action(), action),
        Ok(Envelope { request: Err(error), .. }) | Err(error) => {
            let reply = encode_error(Some(Protocol::Query), &error, &RequestId([0; 16]));
            assert!(reply.status >= 400 && std::str::from_utf8(&reply.body).is_ok());
        }
    }
});
