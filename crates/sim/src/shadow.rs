//! What a shard should hold, written in the simplest possible way: a list of messages for each queue.
//!
//! Nothing here is shared with the engine but the names of things. There is no window, no page and no index; every
//! question is answered by walking the list. Where the service leaves a choice (which message of a standard queue a
//! receive hands out, when a dead letter moves), the shadow does not choose: it is told the choice and checks that it
//! was permitted.

mod attributes;
mod explain;
mod fairness;
mod handout;
mod import;
mod moves;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use stanchion_engine::ids::{DeduplicationHash, GroupKey, MessageKey, QueueId, TaskId};
use stanchion_types::attributes::{Counters, QueueAttributes};
use stanchion_types::{MessageId, QueueArn, Timestamp};

use crate::layout::Layout;
use stanchion_engine::event::ColdMessage;

pub use explain::Explanation;
use fairness::Conduct;
pub use fairness::Fairness;
pub use handout::Handout;

/// Why something must not be.
pub type Violation = String;

/// The bounds that a shard was started with, as far as a client can see them.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most messages in flight in one queue.
    pub in_flight_max: usize,
    /// Messages in memory beyond which queues give some up.
    pub warm_max: usize,
    /// Visible messages of a standard queue that are all in memory unless some are on pages.
    pub window_standard: usize,
    /// Rest after deleting or purging a queue.
    pub rest_seconds: u32,
}

/// All queues as they should be.
#[derive(Clone, Debug)]
pub struct Shadow {
    pub(crate) bounds: Bounds,
    /// Shared with the past until they change: the judge keeps what every record left behind.
    pub(crate) queues: BTreeMap<QueueId, Arc<Queue>>,
    pub(crate) deleted: BTreeMap<QueueArn, Timestamp>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) last_queue: u64,
    pub(crate) last_key: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) arn: QueueArn,
    pub(crate) attributes: QueueAttributes,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) purged: Option<Timestamp>,
    /// In order of arrival.
    pub(crate) messages: Vec<Message>,
    /// Messages that grew too old while only a page listed them. If messages are to be kept longer before the page is
    /// read, they are not too old any more.
    pub(crate) leftovers: Vec<Message>,
    pub(crate) originals: Vec<Original>,
    pub(crate) attempts: Vec<Attempt>,
    /// What fairness remembers; nothing on a FIFO queue.
    pub(crate) conduct: Conduct,
    /// How many dead letters have left at the last moment at which any did.
    pub(crate) departed: (Timestamp, usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) key: u64,
    pub(crate) id: MessageId,
    pub(crate) group: Option<GroupKey>,
    pub(crate) content: Bytes,
    pub(crate) sent_at: Timestamp,
    pub(crate) receives: u32,
    pub(crate) first_received_at: Timestamp,
    pub(crate) last_received_at: Timestamp,
    pub(crate) source: Option<QueueArn>,
    pub(crate) renamed: bool,
    /// Whether it had grown too old, on a page, when the queue was told to keep messages longer. What was sent in the
    /// meantime does not stand behind it.
    pub(crate) revived: bool,
    pub(crate) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Hidden until then; `None` is until the delay of the queue is over, whatever that is by now.
    Delayed(Option<Timestamp>),
    Visible,
    InFlight(Timestamp),
}

/// A message that a deduplication id belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Original {
    pub(crate) hash: DeduplicationHash,
    pub(crate) group: Option<GroupKey>,
    pub(crate) at: Timestamp,
    pub(crate) id: MessageId,
    pub(crate) key: u64,
}

/// A receive that can be repeated.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) hash: DeduplicationHash,
    pub(crate) at: Timestamp,
    pub(crate) until: Timestamp,
    /// Keys with the receive counts of that time.
    pub(crate) messages: Vec<(u64, u32)>,
}

