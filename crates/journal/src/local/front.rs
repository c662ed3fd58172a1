//! What callers and the writer share: the queue of records, and the recent ones.
//!
//! One lock, held for a few dozen instructions by an append. The writer takes the whole queue at once, works without
//! the lock, and comes back with the result.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::frame::PAYLOAD_MAX;
use crate::record::slice;
use crate::{Address, Epoch, Fault, Listener, Position, Record, ShardId};

/// What a cached record costs beside its payload, in bytes: its handle and the allocation behind it.
const OVERHEAD: usize = 96;

/// Everything under the lock.
#[derive(Default)]
pub(crate) struct Front {
    pub(crate) shards: BTreeMap<ShardId, Shard>,
    /// Records that the writer has not taken yet, in the order of arrival.
    pub(crate) queue: Vec<Queued>,
    /// Somebody has asked for what is in the queue to be written.
    pub(crate) committed: bool,
    /// The writer sleeps and wants to be woken.
    pub(crate) writer_sleeps: bool,
    /// The last group was on the disk so soon that the next one may be waited for.
    pub(crate) is_quick: bool,
    /// How many flushes have been asked for, and how many are done.
    pub(crate) flush_wanted: u64,
    pub(crate) flush_done: u64,
    /// Latched for ever.
    pub(crate) failed: Option<Fault>,
    /// Appends are over; the writer leaves when the queue is empty.
    pub(crate) closed: bool,
    /// The writer leaves at once, as a killed process would.
    pub(crate) abandoned: bool,
    /// The shards of the cached records in the order of arrival.
    cached: VecDeque<ShardId>,
    cached_bytes: usize,
    /// The segment and the offset in it up to which what is announced has been written.
    pub(crate) end: (u64, u64),
    pub(crate) acquired: u64,
    pub(crate) syncs: u64,
    pub(crate) records: u64,
    pub(crate) bytes_appended: u64,
}

/// A record on its way to the writer.
pub(crate) struct Queued {
    pub(crate) epoch: Epoch,
    pub(crate) record: Record,
}

/// One shard.
#[derive(Default)]
pub(crate) struct Shard {
    /// None of this process yet if 0.
    pub(crate) epoch: u64,
    pub(crate) listener: Option<Arc<dyn Listener>>,
    /// The last position appended.
    pub(crate) tail: Position,
    /// The last position written, so that it can be read from the file.
    pub(crate) written: Position,
    /// The last position announced.
    pub(crate) durable: Position,
    /// The position of the newest snapshot that has been saved or loaded.
    pub(crate) saved: Position,
    /// Payloads of the last records, up to `tail`.
    recent: VecDeque<Bytes>,
}

impl Shard {
    pub(crate) fn recovered(last: Position) -> Shard {
        Shard { tail: last, written: last, durable: last, ..Shard::default() }
    }

    fn recent(&self, position: Position) -> Option<&Bytes> {
        let before = self.tail.0 - self.recent.len() as u64;
        let index = position.0.checked_sub(before + 1)?;
        self.recent.get(usize::try_from(index).ok()?)
    }
}

impl Front {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        match &self.failed {
            Some(fault) => Err(fault.clone()),
            None if self.closed => Err(Fault::Closed),
            None => Ok(()),
        }
    }

    pub(crate) fn check_failed(&self) -> Result<(), Fault> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Says whether there is something to write or to sync; never again after a failure.
    pub(crate) fn has_work(&self, deadline: Option<Instant>) -> bool {
        !self.abandoned
            && self.failed.is_none()
            && (self.committed && !self.queue.is_empty()
                || self.flush_wanted > self.flush_done
                || deadline.is_some_and(|deadline| deadline <= Instant::now()))
    }

    /// Queues a record, if it is the next of its shard and from its owner.
    pub(crate) fn append(&mut self, epoch: Epoch, record: Record) -> Result<(), Fault> {
        self.check()?;
        let id = record.shard;
        let Some(shard) = self.shards.get_mut(&id).filter(|shard| shard.epoch > 0) else {
            return Err(Fault::NotAcquired { shard: id });
        };
        let current = Epoch(shard.epoch);
        if epoch != current {
            return Err(Fault::StaleEpoch { shard: id, epoch, current });
        }
        let expected = shard.tail.next();
        if record.position != expected {
            return Err(Fault::Gap { shard: id, expected, got: record.position });
        }
        let bytes = record.payload.len();
        if bytes > PAYLOAD_MAX {
            return Err(Fault::TooLarge { bytes: bytes as u64, limit: PAYLOAD_MAX as u64 });
        }
        shard.tail = record.position;
        shard.recent.push_back(record.payload.clone());
        self.cached.push_back(id);
        self.cached_bytes += bytes + OVERHEAD;
        self.records += 1;
        self.bytes_appended += bytes as u64;
        self.queue.push(Queued { epoch, record });
        Ok(())
    }

    /// Returns the bytes at an address if they are in memory.
    pub(crate) fn cached(&self, shard: ShardId, at: Address) -> Option<Bytes> {
        slice(self.shards.get(&shard)?.recent(at.position)?, at)
    }

    /// Takes the oldest written records out of the cache until it is within its bound. The caller drops them without the
    /// lock.
    pub(crate) fn evict(&mut self, bound: usize, evicted: &mut Vec<Bytes>) {
        while self.cached_bytes > bound {
            let Some(id) = self.cached.front() else { return };
            let Some(shard) = self.shards.get_mut(id) else { return };
            let oldest = shard.tail.0 + 1 - shard.recent.len() as u64;
            // Records are written in the order of arrival, so all behind this one have not been written either.
            if oldest > shard.written.0 {
                return;
            }
            let Some(payload) = shard.recent.pop_front() else { return };
            self.cached.pop_front();
            self.cached_bytes -= payload.len() + OVERHEAD;
            evicted.push(payload);
        }
    }
}
