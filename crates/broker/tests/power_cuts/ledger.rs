//! What the clients know: what they asked for, and what they were answered.
//!
//! A request without an answer may have happened or not. So everything is in one of four states, and the first look at
//! the queues after a restart says which of the two it was: from then on it must not change any more.

use std::collections::BTreeMap;

use stanchion_types::MessageId;

/// Whether a queue or a message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It was asked for, and nobody has answered.
    Unsure,
    /// It was acknowledged, or seen after a restart.
    There,
    /// Its end was asked for, and nobody has answered.
    Leaving,
    /// Its end was acknowledged, or it was missing after a restart although it might have been there.
    Gone,
}

impl Presence {
    /// Returns it after a request to end it was sent.
    fn leaving(self) -> Presence {
        if self == Presence::Gone { Presence::Gone } else { Presence::Leaving }
    }
}

/// Whether a message can be received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flight {
    Visible,
    /// Its delay is longer than any of this takes.
    Delayed,
    /// Received for longer than any of this takes, with this handle; a handle that was never answered is unknown.
    Hidden(Option<String>),
    /// It may have been received or become visible again.
    Unsure,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) queue: &'static str,
    pub(crate) body: String,
    pub(crate) group: Option<&'static str>,
    pub(crate) deduplication_id: Option<String>,
    /// Known once it was acknowledged or seen.
    pub(crate) id: Option<MessageId>,
    pub(crate) presence: Presence,
    pub(crate) flight: Flight,
}

#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) presence: Presence,
    /// The visibility timeouts that it may have: the last that was acknowledged, and one that was asked for.
    pub(crate) visibility: Vec<u32>,
    /// The values that its tag may have, in the same way.
    pub(crate) tag: Vec<String>,
}

/// All that the clients of a run know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) queues: BTreeMap<&'static str, Queue>,
    /// By number, in the order in which they were sent. A body begins with the number that its message had first.
    pub(crate) messages: BTreeMap<u64, Message>,
    pub(crate) last: u64,
}

impl Ledger {
    /// Notes a message that is about to be sent, and returns its number.
    pub(crate) fn sending(&mut self, message: Message) -> u64 {
        self.last += 1;
        self.messages.insert(self.last, message);
        self.last
    }

    /// Notes that a message was acknowledged.
    pub(crate) fn sent(&mut self, number: u64, id: MessageId) {
        let message = self.message(number);
        (message.id, message.presence) = (Some(id), Presence::There);
    }

    pub(crate) fn message(&mut self, number: u64) -> &mut Message {
        self.messages.get_mut(&number).expect("a message that was sent")
    }

    pub(crate) fn queue(&mut self, name: &str) -> &mut Queue {
        self.queues.get_mut(name).expect("a queue that was created")
    }

    /// Notes that some messages are about to be deleted.
    pub(crate) fn deleting(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.message(*number).presence = Presence::Leaving);
    }

    /// Notes that a queue is about to lose all its messages.
    pub(crate) fn emptying(&mut self, queue: &str) {
        for message in self.messages.values_mut().filter(|message| message.queue == queue) {
            message.presence = message.presence.leaving();
        }
    }

    /// Notes that what was asked to leave a queue has left it.
    pub(crate) fn left(&mut self, queue: &str) {
        let left = |message: &&mut Message| message.queue == queue && message.presence == Presence::Leaving;
        self.messages.values_mut().filter(left).for_each(|message| message.presence = Presence::Gone);
    }

    /// Notes that a receive was not answered: whatever could be received may have been.
    pub(crate) fn received_by_nobody(&mut self, queue: &str) {
        for message in self.messages.values_mut().filter(|message| message.queue == queue) {
            if message.flight == Flight::Visible {
                message.flight = Flight::Unsure;
            }
        }
    }

    /// Lists the messages of a queue that are there and for which something holds.
    pub(crate) fn those(&self, queue: &str, holds: impl Fn(&Message) -> bool) -> Vec<u64> {
        let there = |message: &Message| message.queue == queue && message.presence == Presence::There;
        let those = self.messages.iter().filter(|(_, message)| there(message) && holds(message));
        those.map(|(number, _)| *number).collect()
    }

    /// Lists the messages of a queue whose handles are known, with the handles.
    pub(crate) fn handles(&self, queue: &str) -> Vec<(u64, String)> {
        let handle = |message: &Message| match &message.flight {
            Flight::Hidden(Some(handle)) => Some(handle.clone()),
            _ => None,
        };
        let there = |message: &Message| message.queue == queue && message.presence == Presence::There;
        let there = self.messages.iter().filter(|(_, message)| there(message));
        there.filter_map(|(number, message)| Some((*number, handle(message)?))).collect()
    }

    /// Finds a message that a client received.
    pub(crate) fn find(&self, queue: &str, body: &str) -> Option<u64> {
        let meant = |message: &Message| message.queue == queue && message.body == body;
        self.messages.iter().find(|(_, message)| meant(message)).map(|(number, _)| *number)
    }
}