/// A move task.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) source: QueueId,
    pub(crate) source_arn: QueueArn,
    pub(crate) destination: Option<QueueArn>,
    pub(crate) rate: Option<u32>,
    pub(crate) to_move: u64,
    pub(crate) moved: u64,
    pub(crate) started: Timestamp,
    pub(crate) end: Option<stanchion_engine::event::TaskEnd>,
}

impl Queue {
    pub(crate) fn is_fifo(&self) -> bool {
        self.arn.name.is_fifo()
    }

    pub(crate) fn message(&self, key: u64) -> Option<&Message> {
        self.place(key).map(|index| &self.messages[index])
    }

    pub(crate) fn message_mut(&mut self, key: u64) -> Option<&mut Message> {
        self.place(key).map(|index| &mut self.messages[index])
    }

    /// Returns where in the list a message is; keys grow with arrival.
    pub(crate) fn place(&self, key: u64) -> Option<usize> {
        self.messages.binary_search_by_key(&key, |message| message.key).ok()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.messages.iter().filter(|message| matches!(message.state, State::InFlight(_))).count()
    }

    /// Tells whether a group of a FIFO queue has a message in flight.
    pub(crate) fn is_locked(&self, group: Option<GroupKey>) -> bool {
        let in_flight = |message: &&Message| matches!(message.state, State::InFlight(_));
        self.is_fifo() && self.messages.iter().filter(in_flight).any(|message| message.group == group)
    }

    /// Returns when a message is too old.
    pub(crate) fn expiry(&self, message: &Message) -> Timestamp {
        message.sent_at.plus_seconds(self.attributes.retention_seconds)
    }

    /// Returns when time makes a hidden message visible.
    pub(crate) fn appearance(&self, message: &Message) -> Option<Timestamp> {
        match message.state {
            State::Visible => None,
            State::InFlight(until) | State::Delayed(Some(until)) => Some(until),
            State::Delayed(None) => Some(message.sent_at.plus_seconds(self.attributes.delay_seconds)),
        }
    }

    /// Tells whether time changes anything here at this moment.
    fn is_due(&self, now: Timestamp) -> bool {
        let due =
            |message: &Message| self.expiry(message) <= now || self.appearance(message).is_some_and(|at| at <= now);
        self.messages.iter().any(due)
    }

    fn advance(&mut self, now: Timestamp) {
        let retention = self.attributes.retention_seconds;
        let is_over = |message: &mut Message| message.sent_at.plus_seconds(retention) <= now;
        self.leftovers.extend(self.messages.extract_if(.., is_over));
        let due: Vec<bool> =
            self.messages.iter().map(|message| self.appearance(message).is_some_and(|at| at <= now)).collect();
        for (message, due) in self.messages.iter_mut().zip(due) {
            if due {
                message.state = State::Visible;
            }
        }
    }
}

impl Shadow {
    /// Makes a shadow without queues.
    pub fn new(bounds: Bounds) -> Self {
        Shadow {
            bounds,
            queues: BTreeMap::new(),
            deleted: BTreeMap::new(),
            tasks: Vec::new(),
            last_queue: 0,
            last_key: 0,
        }
    }

    /// Lets time pass: what is too old is gone, what was hidden until now is visible.
    pub fn advance(&mut self, now: Timestamp) {
        for queue in self.queues.values_mut().filter(|queue| queue.is_due(now)) {
            Arc::make_mut(queue).advance(now);
        }
    }

    /// Forgets messages that grew too old and are on no page either, and notes what is not processed any more.
    pub fn settle(&mut self, layout: &Layout, now: Timestamp) {
        for (id, queue) in self.queues.iter_mut().filter(|(_, queue)| !queue.leftovers.is_empty()) {
            Arc::make_mut(queue).leftovers.retain(|message| layout.is_cold(*id, message.key));
        }
        for queue in self.queues.values_mut().filter(|queue| queue.has_ended()) {
            Arc::make_mut(queue).note_ends(now);
        }
    }

    /// Returns a queue, to change it.
    pub(crate) fn queue_mut(&mut self, id: QueueId) -> Option<&mut Queue> {
        self.queues.get_mut(&id).map(Arc::make_mut)
    }

