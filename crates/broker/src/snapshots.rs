//! Snapshots of a shard, which bound how much a restart has to replay and how much of the journal has to stay.

use std::sync::Arc;
use std::time::Duration;

use stanchion_journal::Position;
use stanchion_shard::Input;

use crate::driver::Driver;
use crate::failure::Failure;

/// Messages and pages that are written to a snapshot before others get the lock: well under a millisecond.
const STEP: usize = 2048;

/// How long the journal waits for those who read contents before it rather keeps all of them until the next snapshot.
const READERS_WAIT: Duration = Duration::from_secs(10);

/// Takes a snapshot whenever one is due, but rests between two, until the task is aborted.
pub(crate) async fn run(driver: Arc<Driver>, rest: Duration, retry: Duration) {
    loop {
        driver.snapshot_due.notified().await;
        // It must not wait until more has been written or has died: on a full disk nothing can be, and on a quiet server
        // nothing may be for days.
        while !take(&driver).await {
            tokio::time::sleep(retry).await;
        }
        tokio::time::sleep(rest).await;
    }
}

/// Takes a snapshot, saves it, and lets the journal forget what neither the snapshot nor a message needs.
///
/// The snapshot may include events that are not durable yet. It is saved only when they are: a snapshot must never
/// know more than the journal it belongs to. A snapshot that cannot be saved is logged and tried again when the next
/// is due; nothing is lost by that. Returns whether all of it was done.
pub(crate) async fn take(driver: &Arc<Driver>) -> bool {
    let _one = driver.snapshots.lock().await;
    // What a message needs is asked at the same moment. A later answer could rest on a deletion that is not durable:
    // a crash would bring back messages whose contents have been trimmed.
    let (position, low_water, gaps, freed) = driver.with_shard_mut(|shard| {
        (shard.begin_snapshot(), shard.low_water(), shard.gaps(), shard.engine().usage().freed())
    });
    let snapshot = loop {
        if let Some(snapshot) = driver.with_shard_mut(|shard| shard.continue_snapshot(STEP)) {
            break snapshot;
        }
        tokio::task::yield_now().await;
    };
    let joined = tokio::task::spawn_blocking(move || snapshot.into_bytes()).await;
    let bytes = match joined {
        Ok(bytes) => bytes,
        Err(panic) => return refused("write a snapshot", panic),
    };
    driver.snapshot_took(bytes.len() as u64);
    if driver.wait_durable(position).await.is_err() {
        return false;
    }
    let (journal, id) = (driver.journal().clone(), driver.id());
    let size = bytes.len();
    let saved = tokio::task::spawn_blocking(move || journal.save_snapshot(id, Position(position), bytes.into())).await;
    match saved {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => return refused("save a snapshot", fault),
        Err(panic) => return refused("save a snapshot", panic),
    }
    // Whoever was handed a message before that moment may still be about to read it.
    if tokio::time::timeout(READERS_WAIT, driver.readers_gone()).await.is_err() {
        tracing::warn!(shard = id.0, position, "saved a snapshot, and trim later: contents are still being read");
        return false;
    }
    // Contents that the snapshot speaks of may lie before it.
    let low_water = low_water.min(position + 1);
    tracing::info!(shard = id.0, position, bytes = size, low_water, "saved a snapshot");
    let journal = driver.journal().clone();
    let gaps: Vec<_> = gaps.iter().map(|gap| Position(*gap.start())..=Position(*gap.end())).collect();
    let trimmed = tokio::task::spawn_blocking(move || {
        journal.trim(id, Position(low_water))?;
        journal.release(id, &gaps)
    });
    match trimmed.await {
        Ok(Ok(())) => {
            driver.tell(Input::Returned(freed));
            true
        }
        Ok(Err(fault)) => refused("trim the journal", fault),
        Err(panic) => refused("trim the journal", panic),
    }
}

fn refused(what: &str, reason: impl std::fmt::Display) -> bool {
    Failure::report(what, reason);
    false
}
