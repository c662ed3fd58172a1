//! The one way out: replies wait here until what they tell of is durable.

use std::collections::VecDeque;

use stanchion_engine::command::Reply;

use crate::{Output, Ticket};

/// Replies in the order in which they were decided, each with the position at which that was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    durable: u64,
    waiting: VecDeque<(u64, Ticket, Reply)>,
}

impl Gate {
    /// Makes a gate for a journal that is durable up to a position.
    pub(crate) fn new(durable: u64) -> Self {
        Gate { durable, waiting: VecDeque::new() }
    }

    /// Takes a reply that was decided when the journal's tail was at `position`.
    ///
    /// Refusals and empty answers wait as well: "duplicate" or "no such queue" is a promise about what happened
    /// before, and a crash could still undo that.
    pub(crate) fn hold(&mut self, position: u64, ticket: Ticket, reply: Reply, out: &mut VecDeque<Output>) {
        if position <= self.durable {
            assert!(self.waiting.is_empty(), "a reply at {position} overtakes others");
            out.push_back(Output::Reply(ticket, reply));
        } else {
            self.waiting.push_back((position, ticket, reply));
        }
    }

    /// Lets out what is durable now.
    pub(crate) fn open(&mut self, durable: u64, out: &mut VecDeque<Output>) {
        self.durable = self.durable.max(durable);
        while let Some((position, ..)) = self.waiting.front() {
            if *position > self.durable {
                return;
            }
            let (_, ticket, reply) = self.waiting.pop_front().expect("the gate has a first reply");
            out.push_back(Output::Reply(ticket, reply));
        }
    }

    /// Lists whose replies wait, those decided first in front.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = Ticket> + '_ {
        self.waiting.iter().map(|(_, ticket, _)| *ticket)
    }

    /// Returns the position up to which everything is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }
}
