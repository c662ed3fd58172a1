//! Lets a queue grow by hundreds of messages and takes it back to empty.

use super::{Outgoing, Session};
use crate::queues::SURGE;

/// Short enough for the drain at the end.
const VISIBILITY_SECONDS: u64 = 3;
/// The queue is empty after so many empty answers in a row: a short poll may miss what is there.
const EMPTY_ANSWERS: u32 = 3;

/// This function does so until the run is over.
pub(super) fn run(session: &mut Session) {
    let mut sent = 0;
    while session.go_on() {
        let top = sent + session.random.between(300, 3000);
        while sent < top && session.go_on() {
            let messages: Vec<Outgoing> = (0..10)
                .map(|_| {
                    sent += 1;
                    Outgoing { label: format!("{SURGE}-{}-{sent}", session.number), group: None, delay_seconds: None }
                })
                .collect();
            session.send(SURGE, &messages);
        }
        let mut empty = 0;
        while empty < EMPTY_ANSWERS && session.go_on() {
            let deliveries = session.receive(SURGE, VISIBILITY_SECONDS, 0);
            if deliveries.is_empty() {
                empty += 1;
                continue;
            }
            empty = 0;
            session.delete(SURGE, &deliveries);
        }
    }
}
