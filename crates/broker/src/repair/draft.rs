//! The new journal of a repair: records are written, and at the same time replayed, so that what a start will meet is
//! known to be in order.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use stanchion_engine::event::{Event, codec};
use stanchion_engine::ids::Span;
use stanchion_journal::{Epoch, Fault, Journal, Listener, Position, Record, ShardId};
use stanchion_shard::Shard;
use stanchion_types::Timestamp;

/// How many records may wait to be written.
const UNWRITTEN_MAX: u64 = 8;

/// A journal that is being written.
pub(super) struct Draft<'a> {
    journal: &'a dyn Journal,
    id: ShardId,
    epoch: Epoch,
    shard: Shard,
    watermark: Arc<Watermark>,
    payload: Vec<u8>,
    count: u32,
}

impl<'a> Draft<'a> {
    /// Begins the first record of a shard.
    pub(super) fn begin(journal: &'a dyn Journal, id: ShardId) -> Result<Draft<'a>, Fault> {
        let watermark = Arc::new(Watermark::default());
        let tenure = journal.acquire(id, watermark.clone())?;
        if tenure.last != Position::START {
            return Err(Fault::Gap { shard: id, expected: Position::START, got: tenure.last });
        }
        let shard = Shard::new(stanchion_shard::Options::default());
        Ok(Draft { journal, id, epoch: tenure.epoch, shard, watermark, payload: vec![codec::VERSION], count: 0 })
    }

    /// Returns the position of the record that is being written.
    pub(super) fn position(&self) -> u64 {
        self.shard.tail() + 1
    }

    /// Adds an event to the record, and returns where its content is.
    pub(super) fn push(&mut self, event: &Event) -> Span {
        self.count += 1;
        codec::encode(event, &mut self.payload)
    }

    /// Ends the record. One without events is none.
    pub(super) fn commit(&mut self, clock: Timestamp) -> Result<(), Fault> {
        if self.count == 0 {
            return Ok(());
        }
        let position = Position(self.position());
        let payload = bytes::Bytes::from(std::mem::replace(&mut self.payload, vec![codec::VERSION]));
        let count = std::mem::take(&mut self.count);
        let replayed = stanchion_shard::Record { position: position.0, clock, count, payload: payload.clone() };
        let unreadable = |damage: stanchion_shard::Damage| Fault::Unreadable {
            shard: self.id,
            position,
            reason: damage.to_string(),
        };
        self.shard.replay(&replayed).map_err(unreadable)?;
        let record = Record { shard: self.id, position, clock_ms: clock.millis(), count, payload };
        self.journal.append(self.epoch, record)?;
        self.watermark.wait(position.0.saturating_sub(UNWRITTEN_MAX))
    }

    /// Makes everything durable and takes a snapshot, so that the first start has nothing to replay.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        let (position, bytes) = self.shard.snapshot();
        self.watermark.wait(position)?;
        self.journal.save_snapshot(self.id, Position(position), bytes.into())
    }
}

/// How far the journal is.
#[derive(Default)]
struct Watermark {
    state: Mutex<(u64, Option<Fault>)>,
    changed: Condvar,
}

impl Watermark {
    fn lock(&self) -> MutexGuard<'_, (u64, Option<Fault>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, position: u64) -> Result<(), Fault> {
        let mut state = self.lock();
        while state.0 < position {
            if let Some(fault) = &state.1 {
                return Err(fault.clone());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

impl Listener for Watermark {
    fn durable(&self, position: Position) {
        self.lock().0 = position.0;
        self.changed.notify_all();
    }

    fn failed(&self, fault: Fault) {
        self.lock().1 = Some(fault);
        self.changed.notify_all();
    }
}
