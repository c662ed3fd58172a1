//! What a simulated shard writes to, and the plain kind: a list, so that a crash can cut it where it likes.

use std::ops::RangeInclusive;

use bytes::Bytes;
use stanchion_engine::ids::ContentAddress;
use stanchion_shard::Record;

use crate::shadow::Violation;

/// A snapshot of a shard as it would lie on disk.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Position up to which it includes the journal.
    pub position: u64,
    /// First position that the state in it still needs.
    pub low_water: u64,
    /// Positions after that which it does not need.
    pub gaps: Vec<RangeInclusive<u64>>,
    /// The shard's bytes.
    pub bytes: Vec<u8>,
}

/// Where a world keeps the records of its shard.
pub trait Store {
    /// Returns the last position that was appended.
    fn tail(&self) -> u64;

    /// Returns the position up to which records survive a crash.
    fn durable(&self) -> u64;

    /// Returns the position up to which records may be gone.
    fn trimmed(&self) -> u64;

    /// Tells whether every record is still there.
    fn is_whole(&self) -> bool {
        self.trimmed() == 0
    }

    /// Returns the newest saved snapshot.
    fn saved(&self) -> Option<&Snapshot>;

    /// Appends a record; positions have to be dense.
    fn append(&mut self, record: Record) -> Result<(), Violation>;

    /// Makes the records up to a position durable, if it can, and returns how far it came.
    fn sync(&mut self, position: u64) -> u64;

    /// Saves a snapshot whose position is durable, and forgets what neither it nor the state needs.
    fn save(&mut self, snapshot: Snapshot) -> Result<(), Violation>;

    /// Crashes: loses what comes after a position, or what the store itself says it has lost, and returns the new tail.
    fn cut(&mut self, position: u64) -> Result<u64, Violation>;

    /// Lists the records from a position on.
    fn from(&self, position: u64) -> &[Record];

    /// Reads bytes of a record's payload; why not, if that is impossible.
    fn read(&self, at: ContentAddress) -> Result<Bytes, Violation>;

    /// Tells whether nothing can be written any more before a crash.
    fn is_off(&self) -> bool {
        false
    }

    /// Loses the last record, durable or not, unless a snapshot covers it: what a journal must never do.
    fn lose_last(&mut self) {}
}

/// The records of one shard, a watermark, and the newest snapshot.
///
/// ```text
/// trimmed | on disk . . . . . . . . | appended, lost or not in a crash
///         ^ first                   ^ durable                         ^ tail
/// ```
#[derive(Clone, Debug, Default)]
pub struct Journal {
    trimmed: u64,
    records: Vec<Record>,
    durable: u64,
    saved: Option<Snapshot>,
    /// Records in the middle that are gone, although older ones are there.
    released: u64,
}

impl Journal {
    /// Takes a snapshot for the newest one without trimming anything.
    pub(crate) fn keep(&mut self, snapshot: Snapshot) {
        self.saved = Some(snapshot);
    }
}

impl Store for Journal {
    fn tail(&self) -> u64 {
        self.trimmed + self.records.len() as u64
    }

    fn durable(&self) -> u64 {
        self.durable
    }

    fn trimmed(&self) -> u64 {
        self.trimmed
    }

    fn is_whole(&self) -> bool {
        self.trimmed == 0 && self.released == 0
    }

    fn saved(&self) -> Option<&Snapshot> {
        self.saved.as_ref()
    }

    fn append(&mut self, record: Record) -> Result<(), Violation> {
        if record.position != self.tail() + 1 {
            return Err(format!("record {} follows record {}", record.position, self.tail()));
        }
        self.records.push(record);
        Ok(())
    }

    fn sync(&mut self, position: u64) -> u64 {
        assert!(position <= self.tail(), "only what was appended can be synced");
        self.durable = self.durable.max(position);
        self.durable
    }

    fn save(&mut self, snapshot: Snapshot) -> Result<(), Violation> {
        assert!(snapshot.position <= self.durable, "a snapshot is saved once its position is durable");
        let needed = snapshot.low_water.min(snapshot.position + 1);
        let gone = needed.saturating_sub(self.trimmed + 1);
        self.records.drain(..gone as usize);
        self.trimmed += gone;
        for position in snapshot.gaps.iter().cloned().flatten().filter(|position| *position <= snapshot.position) {
            let record = &mut self.records[(position - self.trimmed - 1) as usize];
            self.released += u64::from(!record.payload.is_empty());
            record.payload = Bytes::new();
        }
        self.saved = Some(snapshot);
        Ok(())
    }

    fn cut(&mut self, position: u64) -> Result<u64, Violation> {
        assert!(position >= self.durable, "what is durable is not lost");
        self.records.truncate((position - self.trimmed) as usize);
        self.durable = position;
        Ok(position)
    }

    fn from(&self, position: u64) -> &[Record] {
        &self.records[(position - self.trimmed - 1) as usize..]
    }

    fn read(&self, at: ContentAddress) -> Result<Bytes, Violation> {
        if at.position <= self.trimmed {
            return Err(format!("{at:?} was trimmed: the journal begins after {}", self.trimmed));
        }
        let record = self.records.get((at.position - self.trimmed - 1) as usize);
        let record = record.ok_or_else(|| format!("{at:?} is past the tail {}", self.tail()))?;
        let (start, end) = (at.offset as usize, at.offset as usize + at.length as usize);
        if end > record.payload.len() {
            return Err(format!("{at:?} is past the end of its record"));
        }
        Ok(record.payload.slice(start..end))
    }

    fn lose_last(&mut self) {
        let covered = self.saved.as_ref().map_or(0, |saved| saved.position);
        if self.tail() > covered.max(self.trimmed) {
            self.records.pop();
            self.durable = self.durable.min(self.tail());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stanchion_types::Timestamp;

    fn record(position: u64) -> Record {
        Record { position, clock: Timestamp::ZERO, count: 1, payload: Bytes::from(vec![position as u8; 4]) }
    }

    #[test]
    fn a_crash_keeps_what_is_durable_and_a_snapshot_trims_what_nobody_needs() {
        let mut journal = Journal::default();
        for position in 1..=5 {
            journal.append(record(position)).expect("positions are dense");
        }
        assert!(journal.append(record(7)).is_err());
        journal.sync(4);
        assert_eq!(journal.cut(4), Ok(4));
        assert_eq!(journal.tail(), 4);
        let snapshot = |low_water, gaps| Snapshot { position: 4, low_water, gaps, bytes: Vec::new() };
        journal.save(snapshot(2, vec![3..=3])).expect("a list always saves");
        assert_eq!((journal.trimmed(), journal.is_whole()), (1, false));
        let at = |position| ContentAddress { position, offset: 1, length: 2 };
        assert!(journal.read(at(2)).is_ok() && journal.read(at(3)).is_err() && journal.read(at(4)).is_ok());
        journal.save(snapshot(4, vec![])).expect("a list always saves");
        assert_eq!(journal.trimmed(), 3);
        assert!(journal.read(at(3)).is_err());
        assert_eq!(journal.read(at(4)).as_deref(), Ok(&[4, 4][..]));
        assert!(journal.read(at(5)).is_err());
        assert_eq!(journal.from(4).len(), 1);
    }
}
