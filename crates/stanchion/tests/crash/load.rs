//! The clients under load. Each writes its own history.

mod attributes;
mod consumer;
pub(crate) mod drain;
mod fifo_producer;
mod mover;
pub(crate) mod passing;
mod producer;
mod purger;
mod surge;

use crate::client::{Client, Reply};
use crate::history::{Delivery, Event, Micros, Outcome, Send, Stored, What};
use crate::queues;
use crate::random::Random;
use crate::{body, server::Gate};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages sent and not deleted, roughly, in the queues that consumers empty.
/// Producers pause above the bound, so that the backlog does not outgrow them.
const BACKLOG_MAX: i64 = 2000;

/// One client: a connection, chance, and what it has written down.
pub(crate) struct Session {
    pub(crate) number: usize,
    pub(crate) random: Random,
    pub(crate) events: Vec<Event>,
    client: Client,
    gate: Arc<Gate>,
    began: Instant,
}

/// What a client does until the run is over.
pub(crate) type Role = fn(&mut Session);

/// The clients of a run.
pub(crate) const ROLES: [Role; 15] = [
    |session| producer::run(session, queues::STANDARD),
    |session| producer::run(session, queues::STANDARD),
    |session| producer::run(session, queues::DELAYED),
    |session| producer::run(session, queues::POISON),
    |session| consumer::run(session, queues::STANDARD),
    |session| consumer::run(session, queues::STANDARD),
    |session| consumer::run(session, queues::DELAYED),
    |session| consumer::run(session, queues::POISON),
    |session| fifo_producer::run(session, queues::ORDER),
    |session| fifo_producer::run(session, queues::POISON_FIFO),
    |session| consumer::run(session, queues::ORDER),
    |session| consumer::run(session, queues::POISON_FIFO),
    purger::run,
    mover::run,
    attributes::run,
];

/// The clients that a soak has besides.
pub(crate) const SOAK_ROLES: [Role; 2] = [surge::run, passing::run];

/// A message to send.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) label: String,
    pub(crate) group: Option<String>,
    /// The message's own delay; `None` leaves it to the queue.
    pub(crate) delay_seconds: Option<u64>,
}

impl Session {
    pub(crate) fn new(number: usize, seed: u64, gate: &Arc<Gate>, began: Instant) -> Self {
        Self {
            number,
            random: Random::new(seed.wrapping_add(number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d)),
            events: Vec::new(),
            client: Client::new(gate.clone()),
            gate: gate.clone(),
            began,
        }
    }

    /// This function waits for a server; false when the run is over.
    pub(crate) fn go_on(&mut self) -> bool {
        !self.gate.is_over() && self.client.connect()
    }

    /// This function keeps producers from running away from the consumers.
    pub(crate) fn pace(&mut self, queue: &str) {
        let pause_ms = match queue {
            // Most of it is received three times before it goes.
            queues::POISON | queues::POISON_FIFO => self.random.between(40, 80),
            _ if self.gate.backlog() > BACKLOG_MAX => 100,
            _ => self.random.between(1, 20),
        };
        std::thread::sleep(Duration::from_millis(pause_ms));
    }

    /// This function counts messages that were sent (or, below zero, deleted).
    pub(crate) fn count_backlog(&self, change: i64) {
        self.gate.count_backlog(change);
    }

    fn now(&self) -> Micros {
        u64::try_from(self.began.elapsed().as_micros()).expect("a short run")
    }

    /// Makes a call and gives its times; `None` when it was never made.
    fn call(&mut self, action: &str, input: &Value) -> Option<(Micros, Micros, Outcome<Value>)> {
        if !self.client.connect() {
            return None;
        }
        let invoked = self.now();
        let reply = self.client.call(action, input);
        let outcome = match reply {
            Reply::Success(output) => Outcome::Acknowledged(output),
            Reply::Refused(why) => Outcome::Refused(why),
            Reply::Unknown => Outcome::Unknown,
            Reply::NotSent => return None,
        };
        Some((invoked, self.now(), outcome))
    }

    fn note(&mut self, invoked: Micros, returned: Micros, what: What) {
        self.events.push(Event { client: self.number, invoked, returned, what });
    }

