//! Dead-letter queues and move tasks.

use super::index::Index;
use super::{Report, Rule, Violation};
use crate::history::{Micros, Outcome, What};
use std::collections::BTreeSet;

pub(super) fn check(index: &Index<'_>, violations: &mut Vec<Violation>) {
    for queue in index.queues {
        if let Some(redrive) = queue.redrive {
            dead_letters(index, queue.name, redrive, violations);
        }
    }
    let mut moves = BTreeSet::new();
    for event in index.events {
        match &event.what {
            What::StartMove { source, destination, .. } => {
                moves.insert((*source, *destination));
            }
            What::MovesEnded { source } => stopped(index, source, event.returned, violations),
            _ => {}
        }
    }
    for (source, destination) in moves {
        came_back(index, source, destination, violations);
    }
}

fn dead_letters(index: &Index<'_>, source: &str, redrive: super::Redrive, violations: &mut Vec<Violation>) {
    for (label, message) in &index.messages {
        for found in &message.deliveries {
            let count = found.delivery.receive_count;
            if found.queue == source && count > redrive.receives_max {
                let detail = format!("receive {count} by {source} at {}", found.returned);
                violations.report(Rule::RedriveMissed, label, detail);
            }
            let from_source = message.sends.first().is_some_and(|(_, _, send)| send.queue == source);
            if found.queue == redrive.dead_letters && from_source && count <= redrive.receives_max {
                let detail = format!("receive {count} by {} at {}", found.queue, found.returned);
                violations.report(Rule::RedriveTooEarly, label, detail);
            }
        }
    }
    came_back(index, source, redrive.dead_letters, violations);
}

fn came_back(index: &Index<'_>, source: &str, destination: &str, violations: &mut Vec<Violation>) {
    for (label, message) in &index.messages {
        let arrived = message.deliveries.iter().filter(|found| found.queue == destination);
        let Some(arrived) = arrived.map(|found| found.returned).min() else { continue };
        let back = message.deliveries.iter().find(|found| found.queue == source && found.invoked >= arrived);
        if let Some(back) = back {
            let detail = format!("by {destination} at {arrived}, by {source} at {}", back.returned);
            violations.report(Rule::CameBackFromMove, label, detail);
        }
    }
}

/// A task moves whatever is in its source, so what was there before the last
/// task began must have left when all tasks have ended.
fn stopped(index: &Index<'_>, source: &str, ended: Micros, violations: &mut Vec<Violation>) {
    let starts = index.events.iter().filter_map(|event| match &event.what {
        What::StartMove { source: from, outcome: Outcome::Acknowledged(()), .. } if *from == source => {
            Some(event.invoked)
        }
        _ => None,
    });
    let Some(last_start) = starts.max() else { return };
    for (label, message) in &index.messages {
        let before = message.sends.iter().any(|(_, event, send)| {
            send.queue == source && matches!(send.outcome, Outcome::Acknowledged(_)) && event.returned <= last_start
        });
        let still = message.deliveries.iter().find(|found| found.queue == source && found.invoked >= ended);
        if let Some(still) = still.filter(|_| before) {
            let detail = format!("delivered by {source} at {}, all tasks ended by {ended}", still.returned);
            violations.report(Rule::MoveStopped, label, detail);
        }
    }
}
