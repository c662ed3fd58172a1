//! The seam between shards and whatever keeps their records.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Address, Epoch, Fault, Position, Record, ShardId};

/// What a fetch calls when it is done: once, with the bytes in the order of the addresses, or with the first fault.
pub type FetchDone = Box<dyn FnOnce(Result<Vec<Bytes>, Fault>) + Send>;

/// Numbered records of many shards, durable before anybody is told so.
///
/// # The contract
///
/// **Order.** The records of a shard have dense positions from 1. They become durable in that order: if one is there
/// after a crash, all before it are. Shards share nothing but the medium.
///
/// **Truth.** [`Listener::durable`] is called for a position after everything up to it is where the implementation's
/// promise says it is, and never before. After a crash all of that is found again, byte for byte. Of what was appended
/// and not announced, any prefix may be found, nothing else.
///
/// **Fence.** A shard belongs to the newest tenure. [`acquire`](Journal::acquire) answers with the last valid position;
/// what an older tenure had under way is either part of that, or never becomes valid. An append with an older epoch is
/// refused.
///
/// **Failure is final.** After the first failed write or sync nothing more is written and no sync is tried again: the
/// medium may have dropped what it failed to write, and a second sync would lie about it. Every listener hears
/// [`Listener::failed`] once, and every later append answers with the same fault. What was announced stays true. The
/// owner stops, opens a new journal, and replays.
///
/// **Threads.** Every function may be called from any thread. [`append`](Journal::append),
/// [`queue`](Journal::queue), [`commit`](Journal::commit), [`cached`](Journal::cached) and [`at_hand`](Journal::at_hand) never wait for the medium, so they may be called under a
/// lock; listeners and the
/// callback of [`fetch`](Journal::fetch) are called from threads of the journal, or from the thread that drives a
/// journal by hand, while the journal holds no lock: they may take the very lock under which the shard appends. They
/// should be brief, because other shards wait for the same thread. `acquire`, `replay`, the snapshot functions and
/// `close` may block, and a listener must not call them.
///
/// Nothing here presumes a local file: positions belong to the shard, appends carry an epoch, trimming is by prefix
/// and releasing only a hint, and bytes are fetched asynchronously.
pub trait Journal: Send + Sync + 'static {
    /// Takes a shard over: afterwards no record of a lower epoch can become valid.
    ///
    /// The listener hears everything about this tenure from now on; the listener of an older tenure hears nothing more.
    fn acquire(&self, shard: ShardId, listener: Arc<dyn Listener>) -> Result<Tenure, Fault>;

    /// Queues a record; its position must follow the last one of the shard. Never waits for the medium.
    ///
    /// `Ok` only says that the record is queued; what becomes of it arrives at the listener.
    ///
    /// # Errors
    /// [`Fault::StaleEpoch`], [`Fault::NotAcquired`], [`Fault::Gap`] and [`Fault::TooLarge`] refuse this record and change
    /// nothing; any other fault is the one that ended this journal.
    fn append(&self, epoch: Epoch, record: Record) -> Result<(), Fault>;

    /// Queues a record as [`append`](Journal::append) does, and leaves it to a later call when it is written: one of
    /// `append` or of [`commit`](Journal::commit), of this shard or another. So whoever knows that more is to come lets
    /// a larger group gather.
    ///
    /// The default does not wait: nothing that was queued has a right to.
    ///
    /// # Errors
    /// As [`append`](Journal::append).
    fn queue(&self, epoch: Epoch, record: Record) -> Result<(), Fault> {
        self.append(epoch, record)
    }

    /// Lets what was [queued](Journal::queue) be written. Never waits for the medium.
    fn commit(&self) {}

    /// Lets what was [queued](Journal::queue) be written as [`commit`](Journal::commit) does, and may do it itself: then no
    /// other thread need be woken, and listeners are told before this returns. Whoever calls it holds no lock that a
    /// listener takes, and can do without the thread for as long as the medium takes. An implementation writes here only
    /// if it expects that to be about as short as waking another thread.
    ///
    /// The default waits for nothing.
    fn commit_and_wait(&self) {
        self.commit();
    }

    /// Returns the position up to which everything of the shard is durable.
    fn durable(&self, shard: ShardId) -> Position;

    /// Returns the bytes at an address if they are in memory, as a slice of the record that was appended.
    ///
    /// Records that are not yet written are always in memory; recent ones usually are.
    fn cached(&self, shard: ShardId, at: Address) -> Option<Bytes>;

    /// Returns the bytes at addresses, in any order, as far as the medium need not be waited for: what is
    /// [`cached`](Journal::cached), and what the system still has in memory. `None` for one of which that is not so, or
    /// that cannot be read; [`fetch`](Journal::fetch) tells why.
    ///
    /// Every byte that is returned has passed its checksum. The default knows only what is cached.
    fn at_hand(&self, shard: ShardId, at: &[Address]) -> Vec<Option<Bytes>> {
        at.iter().map(|&at| self.cached(shard, at)).collect()
    }

    /// Reads the bytes at addresses, in any order, and calls back once; never on the thread of the caller.
    ///
    /// Every byte that is returned has passed its checksum. The addresses must be of appended records; ask for
    /// what is [`at_hand`](Journal::at_hand) first.
    ///
    /// # Errors
    /// Through the callback: [`Fault::Trimmed`], [`Fault::OutOfRange`], [`Fault::Corrupt`], [`Fault::Io`]. A fault here
    /// says nothing about appends.
    fn fetch(&self, shard: ShardId, at: Vec<Address>, done: FetchDone);

    /// Visits the records of a shard from `from` on, in order, and returns the last position of the shard.
    ///
    /// Used once, after [`acquire`](Journal::acquire) and before the first append. `from` may be one past the last
    /// record: then nothing is visited. A fault of `visit` ends the replay and is returned.
    ///
    /// # Errors
    /// [`Fault::Trimmed`] if `from` is no longer there, [`Fault::Corrupt`] if a record fails its check.
    fn replay(
        &self,
        shard: ShardId,
        from: Position,
        visit: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Position, Fault>;

    /// Allows everything below a position to be forgotten. The space comes back later, in the background.
    ///
    /// Never raises the durable position: trimming past it is refused with [`Fault::Gap`].
    fn trim(&self, shard: ShardId, below: Position) -> Result<(), Fault>;

    /// Allows the records in ranges to be forgotten although older ones are kept. The space comes back later, in the
    /// background, in whatever pieces the medium has; until then, and if the medium cannot do it, the records stay.
    ///
    /// The owner promises that it never reads them again. Replay does not need them either, because only records that
    /// the newest snapshot covers can be released. A released record answers [`Fault::Trimmed`] once it is gone. Release
    /// is not remembered over a restart unless the space came back: say it again then. Saying it twice is harmless, and
    /// an empty range is nothing.
    ///
    /// The default does nothing, which is right for a medium that can only forget a prefix.
    ///
    /// # Errors
    /// [`Fault::Gap`] if a range goes beyond the newest snapshot that this journal has saved or loaded; then no range is
    /// released.
    fn release(&self, shard: ShardId, ranges: &[RangeInclusive<Position>]) -> Result<(), Fault> {
        let _ = (shard, ranges);
        Ok(())
    }

    /// Stores a snapshot of the shard's state after the record at `at`, and returns when it is safe.
    ///
    /// Atomic: after a crash it is there completely or not at all, and the previous one is kept until it is. The records
    /// up to `at` are durable before the snapshot is, whatever the durability asked for, so no snapshot ever tells of
    /// records that a crash could still lose.
    fn save_snapshot(&self, shard: ShardId, at: Position, bytes: Bytes) -> Result<(), Fault>;

    /// Returns the newest valid snapshot of a shard and its position.
    ///
    /// If the newest is damaged, the previous one is returned, provided that all records after it are still there.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] if there are snapshots and none can be used.
    fn load_snapshot(&self, shard: ShardId) -> Result<Option<(Position, Bytes)>, Fault>;

    /// Says how much room the medium has for more. Cheap enough to ask for every request.
    ///
    /// The default is for media that need no care: they are larger than anybody can fill, or slow their owner down by
    /// themselves.
    fn room(&self) -> Room {
        Room::Plenty
    }

    /// Returns figures of the journal, for metrics.
    fn stats(&self) -> Stats;

    /// Makes everything appended durable and stops. Later calls that need the journal answer [`Fault::Closed`].
    ///
    /// # Errors
    /// The fault that ended this journal, if one did: then not everything is durable.
    fn close(&self) -> Result<(), Fault>;
}

