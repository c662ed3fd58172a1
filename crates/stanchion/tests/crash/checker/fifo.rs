//! Order, sequence numbers and deduplication.
//!
//! Each group has one producer, which sends a message only when the one before
//! is acknowledged (repeating it until then). So the order of the producer's
//! first attempts is the order of the group.

use super::index::{Delivered, Index, Message};
use super::{Report, Rule, Violation};
use crate::history::Outcome;
use std::collections::BTreeMap;

pub(super) fn check(index: &Index<'_>, violations: &mut Vec<Violation>) {
    for (label, message) in &index.messages {
        deduplication(index, label, message, violations);
    }
    for ((queue, _), mut group) in groups(index) {
        group.sort_by_key(|(_, message)| first_attempt(message));
        one_producer(&group);
        sequences(&group, violations);
        order(index, queue, &group, violations);
    }
}

type Group<'a, 'b> = Vec<(&'a str, &'b Message<'a>)>;

/// The messages that certainly exist, by queue and group.
fn groups<'a, 'b>(index: &'b Index<'a>) -> BTreeMap<(&'a str, &'a str), Group<'a, 'b>> {
    let mut groups: BTreeMap<_, Group<'_, '_>> = BTreeMap::new();
    for (label, message) in &index.messages {
        let Some((_, _, send)) = message.sends.first() else { continue };
        let fifo = index.queue(send.queue).is_some_and(|queue| queue.fifo);
        let exists = acknowledged(message).is_some() || !message.deliveries.is_empty();
        if let Some(group) = send.group.as_deref().filter(|_| fifo && exists) {
            groups.entry((send.queue, group)).or_default().push((label, message));
        }
    }
    groups
}

/// What the order is derived from must hold.
fn one_producer(group: &Group<'_, '_>) {
    let mut producers = group.iter().flat_map(|(_, message)| &message.sends).map(|(_, event, _)| event.client);
    let first = producers.next();
    assert!(producers.all(|producer| Some(producer) == first), "two clients send to one group");
}

fn first_attempt(message: &Message<'_>) -> usize {
    let possible = message.sends.iter().find(|(_, _, send)| !matches!(send.outcome, Outcome::Refused(_)));
    possible.map_or(usize::MAX, |(at, ..)| *at)
}

fn acknowledged<'a>(message: &Message<'a>) -> Option<&'a crate::history::Stored> {
    message.sends.iter().find_map(|(_, _, send)| match &send.outcome {
        Outcome::Acknowledged(stored) => Some(stored),
        _ => None,
    })
}

/// A run is shorter than the five minutes for which an id is remembered.
fn deduplication(index: &Index<'_>, label: &str, message: &Message<'_>, violations: &mut Vec<Violation>) {
    let Some(first) = acknowledged(message) else { return };
    for (_, event, send) in &message.sends {
        let fifo = index.queue(send.queue).is_some_and(|queue| queue.fifo);
        if let Outcome::Acknowledged(stored) = &send.outcome
            && fifo
            && stored != first
        {
            let detail = format!("answered {first:?} first, {stored:?} at {}", event.returned);
            violations.report(Rule::DeduplicationForgotten, label, detail);
            return;
        }
    }
}

fn sequences(group: &Group<'_, '_>, violations: &mut Vec<Violation>) {
    let mut highest: Option<(u128, &str)> = None;
    for (label, message) in group {
        let Some(sequence) = acknowledged(message).and_then(|stored| stored.sequence) else { continue };
        if let Some((before, other)) = highest
            && sequence <= before
        {
            violations.report(Rule::SequenceWentBack, label, format!("{sequence} after {before} of {other}"));
        }
        highest = highest.max(Some((sequence, label)));
    }
}

/// When a message is delivered, every earlier one of its group must be gone
/// from the queue, or stand before it in the same reply.
fn order(index: &Index<'_>, queue: &str, group: &Group<'_, '_>, violations: &mut Vec<Violation>) {
    let redrive = index.queue(queue).and_then(|queue| queue.redrive);
    // Earlier messages that may be there still. One whose deletion may have
    // happened before all that follows need not be looked at again.
    let mut earlier: Vec<(&str, &Message<'_>)> = Vec::new();
    for (label, message) in group {
        for delivered in message.deliveries.iter().filter(|found| found.queue == queue) {
            let blocking = earlier.iter().find(|(_, other)| {
                let moved = redrive
                    .is_some_and(|redrive| other.deliveries.iter().any(|found| found.queue == redrive.dead_letters));
                !moved && !gone_by(other, delivered) && !before_in_reply(other, delivered)
            });
            if let Some((other, _)) = blocking {
                let detail = format!("delivered by {queue} at {} although {other} comes first", delivered.returned);
                violations.report(Rule::FifoOrder, label, detail);
                return;
            }
        }
        earlier.push((label, message));
        let next_delivery = message.deliveries.iter().map(|found| found.returned).min().unwrap_or(0);
        earlier.retain(|(_, other)| !other.deletes.iter().any(|delete| delete.invoked <= next_delivery));
    }
}

fn gone_by(message: &Message<'_>, delivered: &Delivered<'_>) -> bool {
    message.deletes.iter().any(|delete| delete.invoked <= delivered.returned)
}

fn before_in_reply(message: &Message<'_>, delivered: &Delivered<'_>) -> bool {
    message.deliveries.iter().any(|found| found.reply == delivered.reply && found.place < delivered.place)
}
