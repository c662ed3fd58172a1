//! What can go wrong with a journal.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Address, Epoch, Position, ShardId};

/// A breakage. Faults are values that can be kept and handed to everybody who waits: a journal that failed once
/// answers with the same fault for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another process, or another journal in this process, has the data directory open.
    Locked {
        /// The lock file.
        file: PathBuf,
    },
    /// The operating system refused an operation.
    Io {
        /// What was tried, as a verb: "sync".
        operation: &'static str,
        /// On which file or directory.
        file: PathBuf,
        /// The kind of refusal.
        kind: io::ErrorKind,
        /// The system's words.
        message: String,
    },
    /// Stored bytes are not what was stored.
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in the file the damage begins, in bytes.
        offset: u64,
        /// What was expected there.
        reason: String,
    },
    /// A file that must be there is not.
    Missing {
        /// The file.
        file: PathBuf,
        /// How we know that it must be there.
        reason: String,
    },
    /// What is stored is encrypted, and the keys for it are not to be had.
    Sealed {
        /// The file of data keys.
        file: PathBuf,
        /// Which key is missing or wrong.
        reason: String,
    },
    /// A newer owner has taken the shard over.
    StaleEpoch {
        /// The shard.
        shard: ShardId,
        /// The epoch that came with the call.
        epoch: Epoch,
        /// The epoch of the newest tenure.
        current: Epoch,
    },
    /// Nobody has acquired the shard from this journal.
    NotAcquired {
        /// The shard.
        shard: ShardId,
    },
    /// A record's position does not follow the one before.
    Gap {
        /// The shard.
        shard: ShardId,
        /// The position that would have been right.
        expected: Position,
        /// The position that came.
        got: Position,
    },
    /// The record is below a trim, or has been released: it may be gone, or is.
    Trimmed {
        /// The shard.
        shard: ShardId,
        /// The position asked for.
        position: Position,
        /// The first position from there on that is still there, or the one that the next record will have.
        first: Position,
    },
    /// No such bytes were ever appended.
    OutOfRange {
        /// The shard.
        shard: ShardId,
        /// The bytes asked for.
        at: Address,
    },
    /// A record is longer than the format can hold.
    TooLarge {
        /// Its payload in bytes.
        bytes: u64,
        /// The longest payload possible, in bytes.
        limit: u64,
    },
    /// A record is intact, but whoever replays it cannot make sense of it.
    Unreadable {
        /// The shard.
        shard: ShardId,
        /// The record.
        position: Position,
        /// What the reader expected.
        reason: String,
    },
    /// The journal has been closed.
    Closed,
}

impl Fault {
    /// Returns the fault for a refusal of the operating system.
    pub fn io(operation: &'static str, file: impl AsRef<Path>, source: &io::Error) -> Fault {
        let file = file.as_ref().to_owned();
        Fault::Io { operation, file, kind: source.kind(), message: source.to_string() }
    }

    /// Says whether the operating system had no space left, or none for this user.
    pub fn is_full_disk(&self) -> bool {
        let full = |kind: &io::ErrorKind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        matches!(self, Fault::Io { kind, .. } if full(kind))
    }

    /// Returns the fault for bytes that are not what was stored.
    pub fn corrupt(file: impl AsRef<Path>, offset: u64, reason: impl Into<String>) -> Fault {
        Fault::Corrupt { file: file.as_ref().to_owned(), offset, reason: reason.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Locked { file } => {
                write!(f, "{} is locked: another process has this data directory open", file.display())
            }
            Fault::Io { operation, file, message, .. } => write!(f, "cannot {operation} {}: {message}", file.display()),
            Fault::Corrupt { file, offset, reason } => {
                write!(f, "{} is damaged at offset {offset}: {reason}", file.display())
            }
            Fault::Missing { file, reason } => write!(f, "{} is missing: {reason}", file.display()),
            Fault::Sealed { file, reason } => {
                write!(f, "the journal is encrypted, and {} does not help: {reason}", file.display())
            }
            Fault::StaleEpoch { shard, epoch, current } => {
                write!(f, "shard {shard} has been taken over: epoch {epoch} is older than {current}")
            }
            Fault::NotAcquired { shard } => write!(f, "shard {shard} has not been acquired"),
            Fault::Gap { shard, expected, got } => {
                write!(f, "record {got} of shard {shard} does not follow: expected {expected}")
            }
            Fault::Trimmed { shard, position, first } => {
                write!(f, "record {position} of shard {shard} has been trimmed: the next one kept is {first}")
            }
            Fault::OutOfRange { shard, at } => write!(f, "shard {shard} has no bytes at {at}"),
            Fault::TooLarge { bytes, limit } => {
                write!(f, "a record of {bytes} bytes is too large: the limit is {limit}")
            }
            Fault::Unreadable { shard, position, reason } => {
                write!(f, "record {position} of shard {shard} cannot be read: {reason}")
            }
            Fault::Closed => f.write_str("the journal has been closed"),
        }
    }
}

impl std::error::Error for Fault {}
