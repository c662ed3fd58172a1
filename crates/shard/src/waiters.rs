//! Receives that wait for messages: long polls.

use std::collections::{BTreeMap, BTreeSet};

use stanchion_engine::command::Receive;
use stanchion_engine::ids::QueueId;
use stanchion_types::Timestamp;

use crate::Ticket;

/// Parked receives, for each queue in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiters {
    by_queue: BTreeMap<QueueId, BTreeMap<u64, Ticket>>,
    by_ticket: BTreeMap<Ticket, Waiter>,
    deadlines: BTreeSet<(Timestamp, Ticket)>,
    arrivals: u64,
}

#[derive(Clone, Debug)]
struct Waiter {
    receive: Receive,
    deadline: Timestamp,
    arrival: u64,
}

impl Waiters {
    /// Parks a receive until a deadline.
    pub(crate) fn park(&mut self, ticket: Ticket, receive: Receive, deadline: Timestamp) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.by_queue.entry(receive.queue).or_default().insert(arrival, ticket);
        self.deadlines.insert((deadline, ticket));
        self.by_ticket.insert(ticket, Waiter { receive, deadline, arrival });
    }

    /// Returns the receive that has waited longest at a queue.
    pub(crate) fn first(&self, queue: QueueId) -> Option<(Ticket, &Receive)> {
        let (_, ticket) = self.by_queue.get(&queue)?.first_key_value()?;
        Some((*ticket, &self.by_ticket[ticket].receive))
    }

    /// Tells whether a receive is parked.
    pub(crate) fn holds(&self, ticket: Ticket) -> bool {
        self.by_ticket.contains_key(&ticket)
    }

    /// Takes out all receives.
    pub(crate) fn take_all(&mut self) -> Vec<Ticket> {
        self.by_queue.clear();
        self.deadlines.clear();
        std::mem::take(&mut self.by_ticket).into_keys().collect()
    }

    /// Forgets a receive, and tells whether it was parked.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> bool {
        let Some(waiter) = self.by_ticket.remove(&ticket) else { return false };
        self.deadlines.remove(&(waiter.deadline, ticket));
        let line = self.by_queue.get_mut(&waiter.receive.queue).expect("a parked receive stands in line");
        line.remove(&waiter.arrival);
        if line.is_empty() {
            self.by_queue.remove(&waiter.receive.queue);
        }
        true
    }

    /// Takes out a receive whose deadline has come; [`Timestamp::NEVER`] takes any.
    pub(crate) fn take_expired(&mut self, now: Timestamp) -> Option<Ticket> {
        let &(deadline, ticket) = self.deadlines.first()?;
        (deadline <= now).then(|| {
            self.remove(ticket);
            ticket
        })
    }

    /// Returns the first deadline.
    pub(crate) fn next_deadline(&self) -> Timestamp {
        self.deadlines.first().map_or(Timestamp::NEVER, |(deadline, _)| *deadline)
    }
}
