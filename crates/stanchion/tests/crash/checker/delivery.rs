//! When and how often each message is delivered.

use super::index::{Delivered, Index, Message};
use super::{EARLY_MAX, Report, Rule, Violation};
use crate::history::Outcome;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(index: &Index<'_>, violations: &mut Vec<Violation>) {
    for (label, message) in &index.messages {
        stored_twice(label, message, violations);
        delayed_too_short(label, message, violations);
        for copies in by_message_id(message).values() {
            receive_counts(index, label, copies, violations);
            invisibility(label, message, copies, violations);
            identity(label, copies, violations);
        }
    }
}

/// The deliveries of each message id, by receive count.
fn by_message_id<'a>(message: &Message<'a>) -> BTreeMap<&'a str, Vec<Delivered<'a>>> {
    let mut copies: BTreeMap<&str, Vec<Delivered<'_>>> = BTreeMap::new();
    for delivered in &message.deliveries {
        copies.entry(&delivered.delivery.message_id).or_default().push(*delivered);
    }
    for copies in copies.values_mut() {
        copies.sort_by_key(|found| (found.delivery.receive_count, found.returned));
    }
    copies
}

/// A label names one message in each queue: the one whose id the send's answer
/// gave. Only a move task gives a message a new id, and a new queue with it.
fn stored_twice(label: &str, message: &Message<'_>, violations: &mut Vec<Violation>) {
    let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, _, send) in &message.sends {
        if let Outcome::Acknowledged(stored) = &send.outcome {
            ids.entry(send.queue).or_default().insert(&stored.message_id);
        }
    }
    for delivered in &message.deliveries {
        ids.entry(delivered.queue).or_default().insert(&delivered.delivery.message_id);
    }
    for (queue, ids) in ids {
        if ids.len() > 1 {
            violations.report(Rule::StoredTwice, label, format!("in {queue} under {ids:?}"));
        }
    }
}

fn delayed_too_short(label: &str, message: &Message<'_>, violations: &mut Vec<Violation>) {
    let possible = message.sends.iter().filter(|(_, _, send)| !matches!(send.outcome, Outcome::Refused(_)));
    let Some(due) = possible.map(|(_, event, send)| event.invoked + send.delay_ms * 1000).min() else { return };
    let Some(first) = message.deliveries.iter().map(|found| found.returned).min() else { return };
    if first + EARLY_MAX < due {
        violations.report(Rule::DelayedTooShort, label, format!("due at {due}, delivered at {first}"));
    }
}

fn receive_counts(index: &Index<'_>, label: &str, copies: &[Delivered<'_>], violations: &mut Vec<Violation>) {
    for (at, delivered) in copies.iter().enumerate() {
        let count = delivered.delivery.receive_count;
        if let Some(later) =
            copies.iter().find(|later| later.invoked >= delivered.returned && later.delivery.receive_count <= count)
        {
            let detail =
                format!("{count} at {}, {} at {}", delivered.returned, later.delivery.receive_count, later.returned);
            violations.report(Rule::ReceiveCountWentBack, label, detail);
            return;
        }
        if at > 0 && copies[at - 1].delivery.receive_count == count {
            violations.report(Rule::ReceiveCountWentBack, label, format!("{count} twice"));
            return;
        }
        let possible = at as u64 + 1 + receives_unseen(index, delivered);
        if count > possible {
            let detail = format!("{count} at {}, at most {possible} can have been made", delivered.returned);
            violations.report(Rule::ReceiveCountTooHigh, label, detail);
            return;
        }
    }
}

/// Receives that can have counted without a client seeing the message: those
/// that lost their reply, and the one that moved it to a dead-letter queue.
fn receives_unseen(index: &Index<'_>, delivered: &Delivered<'_>) -> u64 {
    let own = index.lost_receives_between(delivered.queue, 0, delivered.returned);
    let sources = index
        .queues
        .iter()
        .filter(|queue| queue.redrive.is_some_and(|redrive| redrive.dead_letters == delivered.queue));
    let before: u64 = sources.map(|source| index.lost_receives_between(source.name, 0, delivered.returned) + 1).sum();
    own + before
}

fn invisibility(label: &str, message: &Message<'_>, copies: &[Delivered<'_>], violations: &mut Vec<Violation>) {
    for pair in copies.windows(2) {
        let until = message.invisible_until(&pair[0]);
        // The other way round it is the count that went back.
        let in_order = pair[0].invoked <= pair[1].returned;
        if in_order && pair[1].returned < until {
            let detail =
                format!("received at {}, invisible until {until}, delivered at {}", pair[0].returned, pair[1].returned);
            violations.report(Rule::DeliveredWhileInvisible, label, detail);
            return;
        }
    }
}

fn identity(label: &str, copies: &[Delivered<'_>], violations: &mut Vec<Violation>) {
    for pair in copies.windows(2) {
        let (a, b) = (pair[0].delivery, pair[1].delivery);
        if pair[0].queue != pair[1].queue {
            continue;
        }
        if (&a.group, a.sequence, a.first_received) != (&b.group, b.sequence, b.first_received) {
            violations.report(Rule::IdentityChanged, label, format!("{a:?} became {b:?}"));
            return;
        }
    }
}