    /// This function sends messages, in a batch if there are several, and says
    /// whether the outcome is known.
    pub(crate) fn send(&mut self, queue: &'static str, messages: &[Outgoing]) -> bool {
        let url = queues::url(queue);
        let (action, input) = match messages {
            [message] => {
                let mut input = send_members(message);
                input["QueueUrl"] = url.into();
                ("SendMessage", input)
            }
            _ => {
                let entry = |(at, message): (usize, &Outgoing)| {
                    let mut entry = send_members(message);
                    entry["Id"] = at.to_string().into();
                    entry
                };
                let entries: Vec<Value> = messages.iter().enumerate().map(entry).collect();
                ("SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries }))
            }
        };
        let Some((invoked, returned, outcome)) = self.call(action, &input) else { return false };
        let mut resolved = true;
        for (at, message) in messages.iter().enumerate() {
            let outcome = match &outcome {
                Outcome::Unknown => Outcome::Unknown,
                Outcome::Refused(why) => Outcome::Refused(why.clone()),
                Outcome::Acknowledged(output) if messages.len() == 1 => Outcome::Acknowledged(stored(output)),
                Outcome::Acknowledged(output) => entry_outcome(output, at).map(stored),
            };
            resolved &= outcome != Outcome::Unknown;
            let queue_delay_ms = if queue == queues::DELAYED { queues::DELAYED_MS } else { 0 };
            let delay_ms = message.delay_seconds.map_or(queue_delay_ms, |seconds| seconds * 1000);
            let (label, group) = (message.label.clone(), message.group.clone());
            self.note(invoked, returned, What::Send(Send { queue, label, group, delay_ms, outcome }));
        }
        resolved
    }

    /// This function receives; an empty list stands for every failure too.
    pub(crate) fn receive(&mut self, queue: &'static str, visibility_seconds: u64, wait_seconds: u64) -> Vec<Delivery> {
        let input = json!({
            "QueueUrl": queues::url(queue),
            "MaxNumberOfMessages": self.random.between(1, 10),
            "VisibilityTimeout": visibility_seconds,
            "WaitTimeSeconds": wait_seconds,
            "MessageSystemAttributeNames": ["All"],
        });
        let Some((invoked, returned, outcome)) = self.call("ReceiveMessage", &input) else { return Vec::new() };
        let outcome = outcome.map(|output| {
            let messages = output["Messages"].as_array().cloned().unwrap_or_default();
            messages.iter().map(delivery).collect::<Vec<_>>()
        });
        let deliveries = match &outcome {
            Outcome::Acknowledged(deliveries) => deliveries.clone(),
            _ => Vec::new(),
        };
        let visibility_ms = visibility_seconds * 1000;
        self.note(invoked, returned, What::Receive { queue, visibility_ms, outcome });
        deliveries
    }

    /// This function deletes one message, or several in a batch.
    pub(crate) fn delete(&mut self, queue: &'static str, deliveries: &[Delivery]) {
        let Some((invoked, returned, outcomes)) = self.by_handles("DeleteMessage", queue, deliveries, |_| json!({}))
        else {
            return;
        };
        for (delivery, outcome) in deliveries.iter().zip(outcomes) {
            let (label, handle) = (delivery.label.clone(), delivery.handle.clone());
            self.note(invoked, returned, What::Delete { queue, label, handle, outcome });
        }
    }

    /// This function changes the visibility of one message, or of several in a
    /// batch.
    pub(crate) fn change_visibility(&mut self, queue: &'static str, deliveries: &[Delivery], seconds: u64) {
        let member = |_: &Delivery| json!({ "VisibilityTimeout": seconds });
        let Some((invoked, returned, outcomes)) = self.by_handles("ChangeMessageVisibility", queue, deliveries, member)
        else {
            return;
        };
        for (delivery, outcome) in deliveries.iter().zip(outcomes) {
            let (label, handle) = (delivery.label.clone(), delivery.handle.clone());
            let timeout_ms = seconds * 1000;
            self.note(invoked, returned, What::ChangeVisibility { queue, label, handle, timeout_ms, outcome });
        }
    }

    fn by_handles(
        &mut self,
        action: &str,
        queue: &str,
        deliveries: &[Delivery],
        members: impl Fn(&Delivery) -> Value,
    ) -> Option<(Micros, Micros, Vec<Outcome<()>>)> {
        let mut inputs: Vec<Value> = deliveries
            .iter()
            .map(|delivery| {
                let mut input = members(delivery);
                input["ReceiptHandle"] = delivery.handle.clone().into();
                input
            })
            .collect();
        let single = inputs.len() == 1 && self.random.percent(50);
        let (invoked, returned, outcome) = if single {
            inputs[0]["QueueUrl"] = queues::url(queue).into();
            self.call(action, &inputs[0])?
        } else {
            for (at, input) in inputs.iter_mut().enumerate() {
                input["Id"] = at.to_string().into();
            }
            let input = json!({ "QueueUrl": queues::url(queue), "Entries": inputs });
            self.call(&format!("{action}Batch"), &input)?
        };
        let outcomes = (0..deliveries.len()).map(|at| match &outcome {
            Outcome::Unknown => Outcome::Unknown,
            Outcome::Refused(why) => Outcome::Refused(why.clone()),
            Outcome::Acknowledged(_) if single => Outcome::Acknowledged(()),
            Outcome::Acknowledged(output) => entry_outcome(output, at).map(|_| ()),
        });
        Some((invoked, returned, outcomes.collect()))
    }

    /// This function makes a call that concerns a whole queue and notes what
    /// `what` makes of its outcome.
    pub(crate) fn plain_call(
        &mut self,
        action: &str,
        input: &Value,
        what: impl FnOnce(Outcome<Value>) -> What,
    ) -> Option<Value> {
        let (invoked, returned, outcome) = self.call(action, input)?;
        let output = match &outcome {
            Outcome::Acknowledged(output) => Some(output.clone()),
            _ => None,
        };
        self.note(invoked, returned, what(outcome));
        output
    }

    /// This function asks something that leaves no trace in the history.
    pub(crate) fn ask(&mut self, action: &str, input: &Value) -> Option<Value> {
        match self.call(action, input)?.2 {
            Outcome::Acknowledged(output) => Some(output),
            _ => None,
        }
    }

    /// This function notes that a queue cannot be emptied as it should.
    pub(crate) fn note_not_drained(&mut self, queue: &'static str, why: String) {
        let now = self.now();
        self.note(now, now, What::NotDrained { queue, why });
    }

    /// This function notes that all move tasks out of `source` have ended.
    pub(crate) fn note_moves_ended(&mut self, source: &'static str) {
        let now = self.now();
        self.note(now, now, What::MovesEnded { source });
    }
}

impl<T> Outcome<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Acknowledged(value) => Outcome::Acknowledged(change(value)),
            Self::Refused(why) => Outcome::Refused(why),
            Self::Unknown => Outcome::Unknown,
        }
    }
}

