//! Opening, running and closing the broker.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use stanchion_journal::{Fault, Journal, Position, Record, ShardId};
use stanchion_shard::{Damage, Input, Shard};
use stanchion_types::{QueueArn, Timestamp};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::admission::Admission;
use crate::driver::{Driver, Notes, Start};
use crate::entropy::EntropyPool;
use crate::failure::Failure;
use crate::handles::Sealer;
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
    /// How many bytes of messages may wait for the disk; above it, senders wait. Default 64 MiB.
    pub unsynced_bytes_max: u32,
    /// How long a sender waits for the disk before it is refused with `RequestThrottled`. Default 5 seconds.
    pub throttle_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            shard: stanchion_shard::Options::default(),
            snapshot_bytes: 128 << 20,
            unsynced_bytes_max: 64 << 20,
            throttle_after: Duration::from_secs(5),
        }
    }
}

/// The queues of a server.
pub struct Broker {
    drivers: Vec<Arc<Driver>>,
    tasks: Vec<JoinHandle<()>>,
    pub(crate) sealer: Sealer,
    pub(crate) admission: Admission,
    /// Held by whoever reads a queue's policy in order to change it.
    pub(crate) edits: Mutex<()>,
    failed: watch::Sender<Option<Failure>>,
}

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
        let tasks = vec![tokio::spawn(driver.clone().pump()), tokio::spawn(snapshots::run(driver.clone()))];
        Ok(Broker {
            drivers: vec![driver],
            tasks,
            sealer: Sealer::new(secret),
            admission: Admission::new(options.unsynced_bytes_max, options.throttle_after),
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
            clock: restored.clock,
            snapshot_bytes: options.snapshot_bytes,
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
            let tail = driver.with_shard(Shard::tail);
            match driver.wait_durable(tail).await {
                Ok(()) => snapshots::take(driver).await,
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

/// A shard as its snapshot and its journal describe it.
pub struct Restored {
    /// The shard.
    pub shard: Shard,
    /// Position of the snapshot it started from; 0 without one.
    pub snapshot: u64,
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
    let mut restored = match journal.load_snapshot(id)? {
        Some((position, bytes)) => Restored {
            shard: Shard::restore(options, &bytes)?,
            snapshot: position.0,
            records: 0,
            clock: Timestamp::ZERO,
        },
        None => Restored { shard: Shard::new(options), snapshot: 0, records: 0, clock: Timestamp::ZERO },
    };
    journal.replay(id, Position(restored.snapshot).next(), &mut |record| restored.replay(id, record))?;
    Ok(restored)
}

impl Restored {
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
