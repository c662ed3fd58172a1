//! The receive attempts that a FIFO queue remembers for five minutes.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use stanchion_types::Timestamp;
use stanchion_types::limits::ATTEMPT_SECONDS;

use crate::ids::{DeduplicationHash, MessageKey};

/// A receive that can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it happened.
    pub at: Timestamp,
    /// When its messages become visible again.
    pub until: Timestamp,
    /// Its messages with the receive counts they had then.
    pub messages: Vec<(MessageKey, u32)>,
}

/// The receive attempts of the last five minutes.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    by_id: HashMap<DeduplicationHash, Attempt, FixedState>,
    line: VecDeque<(Timestamp, DeduplicationHash)>,
}

impl Attempts {
    /// Finds an attempt that can still be repeated.
    pub fn get(&self, id: DeduplicationHash, now: Timestamp) -> Option<&Attempt> {
        self.by_id.get(&id).filter(|attempt| now < attempt.at.plus_seconds(ATTEMPT_SECONDS))
    }

    /// Remembers an attempt, and forgets those whose time is over.
    pub fn insert(&mut self, id: DeduplicationHash, attempt: Attempt) {
        while let Some(&(at, old)) = self.line.front() {
            if attempt.at < at.plus_seconds(ATTEMPT_SECONDS) {
                break;
            }
            self.line.pop_front();
            if self.by_id.get(&old).is_some_and(|known| known.at == at) {
                self.by_id.remove(&old);
            }
        }
        self.line.push_back((attempt.at, id));
        self.by_id.insert(id, attempt);
    }

    /// Moves the deadline of an attempt's messages.
    pub fn extend(&mut self, id: DeduplicationHash, until: Timestamp) {
        if let Some(attempt) = self.by_id.get_mut(&id) {
            attempt.until = until;
        }
    }

    /// Forgets that an attempt brought some messages.
    pub fn without(&mut self, id: DeduplicationHash, keys: impl Iterator<Item = MessageKey>) {
        let Some(attempt) = self.by_id.get_mut(&id) else { return };
        let gone: Vec<MessageKey> = keys.collect();
        attempt.messages.retain(|(key, _)| !gone.contains(key));
        if attempt.messages.is_empty() {
            self.by_id.remove(&id);
        }
    }

    /// Lists what is remembered, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (DeduplicationHash, &Attempt)> {
        self.line
            .iter()
            .filter_map(|(at, id)| self.by_id.get(id).filter(|attempt| attempt.at == *at).map(|known| (*id, known)))
    }
}