/// How much room the medium of a journal has for more.
///
/// A journal whose medium runs full keeps something in reserve, so that its owner can go on with what gives space back. It
/// looks by itself whether there is space again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// There is no need to think of it.
    #[default]
    Plenty,
    /// The medium is full and the journal lives on its reserve: nothing more should be taken in.
    Low,
    /// The reserve is used up as well: only what gives space back should go on. The journal fails when it has nothing left
    /// to write to.
    Full,
}

/// Hears what becomes of the records of one tenure.
pub trait Listener: Send + Sync {
    /// Everything of the shard up to `position` is durable. Called once for each group of records, with growing
    /// positions.
    fn durable(&self, position: Position);

    /// The journal has failed. What was not announced as durable may be lost, and nothing more will be announced.
    fn failed(&self, fault: Fault);
}

/// What the owner of a shard has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// The epoch to append with.
    pub epoch: Epoch,
    /// The last valid position; the next record follows it.
    pub last: Position,
}

/// Figures of a journal since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes that the files of the journal occupy, prepared space and the reserve included; snapshots are not counted.
    /// A segment that nobody needs any more counts until it is put away.
    pub bytes_on_disk: u64,
    /// Files of the journal, prepared ones and those of the reserve included.
    pub segments: u64,
    /// How often the medium was asked to make groups durable.
    pub syncs: u64,
    /// Records appended.
    pub records: u64,
    /// Bytes of payload appended.
    pub bytes_appended: u64,
    /// How much room there is for more.
    pub room: Room,
    /// The fault that ended this journal, if one did.
    pub failed: Option<Fault>,
}
