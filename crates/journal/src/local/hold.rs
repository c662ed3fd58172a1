//! Keeps the files of an open journal as they are while somebody copies them.

use std::sync::{Arc, PoisonError};

use super::{Local, Shared};
use crate::{Fault, Position, ShardId};

/// A moment of the log, and the promise that its files stay.
///
/// While it lives, no segment and no snapshot that was there when it began is removed or used again, whatever is
/// trimmed; what became superfluous meanwhile goes when the last hold ends. Appends and snapshots go on, so the disk
/// fills: hold no longer than needed.
#[derive(Debug)]
pub struct Hold {
    /// The segment and the offset in it up to which everything was durable when the hold began.
    pub end: (u64, u64),
    /// The last position before that end, for each shard with records.
    pub shards: Vec<(ShardId, Position)>,
    _release: Release,
}

struct Release(Arc<Shared>);

impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Release")
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.0.janitor.release();
    }
}

impl Local {
    /// Holds the files of the journal for a copy. What was announced as durable before the call is within the end.
    ///
    /// Waits until what was trimmed before the call is gone, so that it need not be copied.
    ///
    /// # Errors
    /// The fault that ended this journal, [`Fault::Closed`] after [`close`](crate::Journal::close).
    pub fn hold(&self) -> Result<Hold, Fault> {
        self.shared.lock().check()?;
        self.shared.janitor.hold();
        let release = Release(Arc::clone(&self.shared));
        // A snapshot that is being saved removes old ones: from the next one on it sees the hold.
        drop(self.shared.snapshots.lock().unwrap_or_else(PoisonError::into_inner));
        let front = self.shared.lock();
        front.check()?;
        let shards = front.shards.iter().filter(|(_, shard)| shard.durable > Position::START);
        let shards = shards.map(|(&id, shard)| (id, shard.durable)).collect();
        Ok(Hold { end: front.end, shards, _release: release })
    }
}
