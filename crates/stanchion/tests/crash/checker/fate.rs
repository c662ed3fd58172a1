//! What became of each message: nothing lost, nothing invented, nothing back
//! from the dead.

use super::index::{Delivered, Index, Message, Receipt};
use super::{Report, Rule, Violation};
use crate::history::{Event, Micros, Outcome, What};

pub(super) fn check(index: &Index<'_>, violations: &mut Vec<Violation>) {
    for (label, message) in &index.messages {
        never_sent(label, message, violations);
        lost(index, label, message, violations);
        resurrected(index, label, message, violations);
    }
    refused(index.events, violations);
}

fn never_sent(label: &str, message: &Message<'_>, violations: &mut Vec<Violation>) {
    let possible = |outcome: &Outcome<_>| !matches!(outcome, Outcome::Refused(_));
    if message.sends.iter().any(|(_, _, send)| possible(&send.outcome)) {
        return;
    }
    if let Some(delivered) = message.deliveries.first() {
        violations.report(Rule::NeverSent, label, format!("delivered by {}", delivered.queue));
    }
}

/// A purge took everything that may have been there while it ran.
fn may_be_purged(index: &Index<'_>, queue: &str, sent: Micros) -> bool {
    index.purges(queue).iter().any(|purge| purge.returned >= sent)
}

fn lost(index: &Index<'_>, label: &str, message: &Message<'_>, violations: &mut Vec<Violation>) {
    let acknowledged = message.sends.iter().find(|(_, _, send)| matches!(send.outcome, Outcome::Acknowledged(_)));
    let Some((_, event, send)) = acknowledged else { return };
    if !message.deletes.is_empty() || may_be_purged(index, send.queue, event.invoked) {
        return;
    }
    let seen = message.deliveries.len();
    violations.report(Rule::Lost, label, format!("sent to {}, delivered {seen} times, never deleted", send.queue));
}

fn resurrected(index: &Index<'_>, label: &str, message: &Message<'_>, violations: &mut Vec<Violation>) {
    for delete in message.deletes.iter().filter(|delete| delete.acknowledged) {
        if !surely_deleted(index, message, delete) {
            continue;
        }
        if let Some(back) = message.deliveries.iter().find(|found| found.invoked >= delete.returned) {
            let detail = format!(
                "deleted from {} at {}, delivered by {} at {}",
                delete.queue, delete.returned, back.queue, back.returned
            );
            violations.report(Rule::Resurrected, label, detail);
            return;
        }
    }
    let Some((_, sent, send)) = message.sends.first() else { return };
    if !matches!(send.outcome, Outcome::Acknowledged(_)) {
        return;
    }
    for purge in index.purges(send.queue).iter().filter(|purge| purge.acknowledged && sent.returned <= purge.invoked) {
        if let Some(back) = message.deliveries.iter().find(|found| found.invoked >= purge.returned) {
            let detail = format!("purged by {}, delivered at {}", purge.returned, back.returned);
            violations.report(Rule::Resurrected, label, detail);
            return;
        }
    }
}

/// On a standard queue a delete with a handle that a later receive has made
/// stale succeeds without deleting, and so does one of a message that has moved
/// on to the dead-letter queue.
fn surely_deleted(index: &Index<'_>, message: &Message<'_>, delete: &Receipt<'_>) -> bool {
    let own = message.deliveries.iter().find(|found| found.delivery.handle == delete.handle);
    let (Some(own), Some(queue)) = (own, index.queue(delete.queue)) else { return false };
    let expired_by_then = message.invisible_until(own) <= delete.returned;
    if queue.redrive.is_some_and(|redrive| own.delivery.receive_count >= redrive.receives_max) && expired_by_then {
        return false;
    }
    queue.fifo || !maybe_superseded(index, message, own, delete, expired_by_then)
}

fn maybe_superseded(
    index: &Index<'_>,
    message: &Message<'_>,
    own: &Delivered<'_>,
    delete: &Receipt<'_>,
    expired_by_then: bool,
) -> bool {
    let later = |found: &&Delivered<'_>| {
        found.delivery.receive_count > own.delivery.receive_count && found.invoked <= delete.returned
    };
    if message.deliveries.iter().find(later).is_some() {
        return true;
    }
    let lost = index.lost_receives_between(own.queue, message.invisible_until(own), delete.returned);
    expired_by_then && lost > 0
}

/// Every call of the load is a correct one, and every queue can be drained. Deletes, visibility changes and
/// move tasks may come too late or too early and are judged elsewhere.
fn refused(events: &[Event], violations: &mut Vec<Violation>) {
    for event in events {
        let (subject, why) = match &event.what {
            What::Send(send) => match &send.outcome {
                Outcome::Refused(why) => (send.label.as_str(), why),
                _ => continue,
            },
            What::Receive { queue, outcome: Outcome::Refused(why), .. }
            | What::Purge { queue, outcome: Outcome::Refused(why) } => (*queue, why),
            What::Set { key, outcome: Outcome::Refused(why), .. }
            | What::Get { key, outcome: Outcome::Refused(why), .. } => (*key, why),
            What::NotDrained { queue, why } => {
                violations.report(Rule::NotDrained, queue, why.clone());
                continue;
            }
            _ => continue,
        };
        violations.report(Rule::Refused, subject, why.clone());
    }
}
