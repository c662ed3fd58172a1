//! Measures what decoding a `SendMessage` of 1 KiB costs.
//!
//! Run it with `cargo run --release -p stanchion-wire --example wire_bench`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use stanchion_types::message::Md5;
use stanchion_types::request::Action;
use stanchion_types::response::{Response, Sent};
use stanchion_types::{MessageId, RequestId};
use stanchion_wire::{Head, Origin, Protocol, decode, encode};

/// How long each case runs.
const RUN: Duration = Duration::from_millis(800);
const BODY_BYTES: usize = 1024;

fn main() {
    let letters: String = ('a'..='z').cycle().take(BODY_BYTES).collect();
    let quotes: String = "{\"key\":\"value\"},".chars().cycle().take(BODY_BYTES).collect();
    println!("{:<44} {:>9}", "case", "ns");
    for (kind, body) in [("letters", &letters), ("JSON in JSON", &quotes)] {
        let json = serde_json::json!({"QueueUrl": "http://localhost:9324/000000000000/orders", "MessageBody": body});
        let json = json.to_string();
        let target = Some("AmazonSQS.SendMessage");
        let head = Head { method: "POST", path: "/", target, ..Head::default() };
        let time = measure(|| decode_ok(&head, json.as_bytes()));
        print(&format!("decode SendMessage, JSON, {kind}"), time);

        let url = escape("http://localhost:9324/000000000000/orders");
        let form = format!("Action=SendMessage&Version=2012-11-05&QueueUrl={url}&MessageBody={}", escape(body));
        let head = Head { method: "POST", path: "/", ..Head::default() };
        let time = measure(|| decode_ok(&head, form.as_bytes()));
        print(&format!("decode SendMessage, Query, {kind}"), time);
    }
    let sent = Sent {
        message_id: MessageId([7; 16]),
        body_md5: Md5([7; 16]),
        attributes_md5: None,
        system_attributes_md5: None,
        sequence_number: None,
    };
    let (response, origin) = (Response::Sent(sent), Origin::new("http://localhost:9324"));
    for protocol in [Protocol::Json, Protocol::Query] {
        let time = measure(|| {
            let reply =
                encode(protocol, Action::SendMessage, black_box(&response), || origin.clone(), &RequestId([1; 16]));
            black_box(reply);
        });
        print(&format!("encode SendMessage, {protocol:?}"), time);
    }
}

fn decode_ok(head: &Head, body: &[u8]) {
    let envelope = decode(black_box(head), black_box(body)).expect("a good request");
    assert!(envelope.request.is_ok());
    black_box(envelope);
}

fn print(case: &str, nanoseconds: f64) {
    println!("{case:<44} {nanoseconds:>9.0}");
}

/// Returns nanoseconds for one call, the best of several runs.
fn measure(call: impl Fn()) -> f64 {
    const ROUNDS: u32 = 8;
    const CALLS: u32 = 1000;
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut calls = 0;
        while start.elapsed() < RUN / ROUNDS {
            (0..CALLS).for_each(|_| call());
            calls += CALLS;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(calls));
    }
    best
}

fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
