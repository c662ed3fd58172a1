use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use stanchion_broker::{Broker, Caller, Secret};
use stanchion_journal::Local;
use stanchion_types::request::Envelope;
use stanchion_types::response::Response;
use stanchion_types::{AccountId, Region};
use stanchion_wire::Head;

use super::*;

/// A memory of a few messages: nearly everything is on pages.
fn tiny() -> stanchion_shard::Options {
    let engine = stanchion_engine::Options {
        window_standard: 4,
        window_fifo: 4,
        page_messages: 2,
        ..stanchion_engine::Options::default()
    };
    stanchion_shard::Options { engine, seed: 1 }
}

struct World {
    broker: Broker,
    caller: Caller,
}

impl World {
    fn open(directory: &Path) -> World {
        let journal = Arc::new(Local::open(directory, stanchion_journal::local::Options::default()).expect("opens"));
        let secret = Secret::random().expect("random bytes");
        let options = stanchion_broker::Options { shard: tiny(), ..stanchion_broker::Options::default() };
        let region = Region::new("us-east-1").expect("a region");
        let broker = Broker::open(journal, &secret, options).expect("opens");
        World { broker, caller: Caller::anonymous(AccountId::DEFAULT, region) }
    }

    async fn ok(&self, action: &str, body: Value) -> Response {
        let target = format!("AmazonSQS.{action}");
        let head = Head { method: "POST", path: "/", target: Some(&target), ..Head::default() };
        let envelope: Envelope = stanchion_wire::decode(&head, body.to_string().as_bytes()).expect("a request");
        self.broker.call(&self.caller, envelope).await.expect("an answer")
    }
}

fn exported(directory: &Path) -> Vec<Value> {
    let mut image = Image::still(Arc::new(stanchion_journal::local::Directory::new(directory))).expect("an image");
    let mut out = Vec::new();
    let written = export(&mut image, &tiny(), &[], &mut Ok, &mut out, &mut |_| {}).expect("exports");
    let lines = String::from_utf8(out).expect("text");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len() as u64, written.queues + written.messages);
    lines.into_iter().filter(|line| line.get("Body").is_some()).collect()
}

#[tokio::test]
async fn a_fifo_queue_on_pages_is_exported_in_order_with_what_is_delayed_and_in_flight() {
    let directory = tempfile::tempdir().expect("a directory");
    let world = World::open(directory.path());
    let attributes = json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" });
    world.ok("CreateQueue", json!({ "QueueName": "q.fifo", "Attributes": attributes })).await;
    for number in 0..60 {
        if number == 40 {
            let attributes = json!({ "DelaySeconds": "900" });
            world.ok("SetQueueAttributes", json!({ "QueueUrl": "q.fifo", "Attributes": attributes })).await;
        }
        let group = format!("g{}", number % 3);
        let body = json!({ "QueueUrl": "q.fifo", "MessageBody": number.to_string(), "MessageGroupId": group });
        world.ok("SendMessage", body).await;
        if number == 20 {
            world.ok("ReceiveMessage", json!({ "QueueUrl": "q.fifo", "VisibilityTimeout": 3600 })).await;
        }
    }
    world.broker.close().await.expect("closes");
    let messages = exported(directory.path());
    let bodies: Vec<usize> =
        messages.iter().map(|line| line["Body"].as_str().expect("text").parse().expect("a number")).collect();
    assert_eq!(bodies, (0..60).collect::<Vec<_>>());
    let state = |index: usize| messages[index]["State"].as_str().expect("a state");
    assert_eq!((state(0), state(30), state(59)), ("in-flight", "visible", "delayed"));
}

#[tokio::test]
async fn a_standard_queue_on_pages_is_exported_whole_with_what_is_delayed() {
    let directory = tempfile::tempdir().expect("a directory");
    let world = World::open(directory.path());
    world.ok("CreateQueue", json!({ "QueueName": "q" })).await;
    for number in 0..60 {
        let delay = if number % 2 == 0 { 0 } else { 100 + number % 7 };
        let body = json!({ "QueueUrl": "q", "MessageBody": number.to_string(), "DelaySeconds": delay });
        world.ok("SendMessage", body).await;
    }
    let answer = world.ok("ReceiveMessage", json!({ "QueueUrl": "q", "MaxNumberOfMessages": 3 })).await;
    assert!(matches!(answer, Response::Messages(messages) if !messages.is_empty()));
    world.broker.close().await.expect("closes");
    let messages = exported(directory.path());
    let mut bodies: Vec<usize> =
        messages.iter().map(|line| line["Body"].as_str().expect("text").parse().expect("a number")).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (0..60).collect::<Vec<_>>(), "each once");
    for line in &messages {
        let odd = line["Body"].as_str().expect("text").parse::<usize>().expect("a number") % 2 == 1;
        assert_eq!(line["State"] == "delayed", odd, "{line}");
    }
}
