//! Bringing a shard back.

use std::fmt;

use stanchion_journal::inspect::{Archive, Entry};
use stanchion_journal::local::Image;
use stanchion_journal::{Fault, Journal, Position, Record, ShardId};
use stanchion_shard::{Damage, Shard};
use stanchion_types::Timestamp;

/// Why a broker could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The journal refuses.
    Journal(Fault),
    /// What the journal holds is not what a shard wrote.
    Shard(Damage),
    /// The shard's state does not reach as far as the journal.
    Incomplete {
        /// Last position in the journal.
        tail: u64,
        /// Last position that was replayed.
        replayed: u64,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Journal(fault) => fault.fmt(f),
            OpenError::Shard(damage) => damage.fmt(f),
            OpenError::Incomplete { tail, replayed } => {
                write!(f, "the journal ends at position {tail}, but its records only lead up to {replayed}")
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        OpenError::Journal(fault)
    }
}

impl From<Damage> for OpenError {
    fn from(damage: Damage) -> Self {
        OpenError::Shard(damage)
    }
}

/// A shard as its snapshot and its journal describe it.
pub struct Restored {
    /// The shard.
    pub shard: Shard,
    /// Position of the snapshot it started from; 0 without one.
    pub snapshot: u64,
    /// Bytes of the journal that nobody needed any more when the snapshot was taken.
    pub freed: u64,
    /// Records replayed after that.
    pub records: u64,
    /// Clock of the last record.
    pub clock: Timestamp,
}

/// Brings a shard back from its snapshot and the records after it. Reads only.
///
/// # Errors
/// The journal's or the shard's own word on what is damaged.
pub fn restore(journal: &dyn Journal, id: ShardId, options: stanchion_shard::Options) -> Result<Restored, OpenError> {
    let (shard, snapshot) = match journal.load_snapshot(id)? {
        Some((position, bytes)) => (Shard::restore(options, &bytes)?, position),
        None => (Shard::new(options), Position::START),
    };
    let mut restored = Restored::begin(shard, snapshot);
    journal.replay(id, snapshot.next(), &mut |record| restored.replay(id, record))?;
    Ok(restored)
}

/// Brings a shard back from an archive, as [`restore`] does from a journal, but without one that is open.
///
/// # Errors
/// Whatever a start would refuse as well.
pub fn restore_archive(
    archive: &Archive,
    id: ShardId,
    options: stanchion_shard::Options,
) -> Result<Restored, OpenError> {
    let mut damages = Vec::new();
    let found = archive.snapshot(id, &mut damages)?;
    let (shard, snapshot) = match (found, damages.into_iter().next()) {
        (Some((position, bytes)), _) => (Shard::restore(options, &bytes)?, position),
        (None, Some(damage)) => return Err(Fault::from(damage).into()),
        (None, None) => (Shard::new(options), Position::START),
    };
    let mut restored = Restored::begin(shard, snapshot);
    let mut lost = None;
    archive.walk(id, snapshot.next(), &mut |entry| {
        let record = match entry {
            Entry::Record(record) => record,
            Entry::Damaged { at, .. } => return Err(at.into()),
            Entry::Lost(damage) => {
                lost = Some(damage);
                return Ok(());
            }
        };
        let expected = restored.shard.tail() + 1;
        if record.position.0 == expected {
            return restored.replay(id, record);
        }
        Err(match lost.take() {
            Some(damage) => damage.into(),
            None => {
                let reason = format!("it is found nowhere, but record {} is", record.position);
                Fault::Unreadable { shard: id, position: Position(expected), reason }
            }
        })
    })?;
    Ok(restored)
}

/// Brings a shard back from an image of its journal, as [`restore`] does from the journal.
///
/// # Errors
/// As [`restore`].
pub fn restore_image(image: &Image, id: ShardId, options: stanchion_shard::Options) -> Result<Restored, OpenError> {
    let (shard, snapshot) = match image.snapshot(id)? {
        Some((position, bytes)) => (Shard::restore(options, &bytes)?, position),
        None => (Shard::new(options), Position::START),
    };
    let mut restored = Restored::begin(shard, snapshot);
    image.replay(id, snapshot.next(), &mut |record| restored.replay(id, record))?;
    Ok(restored)
}

impl Restored {
    fn begin(shard: Shard, snapshot: Position) -> Restored {
        let clock = shard.engine().clock();
        let freed = shard.engine().usage().freed();
        Restored { shard, snapshot: snapshot.0, freed, records: 0, clock }
    }

    fn replay(&mut self, shard: ShardId, record: Record) -> Result<(), Fault> {
        let clock = Timestamp::from_millis(record.clock_ms);
        let Record { position, count, payload, .. } = record;
        self.shard
            .replay(&stanchion_shard::Record { position: position.0, clock, count, payload })
            .map_err(|damage| Fault::Unreadable { shard, position, reason: damage.to_string() })?;
        self.clock = self.clock.max(clock);
        self.records += 1;
        Ok(())
    }
}
