//! Decodes arbitrary bytes as the body of a JSON request; the first byte chooses the action.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stanchion_types::RequestId;
use stanchion_types::request::{Action, Envelope, Request};
use stanchion_wire::{Head, Protocol, decode, digest, encode_error};

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let action = Action::ALL[usize::from(*first) % Action::ALL.len()];
    let target = format!("AmazonSQS.{}", action.name());
    let head = Head { method: "POST", path: "/", target: Some(&target), ..Head::default() };
    let decoded = decode(&head, body);
    assert_eq!(decoded, decode(&head, body));
    match decoded {
        Ok(Envelope { request: Ok(Request::SendMessage(send)), queue, .. }) => {
            assert!(queue.is_some() && !send.message.body.is_empty());
            assert_eq!(send.message.body_md5, digest::md5_of_body(&send.message.body));
        }
        Ok(Envelope { request: Ok(request), .. }) => assert_eq!(request.action(), action),
        Ok(Envelope { request: Err(error), .. }) | Err(error) => {
            let reply = encode_error(Some(Protocol::Json), &error, &RequestId([0; 16]));
            assert!(reply.status >= 400 && std::str::from_utf8(&reply.body).is_ok());
        }
    }
});
