//! Sends to a FIFO queue as real clients do: a send of unknown outcome is
//! repeated with the same deduplication id until it is acknowledged. On top of
//! that some sends are repeated on purpose, above all after a crash.

use super::{Outgoing, Session};
use crate::queues::POISON_FIFO;
use std::collections::VecDeque;

const GROUPS: u64 = 6;
const REMEMBERED: usize = 40;

/// This function sends until the run is over, to groups of its own.
pub(super) fn run(session: &mut Session, queue: &'static str) {
    let mut sent = 0;
    let mut past: VecDeque<Vec<Outgoing>> = VecDeque::new();
    while session.go_on() {
        let count = if session.random.percent(40) { session.random.between(2, 10) } else { 1 };
        let messages: Vec<Outgoing> = (0..count)
            .map(|_| {
                sent += 1;
                let group = format!("g{}-{}", session.number, session.random.between(1, GROUPS));
                let label = format!("{queue}-{}-{sent}", session.number);
                Outgoing { label, group: Some(group), delay_seconds: None }
            })
            .collect();
        let mut crashed = false;
        while !session.send(queue, &messages) {
            crashed = true;
            if !session.go_on() {
                return;
            }
        }
        if queue != POISON_FIFO {
            session.count_backlog(messages.len() as i64);
        }
        past.push_back(messages);
        if past.len() > REMEMBERED {
            past.pop_front();
        }
        if crashed || session.random.percent(3) {
            for _ in 0..3 {
                let at = session.random.between(0, past.len() as u64 - 1) as usize;
                session.send(queue, &past[at]);
            }
        }
        session.pace(queue);
    }
}
