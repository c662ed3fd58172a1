//! What a FIFO queue remembers for five minutes: deduplication ids and receive attempts.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use stanchion_types::limits::{ATTEMPT_SECONDS, DEDUPLICATION_SECONDS};
use stanchion_types::{MessageId, Timestamp};

use crate::event::DeduplicationKey;
use crate::ids::{DeduplicationHash, MessageKey};

/// The message that an id belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// When it was accepted; the id is free again five minutes later.
    pub accepted_at: Timestamp,
    /// Its id.
    pub id: MessageId,
    /// Its key, from which its sequence number follows.
    pub key: MessageKey,
}

/// The deduplication ids of the last five minutes.
#[derive(Clone, Debug, Default)]
pub struct Originals {
    by_key: HashMap<DeduplicationKey, Original, FixedState>,
    line: VecDeque<(Timestamp, DeduplicationKey)>,
}

impl Originals {
    /// Finds the message that holds an id now.
    pub fn get(&self, key: &DeduplicationKey, now: Timestamp) -> Option<Original> {
        let original = self.by_key.get(key)?;
        (now < original.accepted_at.plus_seconds(DEDUPLICATION_SECONDS)).then_some(*original)
    }

    /// Remembers an id, and forgets those whose time is over.
    pub fn insert(&mut self, key: DeduplicationKey, original: Original) {
        self.forget(original.accepted_at);
        self.by_key.insert(key, original);
        self.line.push_back((original.accepted_at, key));
    }

    /// Forgets the ids whose time is over.
    pub fn forget(&mut self, now: Timestamp) {
        while let Some(&(accepted_at, key)) = self.line.front() {
            if now < accepted_at.plus_seconds(DEDUPLICATION_SECONDS) {
                return;
            }
            self.line.pop_front();
            // A younger message may hold the same id by now.
            if self.by_key.get(&key).is_some_and(|original| original.accepted_at == accepted_at) {
                self.by_key.remove(&key);
            }
        }
    }

    /// Lists what is remembered, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&DeduplicationKey, &Original)> {
        self.line.iter().filter_map(|(accepted_at, key)| {
            self.by_key.get_key_value(key).filter(|(_, original)| original.accepted_at == *accepted_at)
        })
    }
}

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

    /// Lists what is remembered, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (DeduplicationHash, &Attempt)> {
        self.line
            .iter()
            .filter_map(|(at, id)| self.by_id.get(id).filter(|attempt| attempt.at == *at).map(|known| (*id, known)))
    }
}
