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
        let mut messages: Vec<_> = self
            .messages
            .iter()
            .map(|(&key, message)| {
                let listed = message.chill(key);
                let standing = match message.state {
                    State::InFlight { until } => Standing::InFlight { until },
                    _ => self.standing_on_page(&listed),
                };
                (listed, standing)
            })
            .collect();
        messages.sort_unstable_by_key(|(message, _)| message.order);
        messages
    }

    /// Returns where a message stands that is on a page.
    pub fn standing_on_page(&self, message: &ColdMessage) -> Standing {
        match message.due {
            // On a FIFO queue one that could be received, but for those before it whose page has not been read yet.
            None | Some(Timestamp::ZERO) => Standing::Visible,
            Some(Timestamp::NEVER) => {
                Standing::Delayed { until: message.sent_at.plus_seconds(self.attributes.delay_seconds) }
            }
            Some(until) => Standing::Delayed { until },
        }
    }
}
