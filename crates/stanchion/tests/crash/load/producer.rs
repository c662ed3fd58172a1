//! Sends to a standard queue: singles and batches, with and without delays.

use super::{Outgoing, Session};
use crate::queues::POISON;

/// This function sends until the run is over. A send of unknown outcome is not
/// repeated: every label is sent once.
pub(super) fn run(session: &mut Session, queue: &'static str) {
    let mut sent = 0;
    while session.go_on() {
        let count = if session.random.percent(40) { session.random.between(2, 10) } else { 1 };
        let messages: Vec<Outgoing> = (0..count)
            .map(|_| {
                sent += 1;
                let delay_seconds = session.random.percent(20).then(|| session.random.between(0, 3));
                Outgoing { label: format!("{queue}-{}-{sent}", session.number), group: None, delay_seconds }
            })
            .collect();
        session.send(queue, &messages);
        if queue != POISON {
            session.count_backlog(messages.len() as i64);
        }
        session.pace(queue);
    }
}
