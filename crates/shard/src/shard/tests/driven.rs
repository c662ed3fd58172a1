//! What a driver does for a shard, in all tests that are not about the driver.

use bytes::Bytes;
use stanchion_engine::command::{Command, Reply};
use stanchion_engine::ids::{ContentAddress, Entropy, QueueId};
use stanchion_types::Timestamp;

use super::script::arn;
use crate::{Asked, Input, Options, Output, ReadId, Record, Shard, Ticket};

/// A shard whose journal is durable at once. What it wants to read waits until somebody answers.
pub(super) struct Driven {
    pub(super) shard: Shard,
    pub(super) now: Timestamp,
    pub(super) records: Vec<Record>,
    /// Lists that are to be read, the first one asked for first.
    pub(super) reads: Vec<(ReadId, ContentAddress)>,
    /// Contents that are to be fetched, where they were and what they were when the shard asked.
    pub(super) fetches: Vec<(ReadId, Vec<ContentAddress>, Vec<Bytes>)>,
    /// What was answered, until somebody takes it.
    pub(super) replies: Vec<(Ticket, Reply)>,
    tickets: u64,
}

impl Driven {
    pub(super) fn new(options: Options, now: Timestamp) -> Self {
        let (records, reads, fetches, replies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Driven { shard: Shard::new(options), now, records, reads, fetches, replies, tickets: 0 }
    }

    /// Asks for something that nobody has asked for before.
    pub(super) fn ask(&mut self, command: Command) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.handle(Input::Command(Asked { ticket, command, entropy: Entropy(u128::from(self.tickets) << 64) }));
        ticket
    }

    /// Lets time pass, and the shard look at the clock.
    pub(super) fn pass(&mut self, seconds: u32) {
        self.now = self.now.plus_seconds(seconds);
        self.handle(Input::Tick);
    }

    /// Hands an input to the shard and takes all that comes out.
    pub(super) fn handle(&mut self, input: Input) {
        self.shard.handle(self.now, input);
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Append(record) => {
                    self.shard.handle(self.now, Input::Durable(record.position));
                    self.records.push(record);
                }
                Output::Changed(_) => {}
                Output::Reply(ticket, reply) => self.replies.push((ticket, reply)),
                Output::Read(read, at) => self.reads.push((read, at)),
                Output::Fetch(read, contents) => {
                    let pieces = contents.iter().map(|at| self.content(*at)).collect();
                    self.fetches.push((read, contents, pieces));
                }
            }
        }
    }

    /// Answers the first read with what is there.
    pub(super) fn answer_read(&mut self) {
        let (read, at) = self.reads.remove(0);
        let bytes = Some(self.content(at));
        self.handle(Input::Loaded { read, bytes });
    }

    /// Reads a part of a record that the shard has not given up.
    pub(super) fn content(&self, at: ContentAddress) -> Bytes {
        assert!(at.position >= self.shard.low_water(), "{at:?} may be gone");
        let payload = &self.records[at.position as usize - 1].payload;
        payload.slice(at.offset as usize..(at.offset + at.length) as usize)
    }

    pub(super) fn queue(&self, name: &str) -> Option<QueueId> {
        self.shard.find(&arn(name)).map(|queue| queue.id())
    }
}
