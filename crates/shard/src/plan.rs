//! Reads that are under way, and the commands that wait for them.

use std::collections::BTreeMap;

use stanchion_engine::command::Command;
use stanchion_engine::ids::Entropy;
use stanchion_engine::{Blocks, ChunkPart, Wish};

use crate::{Asked, ReadId, Ticket};

/// A command that is decided again when what it needs is there.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) ticket: Ticket,
    pub(crate) command: Command,
    pub(crate) entropy: Entropy,
    /// What was read for it before, and is needed until it is decided.
    pub(crate) blocks: Blocks,
}

impl Job {
    /// Makes a job of a command for which nothing was read.
    pub(crate) fn new(asked: Asked) -> Job {
        let Asked { ticket, command, entropy } = asked;
        Job { ticket, command, entropy, blocks: Blocks::default() }
    }
}

/// A read under way.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) wish: Wish,
    pub(crate) jobs: Vec<Job>,
}

/// All reads under way; a thing is read once, however many want it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    last: u64,
    reads: BTreeMap<ReadId, Read>,
    by_wish: BTreeMap<Wish, ReadId>,
}

impl Reads {
    /// Adds a wish, and returns the read to start if none is under way for it.
    pub(crate) fn add(&mut self, wish: Wish, job: Option<Job>) -> Option<ReadId> {
        let under_way = self.by_wish.get(&wish).copied();
        let id = under_way.unwrap_or_else(|| self.fresh());
        if under_way.is_none() {
            self.by_wish.insert(wish, id);
            self.reads.insert(id, Read { wish, jobs: Vec::new() });
        }
        self.reads.get_mut(&id).expect("the read is under way").jobs.extend(job);
        under_way.is_none().then_some(id)
    }

    /// Returns an id for a read that nobody waits for.
    pub(crate) fn fresh(&mut self) -> ReadId {
        self.last += 1;
        ReadId(self.last)
    }

    /// Ends a read.
    pub(crate) fn take(&mut self, id: ReadId) -> Option<Read> {
        let read = self.reads.remove(&id)?;
        self.by_wish.remove(&read.wish);
        Some(read)
    }

    /// Tells whether a command waits for a read.
    pub(crate) fn hold(&self, ticket: Ticket) -> bool {
        self.reads.values().any(|read| read.jobs.iter().any(|job| job.ticket == ticket))
    }

    /// Tells whether a command waits for a block of deduplication ids.
    pub(crate) fn hold_for_block(&self, ticket: Ticket) -> bool {
        let of_block = |read: &&Read| matches!(read.wish, Wish::Chunk(wish) if wish.part == ChunkPart::Block);
        self.reads.values().filter(of_block).any(|read| read.jobs.iter().any(|job| job.ticket == ticket))
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
