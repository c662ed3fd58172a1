//! The end of a run: everything that is left is received and deleted.

use super::{Session, attributes, mover};
use crate::queues::{self, PARKING};
use serde_json::json;
use std::time::{Duration, Instant};

/// Longer than any delay or invisibility that the load asks for (4 s), the
/// drain's own included.
const SILENCE: Duration = Duration::from_secs(6);
/// A drain that takes longer is stuck.
const DRAIN_MAX: Duration = Duration::from_secs(180);
const VISIBILITY_SECONDS: u64 = 4;

/// This function does what a queue needs at the end: most are emptied.
pub(crate) fn finish(session: &mut Session, queue: &'static str) {
    match queue {
        PARKING => {
            wait_for_moves(session);
            empty(session, PARKING);
            empty(session, queues::MOVED);
        }
        queues::SETTINGS => read_attributes(session),
        // Each after its source, which may still move messages there.
        queues::DEAD | queues::DEAD_FIFO | queues::MOVED => {}
        queues::POISON => {
            empty(session, queues::POISON);
            empty(session, queues::DEAD);
        }
        queues::POISON_FIFO => {
            empty(session, queues::POISON_FIFO);
            empty(session, queues::DEAD_FIFO);
        }
        _ => empty(session, queue),
    }
}

/// This function waits until no move task runs any more.
fn wait_for_moves(session: &mut Session) {
    let deadline = Instant::now() + DRAIN_MAX;
    while session.go_on() {
        if mover::is_running(session) == Some(false) {
            session.note_moves_ended(PARKING);
            return;
        }
        if Instant::now() >= deadline {
            return session.note_not_drained(PARKING, format!("a move task does not end within {DRAIN_MAX:?}"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// This function reads all attributes a last time.
fn read_attributes(session: &mut Session) {
    if session.go_on() {
        attributes::read(session);
    }
}

/// This function empties one queue: until nothing has come for longer than any
/// message can stay invisible, and the server counts none.
fn empty(session: &mut Session, queue: &'static str) {
    let began = Instant::now();
    let mut last_message = Instant::now();
    while session.go_on() {
        let deliveries = session.receive(queue, VISIBILITY_SECONDS, 1);
        if !deliveries.is_empty() {
            session.delete(queue, &deliveries);
            last_message = Instant::now();
            if began.elapsed() > DRAIN_MAX {
                return session.note_not_drained(queue, format!("messages still come after {DRAIN_MAX:?}"));
            }
        } else if last_message.elapsed() > SILENCE {
            break;
        }
    }
    for counter in
        ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    {
        let input = json!({ "QueueUrl": queues::url(queue), "AttributeNames": [counter] });
        let output = session.ask("GetQueueAttributes", &input);
        let count = output.as_ref().and_then(|output| output["Attributes"][counter].as_str());
        if count != Some("0") {
            session.note_not_drained(queue, format!("empty, but {counter} is {count:?}"));
        }
    }
}

/// This function looks whether anything has come back into an empty queue.
pub(crate) fn look_again(session: &mut Session, queue: &'static str) {
    if session.go_on() {
        session.receive(queue, VISIBILITY_SECONDS, 1);
    }
}
