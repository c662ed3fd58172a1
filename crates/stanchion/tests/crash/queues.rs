//! The queues of the run.

use crate::checker::{QueueRules, Redrive};
use crate::client::{Client, Reply};
use serde_json::{Value, json};

pub(crate) const STANDARD: &str = "standard";
pub(crate) const DELAYED: &str = "delayed";
pub(crate) const DELAYED_MS: u64 = 1000;
pub(crate) const ORDER: &str = "order.fifo";
pub(crate) const POISON: &str = "poison";
pub(crate) const POISON_FIFO: &str = "poison.fifo";
pub(crate) const DEAD: &str = "dead";
pub(crate) const DEAD_FIFO: &str = "dead.fifo";
pub(crate) const PURGED: &str = "purged";
pub(crate) const PARKING: &str = "parking";
pub(crate) const MOVED: &str = "moved";
pub(crate) const SETTINGS: &str = "settings";
/// Grows to thousands of messages and is emptied, again and again, in a soak.
pub(crate) const SURGE: &str = "surge";
/// Exists so that `parking` is somebody's dead-letter queue.
const PARKED: &str = "parked";

const ACCOUNT: &str = "000000000000";
const RECEIVES_MAX: u64 = 3;

const fn plain(name: &'static str, fifo: bool) -> QueueRules {
    QueueRules { name, fifo, redrive: None }
}

const fn poison(name: &'static str, fifo: bool, dead_letters: &'static str) -> QueueRules {
    QueueRules { name, fifo, redrive: Some(Redrive { dead_letters, receives_max: RECEIVES_MAX }) }
}

/// All queues, dead-letter queues before their sources.
pub(crate) const ALL: [QueueRules; 13] = [
    plain(STANDARD, false),
    plain(DELAYED, false),
    plain(ORDER, true),
    plain(DEAD, false),
    plain(DEAD_FIFO, true),
    poison(POISON, false, DEAD),
    poison(POISON_FIFO, true, DEAD_FIFO),
    plain(PURGED, false),
    plain(PARKING, false),
    poison(PARKED, false, PARKING),
    plain(MOVED, false),
    plain(SETTINGS, false),
    plain(SURGE, false),
];

/// This function gives the URL under which clients name a queue.
pub(crate) fn url(name: &str) -> String {
    format!("http://127.0.0.1/{ACCOUNT}/{name}")
}

/// This function gives a queue's ARN.
pub(crate) fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{name}")
}

/// This function creates all queues.
pub(crate) fn create(client: &mut Client) {
    for queue in ALL {
        let mut attributes = serde_json::Map::new();
        attributes.insert("VisibilityTimeout".into(), "2".into());
        if queue.fifo {
            attributes.insert("FifoQueue".into(), "true".into());
        }
        if queue.name == DELAYED {
            attributes.insert("DelaySeconds".into(), (DELAYED_MS / 1000).to_string().into());
        }
        if let Some(redrive) = queue.redrive {
            let policy = json!({
                "deadLetterTargetArn": arn(redrive.dead_letters),
                "maxReceiveCount": redrive.receives_max,
            });
            attributes.insert("RedrivePolicy".into(), policy.to_string().into());
        }
        let input = json!({ "QueueName": queue.name, "Attributes": Value::Object(attributes) });
        assert!(client.connect(), "the run has only begun");
        match client.call("CreateQueue", &input) {
            Reply::Success(_) => {}
            other => panic!("creating {}: {other:?}", queue.name),
        }
    }
}
