//! What the threads of a run share.

use crate::Options;
use crate::http::Endpoint;
use crate::ledger::Ledger;
use crate::pacer::Pace;
use crate::protocol::{Head, Queue};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What stays the same for the whole run.
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) endpoint: Endpoint,
    pub(crate) head: Head,
    pub(crate) queues: Vec<Queue>,
    /// Tells the bodies of this run from those of others.
    pub(crate) run: u64,
    /// Set when the user wants the run to end.
    pub(crate) interrupted: Arc<AtomicBool>,
}

impl Setup {
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupted.load(Relaxed)
    }

    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Relaxed);
    }
}

/// What one section shares.
pub(crate) struct Context {
    pub(crate) setup: Arc<Setup>,
    /// How many messages may be begun.
    pub(crate) budget: u64,
    /// How long messages may be begun.
    pub(crate) time: Option<Duration>,
    /// When the messages of an open loop are due.
    pub(crate) pace: Pace,
    claimed: AtomicU64,
    done: AtomicU64,
    /// Receipts to delete later: the queue's index and the handle.
    pub(crate) receipts: Mutex<Vec<(usize, String)>>,
    /// The book of `produce-consume`, and how many still send.
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) producers_left: AtomicUsize,
}

impl Context {
    /// This function opens a section of at most `budget` messages and `time`.
    pub(crate) fn new(setup: &Arc<Setup>, budget: Option<u64>, time: Option<Duration>) -> Self {
        let producers = setup.options.connections.div_ceil(2);
        let ledger = Ledger::new(setup.run, setup.options.fifo, producers, setup.options.groups);
        Self {
            setup: setup.clone(),
            budget: budget.unwrap_or(u64::MAX),
            time,
            pace: Pace::new(setup.options.rate),
            claimed: AtomicU64::new(0),
            done: AtomicU64::new(0),
            receipts: Mutex::default(),
            ledger: Mutex::new(ledger),
            producers_left: AtomicUsize::new(producers),
        }
    }

    /// This function hands out the numbers of up to `count` messages to begin,
    /// or `None` when the budget is used up or the user wants to stop.
    pub(crate) fn claim(&self, count: u64) -> Option<Range<u64>> {
        if self.setup.interrupted() {
            return None;
        }
        let first = self.claimed.fetch_add(count, Relaxed);
        (first < self.budget).then(|| first..self.budget.min(first + count))
    }

    /// This function counts messages that the section is finished with.
    pub(crate) fn finish(&self, messages: u64) {
        self.done.fetch_add(messages, Relaxed);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }
}
