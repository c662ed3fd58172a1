//! What the journal's threads tell the pump.

use std::mem;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use stanchion_journal::{Fault, Listener, Position};
use stanchion_shard::ReadId;
use tokio::sync::Notify;

/// What other threads leave for the pump.
#[derive(Default)]
pub(crate) struct Notes {
    pub(super) wake: Notify,
    inbox: Mutex<Inbox>,
}

/// The notes themselves.
#[derive(Default)]
pub(super) struct Inbox {
    /// Position up to which everything is durable; 0 without news.
    pub(super) durable: u64,
    /// Reads that are done; without bytes if they failed.
    pub(super) loaded: Vec<(ReadId, Option<Bytes>)>,
    /// Reads of several pieces that are done; without them if one failed.
    pub(super) fetched: Vec<(ReadId, Option<Vec<Bytes>>)>,
    /// Why the journal has failed.
    pub(super) fault: Option<Fault>,
}

impl Notes {
    /// Leaves a note and wakes the pump.
    pub(super) fn leave(&self, write: impl FnOnce(&mut Inbox)) {
        write(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
    }

    /// Takes the notes that were left.
    pub(super) fn take(&self) -> Inbox {
        mem::take(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Listener for Notes {
    fn durable(&self, position: Position) {
        self.leave(|inbox| inbox.durable = inbox.durable.max(position.0));
    }

    fn failed(&self, fault: Fault) {
        self.leave(|inbox| inbox.fault = Some(fault));
    }
}
