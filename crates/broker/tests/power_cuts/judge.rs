//! The promises: what is there after a start has to agree with what the clients were answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use stanchion_broker::Carried;
use stanchion_engine::queue::listing::Standing;

use crate::ledger::{Flight, Ledger, Message, Presence, Queue};
use crate::seen::{Seen, SeenQueue};

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// What was acknowledged and not deleted is there.
    Kept,
    /// What was deleted, or was missing after a restart, does not come back.
    Gone,
    /// What was never sent is not there.
    Sent,
    /// A message is what was sent, with the id that was answered.
    Same,
    /// Every message is there once.
    Once,
    /// Messages of a group are in the order in which they were sent.
    Ordered,
    /// What was received is hidden, and what was not is visible.
    Hidden,
    /// A queue has the attributes and tags that were set.
    Configured,
    /// A message that is sent again is recognized.
    Recognized,
    /// What is visible can be received.
    Received,
    /// A server starts, and refuses nothing while its disk works.
    Served,
}

/// A promise that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) text: String,
}

impl Violation {
    pub(crate) fn new(rule: Rule, text: impl Into<String>) -> Violation {
        Violation { rule, text: text.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.text)
    }
}

/// Compares what is there with what the clients know.
pub(crate) fn judge(ledger: &Ledger, seen: &Seen) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, queue) in &ledger.queues {
        judge_queue(name, queue, seen.queues.get(*name), &mut found);
    }
    for name in seen.queues.keys().filter(|name| !ledger.queues.contains_key(name.as_str())) {
        found.push(Violation::new(Rule::Sent, format!("nobody created {name}")));
    }
    let sent: BTreeMap<(&str, &str), u64> =
        ledger.messages.iter().map(|(number, message)| ((message.queue, message.body.as_str()), *number)).collect();
    let mut there = BTreeSet::new();
    for (queue, carried) in seen.all() {
        match sent.get(&(queue, carried.message.body.as_str())) {
            Some(number) if there.insert(*number) => {
                judge_message(&ledger.messages[number], carried, &mut found);
            }
            Some(_) => found.push(Violation::new(Rule::Once, format!("{queue}: {}", brief(carried)))),
            None => found.push(Violation::new(Rule::Sent, format!("{queue}: {}", brief(carried)))),
        }
    }
    for (number, message) in &ledger.messages {
        if message.presence == Presence::There && !there.contains(number) {
            found.push(Violation::new(Rule::Kept, format!("number {number} is missing: {}", shown(message))));
        }
    }
    for queue in seen.queues.values() {
        judge_order(queue, &sent, &mut found);
    }
    found
}

fn judge_queue(name: &str, queue: &Queue, seen: Option<&SeenQueue>, found: &mut Vec<Violation>) {
    match (queue.presence, seen) {
        (Presence::There, None) => found.push(Violation::new(Rule::Kept, format!("the queue {name} is missing"))),
        (Presence::Gone, Some(_)) => found.push(Violation::new(Rule::Gone, format!("the queue {name}"))),
        (Presence::There | Presence::Leaving, Some(seen))
            if !queue.visibility.contains(&seen.visibility) || !queue.tag.contains(&seen.tag) =>
        {
            let text = format!("{name} has {} and {:?}: {queue:?}", seen.visibility, seen.tag);
            found.push(Violation::new(Rule::Configured, text));
        }
        _ => {}
    }
}

fn judge_message(sent: &Message, carried: &Carried, found: &mut Vec<Violation>) {
    let mut broken = |rule, is_kept: bool| {
        if !is_kept {
            found.push(Violation::new(rule, format!("{} is {:?}: {}", brief(carried), carried.standing, shown(sent))));
        }
    };
    broken(Rule::Gone, sent.presence != Presence::Gone);
    broken(
        Rule::Same,
        carried.message.group_id.as_deref() == sent.group
            && carried.message.deduplication_id == sent.deduplication_id
            && (sent.id.is_none() || sent.id == carried.id),
    );
    broken(
        Rule::Hidden,
        match carried.standing {
            Standing::Visible => matches!(sent.flight, Flight::Visible | Flight::Unsure),
            Standing::InFlight { .. } => matches!(sent.flight, Flight::Hidden(_) | Flight::Unsure),
            Standing::Delayed { .. } => sent.flight == Flight::Delayed,
        },
    );
}

fn judge_order(queue: &SeenQueue, sent: &BTreeMap<(&str, &str), u64>, found: &mut Vec<Violation>) {
    let mut last = BTreeMap::new();
    for carried in &queue.messages {
        let Some(group) = &carried.message.group_id else { continue };
        let number = sent.iter().find(|((_, body), _)| *body == carried.message.body).map(|(_, number)| *number);
        let Some(number) = number else { continue };
        if last.insert(group, number).is_some_and(|before| before > number) {
            found.push(Violation::new(Rule::Ordered, format!("group {group}: {} is too late", brief(carried))));
        }
    }
}

/// Writes down what a look has decided: nobody may find it otherwise from now on. Returns how many requests without an
/// answer had happened, and how many had not.
pub(crate) fn settle(ledger: &mut Ledger, seen: &Seen) -> (u64, u64) {
    let (mut happened, mut undone) = (0, 0);
    for (name, queue) in &mut ledger.queues {
        let seen = seen.queues.get(*name);
        match (queue.presence, seen.is_some()) {
            (Presence::Unsure, true) | (Presence::Leaving, false) => happened += 1,
            (Presence::Unsure, false) | (Presence::Leaving, true) => undone += 1,
            _ => {}
        }
        queue.presence = if seen.is_some() { Presence::There } else { Presence::Gone };
        if let Some(seen) = seen {
            (queue.visibility, queue.tag) = (vec![seen.visibility], vec![seen.tag.clone()]);
        }
    }
    let there: BTreeMap<(&str, &str), &Carried> =
        seen.all().map(|(queue, carried)| ((queue, carried.message.body.as_str()), carried)).collect();
    for message in ledger.messages.values_mut() {
        let found = there.get(&(message.queue, message.body.as_str()));
        match (message.presence, found.is_some()) {
            (Presence::Unsure, true) | (Presence::Leaving, false) => happened += 1,
            (Presence::Unsure, false) | (Presence::Leaving, true) => undone += 1,
            _ => {}
        }
        let Some(carried) = found else {
            message.presence = Presence::Gone;
            continue;
        };
        (message.presence, message.id) = (Presence::There, carried.id);
        message.flight = match (carried.standing, &message.flight) {
            (Standing::Visible, _) => Flight::Visible,
            (Standing::Delayed { .. }, _) => Flight::Delayed,
            (Standing::InFlight { .. }, Flight::Hidden(handle)) => Flight::Hidden(handle.clone()),
            (Standing::InFlight { .. }, _) => Flight::Hidden(None),
        };
    }
    (happened, undone)
}

fn brief(carried: &Carried) -> String {
    let body = &carried.message.body;
    format!("{:?} {:.20}.. of {} bytes", carried.id, body, body.len())
}

fn shown(message: &Message) -> String {
    let Message { queue, body, group, deduplication_id, id, presence, flight } = message;
    format!(
        "{id:?} in {queue}, group {group:?}, deduplication {deduplication_id:?}, {presence:?}, {flight:?}, \
         {body:.20}.. of {} bytes",
        body.len()
    )
}

#[cfg(test)]
mod tests;
