//! Everything that a queue holds, to be looked at from outside: for exports.

use stanchion_types::Timestamp;

use super::Queue;
use super::message::State;
use crate::event::ColdMessage;

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
    /// Lists the messages in memory as a page would, in their order, each with where it stands.
    pub fn listed_in_memory(&self) -> Vec<(ColdMessage, Standing)> {
        let standing = |key, state| match state {
            State::Ready | State::Waiting => Standing::Visible,
            State::Delayed { .. } if self.is_fifo() => Standing::Delayed { until: self.fifo_due(key) },
            State::Delayed { due } => Standing::Delayed { until: due },
            State::InFlight { until } => Standing::InFlight { until },
        };
        let mut messages: Vec<_> =
            self.messages.iter().map(|(&key, message)| (message.chill(key), standing(key, message.state))).collect();
        messages.sort_unstable_by_key(|(message, _)| message.order);
        messages
    }
}
