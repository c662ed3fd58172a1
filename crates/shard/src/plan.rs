//! Reads of cold pages that are under way, and the commands that wait for them.

use std::collections::BTreeMap;

use stanchion_engine::PageWish;
use stanchion_engine::command::Command;
use stanchion_engine::ids::Entropy;

use crate::{ReadId, Ticket};

/// A command that is decided again when its page is there.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) ticket: Ticket,
    pub(crate) command: Command,
    pub(crate) entropy: Entropy,
}

/// A read under way.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) wish: PageWish,
    pub(crate) jobs: Vec<Job>,
}

/// All reads under way; a page is read once, however many want it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    last: u64,
    reads: BTreeMap<ReadId, Read>,
    by_wish: BTreeMap<PageWish, ReadId>,
}

impl Reads {
    /// Adds a wish, and returns the read to start if none is under way for it.
    pub(crate) fn add(&mut self, wish: PageWish, job: Option<Job>) -> Option<ReadId> {
        let under_way = self.by_wish.get(&wish).copied();
        let id = under_way.unwrap_or(ReadId(self.last + 1));
        if under_way.is_none() {
            self.last += 1;
            self.by_wish.insert(wish, id);
            self.reads.insert(id, Read { wish, jobs: Vec::new() });
        }
        self.reads.get_mut(&id).expect("the read is under way").jobs.extend(job);
        under_way.is_none().then_some(id)
    }

    /// Ends a read.
    pub(crate) fn take(&mut self, id: ReadId) -> Option<Read> {
        let read = self.reads.remove(&id)?;
        self.by_wish.remove(&read.wish);
        Some(read)
    }

    /// Tells whether a command waits for a page.
    pub(crate) fn hold(&self, ticket: Ticket) -> bool {
        self.reads.values().any(|read| read.jobs.iter().any(|job| job.ticket == ticket))
    }

    /// Forgets a receive that waits for a page.
    pub(crate) fn cancel_receive(&mut self, ticket: Ticket) {
        for read in self.reads.values_mut() {
            read.jobs.retain(|job| job.ticket != ticket || !matches!(job.command, Command::Receive(_)));
        }
    }

    /// Tells whether no read is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.reads.is_empty()
    }
}
