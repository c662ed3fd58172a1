//! Receives, and does one of everything with what comes.

use super::Session;
use crate::history::Delivery;
use crate::queues;

/// This function consumes until the run is over.
pub(super) fn run(session: &mut Session, queue: &'static str) {
    // Of poison most is left alone, so that it goes to the dead letters.
    let poison = matches!(queue, queues::POISON | queues::POISON_FIFO);
    let deleted_percent = if poison { 15 } else { 80 };
    while session.go_on() {
        let (visibility, wait) = (session.random.between(1, 3), session.random.between(0, 1));
        let deliveries = session.receive(queue, visibility, wait);
        let mut deleted: Vec<Delivery> = Vec::new();
        for delivery in deliveries {
            if session.random.percent(deleted_percent) {
                deleted.push(delivery);
            } else if session.random.percent(30) {
                session.change_visibility(queue, &[delivery], 0);
            } else if session.random.percent(30) {
                let seconds = session.random.between(1, 4);
                session.change_visibility(queue, &[delivery], seconds);
            }
        }
        if deleted.is_empty() {
            continue;
        }
        if !poison {
            session.count_backlog(-(deleted.len() as i64));
        }
        if session.random.percent(70) {
            session.delete(queue, &deleted);
        } else {
            for delivery in deleted {
                session.delete(queue, &[delivery]);
            }
        }
    }
}
