//! Queues that come and go, with messages in them. The checker does not know them; memory and disk must not either,
//! once they are gone.

use super::Session;
use crate::client::{Client, Reply};
use crate::server::Gate;
use crate::{body, queues};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// What the names of these queues begin with.
const PREFIX: &str = "passing-";
/// How often a deletion is tried: its answer may be lost with a crash.
const DELETES_MAX: u32 = 3;

/// This function creates, fills and deletes queues until the run is over.
pub(super) fn run(session: &mut Session) {
    let mut count = 0;
    while session.go_on() {
        count += 1;
        let name = format!("{PREFIX}{}-{count}", session.number);
        let url = queues::url(&name);
        session.ask("CreateQueue", &json!({ "QueueName": name }));
        for _ in 0..session.random.between(1, 20) {
            let entries: Vec<Value> =
                (0..10).map(|at| json!({ "Id": at.to_string(), "MessageBody": body::write(&name) })).collect();
            session.ask("SendMessageBatch", &json!({ "QueueUrl": url, "Entries": entries }));
        }
        if let Some(output) = session.ask("ReceiveMessage", &json!({ "QueueUrl": url })) {
            for message in output["Messages"].as_array().into_iter().flatten() {
                assert_eq!(body::read(message["Body"].as_str().expect("a body")), name);
            }
        }
        for _ in 0..DELETES_MAX {
            if session.go_on() && session.ask("DeleteQueue", &json!({ "QueueUrl": url })).is_some() {
                break;
            }
        }
        session.pace(&name);
    }
}

/// This function deletes the queues that are left when the clients have gone home: the one that was being filled, and
/// those whose deletion no server has answered.
pub(crate) fn clear(address: SocketAddr) {
    let gate = Arc::new(Gate::default());
    gate.set(Some(address));
    let mut client = Client::new(gate);
    let mut ask = |action: &str, input: &Value| {
        assert!(client.connect(), "the gate is open");
        match client.call(action, input) {
            Reply::Success(output) => output,
            other => panic!("{action} {input}: {other:?}"),
        }
    };
    let found = ask("ListQueues", &json!({ "QueueNamePrefix": PREFIX }));
    for url in found["QueueUrls"].as_array().into_iter().flatten() {
        ask("DeleteQueue", &json!({ "QueueUrl": url }));
    }
    let left = ask("ListQueues", &json!({ "QueueNamePrefix": PREFIX }));
    assert!(left["QueueUrls"].as_array().is_none_or(Vec::is_empty), "{left}");
}
