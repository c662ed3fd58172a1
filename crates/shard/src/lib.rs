//! One shard: the engine with everything that waits around it, still pure.
//!
//! Parked receivers, replies that wait for durability and reads of what is only on disk live here. A shard is driven by
//! [`Input`]s and polled for [`Output`]s and for its next deadline; it knows no thread, socket, clock or file.
//!
//! Start with [`Shard::handle`].

mod gate;
mod plan;
mod shard;
mod sweep;
mod waiters;

use bytes::Bytes;
use stanchion_engine::command::{Command, Reply};
use stanchion_engine::ids::{ContentAddress, Entropy};
#[cfg(doc)]
use stanchion_engine::usage::Usage;
use stanchion_types::{QueueArn, Timestamp};

pub use shard::{Damage, Options, Shard, Snapshot};
pub use stanchion_engine::usage::Space;

/// A caller that waits for a reply; chosen by the driver, unique while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A read that the driver does for the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId(pub u64);

/// What a caller asks.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who waits for the reply.
    pub ticket: Ticket,
    /// What is asked.
    pub command: Command,
    /// Chance for this command.
    pub entropy: Entropy,
}

/// What happens to a shard.
#[derive(Debug)]
pub enum Input {
    /// A caller asks something.
    Command(Asked),
    /// Callers ask something at one moment. Their commands are decided one after the other, and one record holds all that
    /// comes of them.
    Commands(Vec<Asked>),
    /// All records up to this position are durable.
    Durable(u64),
    /// A read is done; `None` if it failed.
    Loaded {
        /// Which read.
        read: ReadId,
        /// What was read.
        bytes: Option<Bytes>,
    },
    /// The reads of an [`Output::Fetch`] are done; `None` if one of them failed.
    Fetched {
        /// Which.
        read: ReadId,
        /// What was read, in the order asked for.
        pieces: Option<Vec<Bytes>>,
    },
    /// The journal has so much space from now on for survivors that are moved; at first there is plenty.
    Space(Space),
    /// The journal has given back what was in the parts of it that were free when [`Usage::freed`] was this.
    Returned(u64),
    /// A caller went away. A receive that has not been answered yet is forgotten; anything else goes on.
    Cancel(Ticket),
    /// The server is about to stop: parked receives are answered now, empty-handed, and none is parked any more.
    Drain,
    /// Time passed.
    Tick,
}

/// What a shard wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append this record to the journal; positions are dense.
    Append(Record),
    /// Give a caller its answer.
    Reply(Ticket, Reply),
    /// A queue of this name has come, changed its attributes or tags, or gone. It need not be durable yet.
    Changed(QueueArn),
    /// Read these bytes of the journal and report [`Input::Loaded`].
    Read(ReadId, ContentAddress),
    /// Read these bytes of the journal, for no caller, and report [`Input::Fetched`].
    Fetch(ReadId, Vec<ContentAddress>),
}

/// The events of one turn, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Position in the shard's journal, counted from 1.
    pub position: u64,
    /// The clock of the turn.
    pub clock: Timestamp,
    /// Number of events.
    pub count: u32,
    /// The events' bytes.
    pub payload: Bytes,
}
