//! What a journal stores.

use bytes::Bytes;

use crate::{Address, Position, ShardId};

/// One group commit of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The shard it belongs to.
    pub shard: ShardId,
    /// Its number in that shard.
    pub position: Position,
    /// The writer's clock when it decided, in milliseconds since 1970. Replay takes the time from here.
    pub clock_ms: u64,
    /// How many events the payload holds. The journal stores the number and does not interpret it.
    pub count: u32,
    /// The events, as the shard encoded them.
    pub payload: Bytes,
}

impl Record {
    /// Returns the bytes of the payload at an address, or `None` if the payload is shorter than that.
    pub(crate) fn slice(&self, at: Address) -> Option<Bytes> {
        slice(&self.payload, at)
    }
}

/// Returns the bytes of a payload at an address, or `None` if the payload is shorter than that.
pub(crate) fn slice(payload: &Bytes, at: Address) -> Option<Bytes> {
    let start = at.offset as usize;
    let end = start.checked_add(at.length as usize)?;
    (end <= payload.len()).then(|| payload.slice(start..end))
}
