//! A message in memory.

use std::sync::Arc;

use stanchion_types::{MessageId, QueueArn, Timestamp};

use crate::event::{ColdMessage, Receives};
use crate::ids::{ContentAddress, GroupKey, MessageKey};

/// A message that is in memory. Its content is not: that is read by address when it is handed out.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its group.
    pub group: Option<GroupKey>,
    /// Its place in the order of the queue.
    pub order: u64,
    /// Where its content is.
    pub content: ContentAddress,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How it was received so far.
    pub receives: Receives,
    /// Where it was moved from as a dead letter.
    pub source: Option<Arc<QueueArn>>,
    /// Whether its id has replaced its deduplication id.
    pub id_replaces_deduplication_id: bool,
    /// Where it stands.
    pub state: State,
}

/// Where a message in memory stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its delay is not over. On a FIFO queue the moment follows from the queue's delay and is not kept.
    Delayed {
        /// When it becomes visible. On a FIFO queue [`Timestamp::NEVER`] stands for the end of the queue's delay, and
        /// [`Timestamp::ZERO`] for a message without a delay that only waits for delayed ones before it.
        due: Timestamp,
    },
    /// Visible, within the window from which receives are served.
    Ready,
    /// Visible, behind the cold pages or the full window.
    Waiting,
    /// In flight.
    InFlight {
        /// When it becomes visible again.
        until: Timestamp,
    },
}

impl Message {
    /// Makes a message in memory from its line on a page.
    pub fn warm(cold: &ColdMessage, source: Option<Arc<QueueArn>>) -> Self {
        Message {
            id: cold.id,
            group: cold.group,
            order: cold.order,
            content: cold.content,
            sent_at: cold.sent_at,
            receives: cold.receives,
            source,
            id_replaces_deduplication_id: cold.id_replaces_deduplication_id,
            state: cold.due.map_or(State::Ready, |due| State::Delayed { due }),
        }
    }

    /// Writes the line that lists this message on a page.
    pub fn chill(&self, key: MessageKey) -> ColdMessage {
        ColdMessage {
            key,
            order: self.order,
            id: self.id,
            group: self.group,
            content: self.content,
            sent_at: self.sent_at,
            due: match self.state {
                State::Delayed { due } => Some(due),
                State::Ready | State::Waiting | State::InFlight { .. } => None,
            },
            receives: self.receives,
            source: self.source.as_deref().cloned(),
            id_replaces_deduplication_id: self.id_replaces_deduplication_id,
        }
    }
}
