//! The queues.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A promise to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Acknowledge the message with this number by arrival, and forget it.
    Lose(u64),
    /// Put the message with this number in front of the one that was sent before it.
    Overtake(u64),
    /// Alter the body of the message with this number.
    Alter(u64),
    /// Deliver the message with this number again after its deletion.
    Resurrect(u64),
    /// Refuse every send whose number divides by this one.
    Refuse(u64),
    /// Answer 500 to the send with this number, but keep the message.
    FailLate(u64),
    /// Answer sends from the second on only after this many milliseconds.
    Stall(u64),
}

/// All queues of the server.
pub(crate) struct Service {
    fault: Option<Fault>,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    queues: BTreeMap<String, Vec<Message>>,
    in_flight: BTreeMap<String, Message>,
    /// The message that the next one overtakes.
    overtaken: Option<Message>,
    sent: u64,
    handles: u64,
    deleted_queues: usize,
}

#[derive(Clone)]
struct Message {
    number: u64,
    body: String,
    /// Of a FIFO queue: no other message of the group is given out as long as
    /// this one is in flight.
    group: Option<String>,
}

impl Service {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self { fault, state: Mutex::default(), arrived: Notify::new() }
    }

    /// Queues that exist, and queues that were deleted.
    pub(crate) fn queues(&self) -> (Vec<String>, usize) {
        let state = self.state.lock().expect("state");
        (state.queues.keys().cloned().collect(), state.deleted_queues)
    }

    /// Messages waiting in all queues.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().expect("state").queues.values().map(Vec::len).sum()
    }

    /// Messages waiting in each queue.
    pub(crate) fn depths(&self) -> Vec<usize> {
        self.state.lock().expect("state").queues.values().map(Vec::len).collect()
    }

    /// One call in the shape of the JSON protocol: status and output.
    pub(crate) async fn call(&self, action: &str, input: Value) -> (u16, Value) {
        let queue = match action {
            "CreateQueue" => {
                let name = text(&input["QueueName"]);
                self.state.lock().expect("state").queues.insert(name.clone(), Vec::new());
                return (200, json!({ "QueueUrl": format!("http://fake/000000000000/{name}") }));
            }
            _ => text(&input["QueueUrl"]).rsplit('/').next().expect("a name").to_owned(),
        };
        if !self.state.lock().expect("state").queues.contains_key(&queue) {
            return (400, json!({ "__type": "com.amazonaws.sqs#QueueDoesNotExist" }));
        }
        match action {
            "DeleteQueue" => {
                let mut state = self.state.lock().expect("state");
                state.queues.remove(&queue);
                state.deleted_queues += 1;
                (200, Value::Null)
            }
            "SendMessage" => self.send(&queue, &input).await,
            "SendMessageBatch" => self.send_batch(&queue, &input).await,
            "ReceiveMessage" => self.receive(&queue, &input).await,
            "DeleteMessage" => {
                self.delete(&queue, &text(&input["ReceiptHandle"]));
                (200, Value::Null)
            }
            "DeleteMessageBatch" => {
                for entry in input["Entries"].as_array().expect("entries") {
                    self.delete(&queue, &text(&entry["ReceiptHandle"]));
                }
                (200, json!({}))
            }
            other => panic!("unknown action {other}"),
        }
    }

    async fn send(&self, queue: &str, input: &Value) -> (u16, Value) {
        let number = {
            let mut state = self.state.lock().expect("state");
            state.sent += 1;
            state.sent
        };
        if let Some(Fault::Stall(millis)) = self.fault
            && number > 1
        {
            // How long an answer takes is what the generator measures, by the clock of the system.
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        if matches!(self.fault, Some(Fault::Refuse(every)) if number % every == 0) {
            return (400, json!({ "__type": "InvalidParameterValue" }));
        }
        let mut body = text(&input["MessageBody"]);
        if self.fault == Some(Fault::Alter(number)) {
            body.pop();
        }
        if self.fault != Some(Fault::Lose(number)) {
            let mut state = self.state.lock().expect("state");
            let group = input["MessageGroupId"].as_str().map(str::to_owned);
            let message = Message { number, body, group };
            // The one that is overtaken is kept back until then, so that no consumer is fast enough to get it before.
            if matches!(self.fault, Some(Fault::Overtake(next)) if next == number + 1) {
                state.overtaken = Some(message);
            } else {
                let overtaken = state.overtaken.take();
                state.queues.get_mut(queue).expect("the queue").extend(std::iter::once(message).chain(overtaken));
            }
        }
        self.arrived.notify_waiters();
        if self.fault == Some(Fault::FailLate(number)) {
            return (500, json!({ "__type": "InternalFailure" }));
        }
        (200, json!({ "MessageId": number.to_string() }))
    }

    async fn send_batch(&self, queue: &str, input: &Value) -> (u16, Value) {
        let mut failed = Vec::new();
        for entry in input["Entries"].as_array().expect("entries") {
            let (status, output) = self.send(queue, entry).await;
            if status != 200 {
                failed.push(json!({ "Id": entry["Id"], "Code": output["__type"] }));
            }
        }
        match failed.is_empty() {
            true => (200, json!({ "Successful": [] })),
            false => (200, json!({ "Failed": failed })),
        }
    }

    async fn receive(&self, queue: &str, input: &Value) -> (u16, Value) {
        let wait = Duration::from_secs(input["WaitTimeSeconds"].as_u64().expect("a number"));
        let count = usize::try_from(input["MaxNumberOfMessages"].as_u64().expect("a number")).expect("small");
        let deadline = Instant::now() + wait;
        loop {
            let arrived = self.arrived.notified();
            let messages = self.take(queue, count);
            if !messages.is_empty() {
                return (200, json!({ "Messages": messages }));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || tokio::time::timeout(left, arrived).await.is_err() {
                return (200, json!({}));
            }
        }
    }

    fn take(&self, queue: &str, count: usize) -> Vec<Value> {
        let mut state = self.state.lock().expect("state");
        let state = &mut *state;
        let Some(waiting) = state.queues.get_mut(queue) else { return Vec::new() };
        let locked: BTreeSet<String> = state.in_flight.values().filter_map(|message| message.group.clone()).collect();
        let is_free = |message: &mut Message| !message.group.as_ref().is_some_and(|group| locked.contains(group));
        let taken: Vec<Message> = waiting.extract_if(.., is_free).take(count).collect();
        let mut messages = Vec::new();
        for message in taken {
            state.handles += 1;
            let handle = format!("h+/={}\"&<", state.handles);
            messages.push(json!({ "ReceiptHandle": handle, "Body": message.body }));
            state.in_flight.insert(handle, message);
        }
        messages
    }

    fn delete(&self, queue: &str, handle: &str) {
        let mut state = self.state.lock().expect("state");
        let message = state.in_flight.remove(handle).expect("a handle that was given out");
        // The copy has a number of its own, so that it comes back only once.
        if self.fault == Some(Fault::Resurrect(message.number)) {
            let copy = Message { number: 0, ..message };
            state.queues.get_mut(queue).expect("the queue").push(copy);
        }
        // The rest of its group may wait for it.
        self.arrived.notify_waiters();
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}