    /// Lists the ids of all queues.
    pub fn queue_ids(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.queues.keys().copied()
    }

    /// Tells whether there is such a queue.
    pub fn has(&self, queue: QueueId) -> bool {
        self.queues.contains_key(&queue)
    }

    /// Tells whether a message is there.
    pub fn is_alive(&self, queue: QueueId, key: u64) -> bool {
        self.queues.get(&queue).is_some_and(|queue| queue.message(key).is_some())
    }

    /// Counts the messages of a queue by where they stand.
    pub fn counters(&self, queue: QueueId) -> Counters {
        let mut counters = Counters::default();
        for message in &self.queues[&queue].messages {
            match message.state {
                State::Delayed(_) => counters.delayed += 1,
                State::Visible => counters.visible += 1,
                State::InFlight(_) => counters.in_flight += 1,
            }
        }
        counters
    }

    /// Finds a queue by its ARN.
    pub fn find(&self, arn: &QueueArn) -> Option<QueueId> {
        self.queues.iter().find(|(_, queue)| queue.arn == *arn).map(|(id, _)| *id)
    }

    /// Returns how long a receive waits that asks for nothing else.
    pub fn wait_seconds(&self, queue: QueueId) -> u32 {
        self.queues.get(&queue).map_or(0, |queue| queue.attributes.wait_seconds)
    }

    /// Returns how long a receive hides messages that asks for nothing else.
    pub fn visibility_seconds(&self, queue: QueueId) -> u32 {
        self.queues.get(&queue).map_or(0, |queue| queue.attributes.visibility_seconds)
    }

    /// Tells whether a receive may come away empty-handed now.
    ///
    /// It may if nothing is receivable: nothing is visible, or as many are in flight as may be. On a FIFO queue a
    /// visible message is receivable if nothing of its group is in flight; but a receive need not find it while the
    /// visible messages of locked groups are as many as the look-ahead holds.
    pub fn may_be_empty(&self, queue: QueueId) -> bool {
        let Some(queue) = self.queues.get(&queue) else { return true };
        let mut visible = queue.messages.iter().filter(|message| message.state == State::Visible);
        if queue.in_flight() >= self.bounds.in_flight_max {
            return true;
        }
        visible.all(|message| queue.is_locked(message.group))
    }

    /// Tells whether a message is there, and was never too old.
    pub fn was_always_alive(&self, queue: QueueId, key: u64) -> bool {
        let message = self.queues.get(&queue).and_then(|queue| queue.message(key));
        message.is_some_and(|message| !message.revived)
    }

    /// Lists the keys of a queue's messages.
    pub fn keys(&self, queue: QueueId) -> impl Iterator<Item = u64> + '_ {
        self.queues.get(&queue).into_iter().flat_map(|queue| queue.messages.iter().map(|message| message.key))
    }

    /// Returns the next moment at which a hidden message appears; delayed ones only of queues that `counts`.
    pub fn next_appearance(&self, counts: impl Fn(QueueId) -> bool) -> Option<Timestamp> {
        let appearances = self.queues.iter().flat_map(|(id, queue)| {
            let delayed = counts(*id);
            let hidden = queue.messages.iter().filter(move |m| delayed || !matches!(m.state, State::Delayed(_)));
            hidden.filter_map(|message| queue.appearance(message))
        });
        appearances.min()
    }

    /// Finds a moment before `limit` at which a message that `counts` grows too old.
    pub fn expiry_before(&self, limit: Timestamp, counts: impl Fn(QueueId, u64) -> bool) -> Option<Timestamp> {
        let queues = self.queues.iter();
        let mut early = queues.flat_map(|(id, queue)| {
            let expiries = queue.messages.iter().map(|message| (*id, message.key, queue.expiry(message)));
            expiries.filter(|(.., expiry)| *expiry < limit)
        });
        early.find(|(id, key, _)| counts(*id, *key)).map(|(.., expiry)| expiry)
    }

    /// Tells whether a move task runs.
    pub fn is_moving(&self) -> bool {
        self.tasks.iter().any(|task| task.end.is_none())
    }
}