fn send_members(message: &Outgoing) -> Value {
    let mut input = json!({ "MessageBody": body::write(&message.label) });
    if let Some(group) = &message.group {
        input["MessageGroupId"] = group.clone().into();
        input["MessageDeduplicationId"] = message.label.clone().into();
    }
    if let Some(seconds) = message.delay_seconds {
        input["DelaySeconds"] = seconds.into();
    }
    input
}

fn entry_outcome(output: &Value, at: usize) -> Outcome<&Value> {
    let id = at.to_string();
    let find = |list: &str| {
        let entries = output[list].as_array().into_iter().flatten();
        entries.into_iter().find(|entry| entry["Id"].as_str() == Some(&id))
    };
    match (find("Successful"), find("Failed")) {
        (Some(entry), None) => Outcome::Acknowledged(entry),
        (None, Some(entry)) => Outcome::Refused(entry.to_string()),
        _ => panic!("entry {at} is not answered once: {output}"),
    }
}

fn stored(output: &Value) -> Stored {
    Stored { message_id: text(&output["MessageId"]), sequence: sequence(&output["SequenceNumber"]) }
}

fn delivery(message: &Value) -> Delivery {
    let attributes = &message["Attributes"];
    let number = |name: &str| text(&attributes[name]).parse().expect("a number");
    Delivery {
        label: body::read(&text(&message["Body"])),
        message_id: text(&message["MessageId"]),
        handle: text(&message["ReceiptHandle"]),
        receive_count: number("ApproximateReceiveCount"),
        group: attributes["MessageGroupId"].as_str().map(str::to_owned),
        sequence: sequence(&attributes["SequenceNumber"]),
        first_received: number("ApproximateFirstReceiveTimestamp"),
    }
}

fn sequence(value: &Value) -> Option<u128> {
    value.as_str().map(|text| text.parse().expect("a sequence number"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text instead of {value}")).to_owned()
}
