//! Opening, running and closing the broker.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stanchion_journal::{Journal, ShardId};
use stanchion_keyring::service::KeyService;
use stanchion_shard::{Input, Shard};
use stanchion_types::QueueArn;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::admission::Admission;
use crate::driver::{Driver, Notes, Start};
use crate::entropy::EntropyPool;
use crate::failure::Failure;
use crate::handles::Sealer;
use crate::policies::Policies;
use crate::restore::{OpenError, restore};
use crate::sealing::{KeyBounds, Sealing};
use crate::secret::Secret;
use crate::snapshots;

/// Settings of the broker.
#[derive(Clone, Debug)]
pub struct Options {
    /// Settings of every shard.
    pub shard: stanchion_shard::Options,
    /// How many bytes of events the journal gains before a snapshot is taken. A small number makes restarts fast,
    /// a large one saves writing the same state again and again. Default 128 MiB.
    pub snapshot_bytes: u64,
    /// How many bytes of the journal may die before a snapshot is taken to give them back. Default 64 MiB.
    pub trim_bytes: u64,
    /// The least time between two snapshots: what dies meanwhile is given back together. Default 1 second.
    pub snapshot_rest: Duration,
    /// The time until the next attempt if a snapshot could not be saved, or led to no trim. Default 5 seconds.
    pub snapshot_retry: Duration,
    /// How many bytes of messages may wait for the disk; above it, senders wait. Default 64 MiB.
    pub unsynced_bytes_max: u32,
    /// How long a sender waits for the disk before it is refused with `RequestThrottled`. Default 5 seconds.
    pub throttle_after: Duration,
    /// Where queues have keys of their own from; without it there are none.
    pub keys: Option<Arc<dyn KeyService>>,
    /// How much one data key of a queue may seal.
    pub key_bounds: KeyBounds,
    /// What tells the time of day. Default [`SystemTime::now`]; somebody who tests weeks has another.
    pub wall_clock: fn() -> SystemTime,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            shard: stanchion_shard::Options::default(),
            snapshot_bytes: 128 << 20,
            trim_bytes: 64 << 20,
            snapshot_rest: Duration::from_secs(1),
            snapshot_retry: Duration::from_secs(5),
            unsynced_bytes_max: 64 << 20,
            throttle_after: Duration::from_secs(5),
            keys: None,
            key_bounds: KeyBounds::default(),
            wall_clock: SystemTime::now,
        }
    }
}

/// The queues of a server.
pub struct Broker {
    drivers: Vec<Arc<Driver>>,
    tasks: Vec<JoinHandle<()>>,
    pub(crate) sealer: Sealer,
    pub(crate) admission: Admission,
    pub(crate) policies: Policies,
    pub(crate) sealing: Sealing,
    /// Held by whoever reads a queue's policy in order to change it.
    pub(crate) edits: Mutex<()>,
    failed: watch::Sender<Option<Failure>>,
}

impl Broker {
    /// Opens the broker: brings its shard back from snapshot and journal, and starts to serve it.
    ///
    /// Must be called within a tokio runtime. Reads everything that was written since the last snapshot.
    ///
    /// # Errors
    /// Whatever keeps the shard from being exactly what it was.
    pub fn open(journal: Arc<dyn Journal>, secret: &Secret, options: Options) -> Result<Self, OpenError> {
        let (failed, _) = watch::channel(None);
        // One shard so far. What a queue's owner is, only `owner` knows.
        let driver = Arc::new(Broker::start(ShardId(0), journal, &options, failed.clone())?);
        let tasks = vec![
            tokio::spawn(driver.clone().pump()),
            tokio::spawn(snapshots::run(driver.clone(), options.snapshot_rest, options.snapshot_retry)),
        ];
        Ok(Broker {
            drivers: vec![driver],
            tasks,
            sealer: Sealer::new(secret),
            admission: Admission::new(options.unsynced_bytes_max, options.throttle_after),
            policies: Policies::default(),
            sealing: Sealing::new(options.keys, options.key_bounds),
            edits: Mutex::new(()),
            failed,
        })
    }

    fn start(
        id: ShardId,
        journal: Arc<dyn Journal>,
        options: &Options,
        failed: watch::Sender<Option<Failure>>,
    ) -> Result<Driver, OpenError> {
        let notes = Arc::new(Notes::default());
        let tenure = journal.acquire(id, notes.clone())?;
        // Ids that time alone draws, those of moved messages, must not come again after a restart.
        let seed = EntropyPool::new().draw().0;
        let restored = restore(&*journal, id, stanchion_shard::Options { seed, ..options.shard.clone() })?;
        let replayed = restored.shard.tail();
        if replayed != tenure.last.0 {
            return Err(OpenError::Incomplete { tail: tenure.last.0, replayed });
        }
        tracing::info!(
            shard = id.0,
            snapshot = restored.snapshot,
            tail = replayed,
            records = restored.records,
            "the shard is back"
        );
        Ok(Driver::new(Start {
            id,
            journal,
            notes,
            shard: restored.shard,
            epoch: tenure.epoch,
            wall_clock: options.wall_clock,
            clock: restored.clock,
            snapshot_bytes: options.snapshot_bytes,
            trim_bytes: options.trim_bytes,
            freed: restored.freed,
            failed,
        }))
    }

    /// Returns the driver of the shard that a queue lives on.
    pub(crate) fn owner(&self, _queue: &QueueArn) -> &Arc<Driver> {
        &self.drivers[0]
    }

    /// Returns the drivers of all shards.
    pub(crate) fn drivers(&self) -> &[Arc<Driver>] {
        &self.drivers
    }

    /// Answers every long poll now, empty-handed, and lets no new one wait. The first step of a graceful stop.
    pub fn drain(&self) {
        for driver in &self.drivers {
            driver.tell(Input::Drain);
        }
    }

    /// Takes a snapshot of every shard now, so that what is copied from here on needs little replay. One that cannot be
    /// saved is only logged: the journal holds all that it would.
    pub async fn save_snapshots(&self) {
        for driver in &self.drivers {
            snapshots::take(driver).await;
        }
    }

    /// Tells whether the broker serves: false once the journal has failed.
    pub fn is_serving(&self) -> bool {
        self.failed.borrow().is_none()
    }

    /// Waits until the broker has failed, and returns why. It stays failed: restart the process to replay.
    pub fn failed(&self) -> impl Future<Output = Failure> + Send + use<> {
        let mut failed = self.failed.subscribe();
        async move {
            match failed.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone()) {
                Some(failure) => failure,
                // The broker was closed: it fails no more.
                None => std::future::pending().await,
            }
        }
    }

    /// Closes the broker: makes everything durable, takes a snapshot, and closes the journal.
    ///
    /// # Errors
    /// What kept the last records from becoming durable. A snapshot that could not be written is only logged: the
    /// journal holds all that it would.
    pub async fn close(&self) -> Result<(), Failure> {
        let mut result = Ok(());
        for driver in &self.drivers {
            driver.take_gathered();
            let tail = driver.with_shard(Shard::tail);
            match driver.wait_durable(tail).await {
                Ok(()) => _ = snapshots::take(driver).await,
                Err(failure) => result = Err(failure),
            }
        }
        for task in &self.tasks {
            task.abort();
        }
        for driver in &self.drivers {
            let journal = driver.journal().clone();
            let closed = tokio::task::spawn_blocking(move || journal.close()).await;
            if let Ok(Err(fault)) = closed {
                result = Err(Failure::report("close the journal", fault));
            }
        }
        result
    }
}
