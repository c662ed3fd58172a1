//! Everything that a queue holds, to be looked at from outside: for exports.

use stanchion_types::Timestamp;

use super::Queue;
use super::message::State;
use crate::event::ColdMessage;
use crate::ids::ContentAddress;

/// Where a message stands, as a client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be received.
    Visible,
    /// Its delay is not over.
    Delayed {
        /// When it will be.
        until: Timestamp,
    },
    /// Somebody has received it.
    InFlight {
        /// When it becomes visible again.
        until: Timestamp,
    },
}

impl Queue {
    /// Lists the messages in memory, in their order.
    pub fn in_memory(&self) -> Vec<(ColdMessage, Standing)> {
        let mut messages: Vec<_> = self
            .messages
            .iter()
            .map(|(&key, message)| {
                let standing = match message.state {
                    State::Ready | State::Waiting => Standing::Visible,
                    State::Delayed { .. } if self.is_fifo() => Standing::Delayed { until: self.fifo_due(key) },
                    State::Delayed { due } => Standing::Delayed { until: due },
                    State::InFlight { until } => Standing::InFlight { until },
                };
                (message.chill(key), standing)
            })
            .collect();
        messages.sort_unstable_by_key(|(message, _)| message.order);
        messages
    }

    /// Lists where the pages of visible messages are, the first to be served first.
    pub fn page_lists(&self) -> Vec<ContentAddress> {
        self.cold.pages().map(|(_, page)| page.list).collect()
    }
}