impl Shadow {
    /// Tells whether as many messages are in flight as may be.
    pub fn is_full(&self, queue: QueueId) -> bool {
        self.queues.get(&queue).is_some_and(|queue| queue.in_flight() >= self.bounds.in_flight_max)
    }

    /// Tells whether this is a FIFO queue.
    pub fn is_fifo(&self, queue: QueueId) -> bool {
        self.queues.get(&queue).is_some_and(|queue| queue.is_fifo())
    }

    /// Tells whether a message is visible.
    pub fn is_visible(&self, queue: QueueId, key: u64) -> bool {
        let message = self.queues.get(&queue).and_then(|queue| queue.message(key));
        message.is_some_and(|message| message.state == State::Visible)
    }

    /// Counts what is in the source of a task, leftovers included.
    pub fn left_in_source(&self, task: TaskId, layout: &Layout) -> u64 {
        let Some(task) = self.tasks.iter().find(|known| known.id == task) else { return 0 };
        let alive = self.queues.get(&task.source).map_or(0, |queue| queue.messages.len() as u64);
        let (visible, delayed) = layout.leftovers(self, task.source);
        alive + visible + delayed
    }

    /// Checks that a chunk lists a deduplication id as it is.
    pub fn check_filed(&self, listed: &stanchion_engine::event::Original) -> Result<(), Violation> {
        // A queue may have been deleted; nobody asks for its ids any more.
        let Some(queue) = self.queues.get(&listed.queue) else { return Ok(()) };
        let key = listed.deduplication;
        let same = |original: &Original| {
            (original.hash, original.group) == (key.hash, key.group)
                && (original.at, original.id, original.key) == (listed.accepted_at, listed.id, listed.key.0)
        };
        if queue.originals.iter().any(same) { Ok(()) } else { Err(format!("{listed:?} was never accepted")) }
    }

    /// Checks that a message that is moved keeps its content.
    pub fn check_moved(
        &self,
        queue: QueueId,
        key: MessageKey,
        content: &Bytes,
        layout: &Layout,
    ) -> Result<(), Violation> {
        match self.queues.get(&queue).and_then(|queue| queue.message(key.0)) {
            Some(message) if message.content == *content => Ok(()),
            Some(message) => Err(format!("{key:?} is moved as {content:?} and was {:?}", message.content)),
            // One that has grown too old on its page is moved until the page is read for that.
            None if layout.is_cold(queue, key.0) => Ok(()),
            None => Err(format!("{key:?} is moved and gone")),
        }
    }

    /// Checks that a page that is written, or `returns`, lists a visible or delayed message as it is.
    pub fn check_listed(&self, queue: QueueId, listed: &ColdMessage, returns: bool) -> Result<(), Violation> {
        let message = self.queues.get(&queue).and_then(|queue| queue.message(listed.key.0));
        let message = message.ok_or_else(|| format!("{:?} is listed on a page and gone", listed.key))?;
        let stands = match (message.state, listed.due) {
            (State::Visible, None) => true,
            (State::Delayed(None), Some(due)) => due == Timestamp::NEVER,
            (State::Delayed(Some(until)), Some(due)) => due == until,
            // The page is read too late, or a message before this one is.
            (State::Visible, Some(_)) => returns,
            _ => false,
        };
        let same = stands
            && (message.id, message.group, message.sent_at) == (listed.id, listed.group, listed.sent_at)
            && message.receives == listed.receives.count
            && (message.receives == 0 || message.first_received_at == listed.receives.first_at)
            && (message.receives == 0 || message.last_received_at == listed.receives.last_at)
            && (&message.source, message.renamed) == (&listed.source, listed.id_replaces_deduplication_id);
        if same { Ok(()) } else { Err(format!("{listed:?} is listed on a page instead of {message:?}")) }
    }
}
