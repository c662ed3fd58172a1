//! One queue: its messages, wherever they are, and everything that changes them.
//!
//! ```text
//! in flight               window (ready)   cold pages           tail (waiting)
//! [ bounded, in memory ]  [ in memory ]    [ on disk . . . . ]  [ in memory, then paged ]
//!                         served from the left  ------------->  sends arrive here
//! delayed, near           delayed, far
//! [ in memory ]           [ on disk . . . . . . . . . . . . ]   a page returns when its first message is near
//! ```
//!
//! The window holds the messages that a receive looks at. While there are cold pages or the window is full, new
//! messages wait in the tail; the tail is written out a page at a time, and so are delayed messages beyond a bound. So
//! memory does not follow the backlog.

pub(crate) mod ages;
pub mod attempts;
pub mod cold;
pub mod delays;
pub mod fairness;
pub mod lanes;
pub mod listing;
pub mod message;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use stanchion_types::attributes::{Counters, QueueAttributes};
use stanchion_types::{QueueArn, Timestamp};

use crate::event::ColdMessage;
use crate::ids::{ContentAddress, MessageKey, PageId, QueueId, Shelf};
use crate::room::Room;
use crate::usage::{Ledger, Usage};
use crate::warm::Counted;
use ages::Ages;
use attempts::Attempts;
use cold::{Cold, Page};
use delays::Delays;
use lanes::{Lanes, Lengths};
use message::{Message, State};

/// A queue with its messages.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) id: QueueId,
    pub(crate) arn: QueueArn,
    /// The ARN as messages carry it that this queue sends to its dead-letter queue.
    pub(crate) shared_arn: Arc<QueueArn>,
    pub(crate) attributes: QueueAttributes,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) purged: Option<Timestamp>,
    /// Every message in memory.
    pub(crate) messages: HashMap<MessageKey, Message, FixedState>,
    /// Ready messages in the order of serving.
    pub(crate) lanes: Lanes,
    /// Waiting messages in order; keys of messages that have gone since are skipped.
    pub(crate) tail: VecDeque<MessageKey>,
    /// How many messages are waiting.
    waiting: usize,
    pub(crate) cold: Cold,
    /// When messages in flight become visible.
    pub(crate) timers: BTreeSet<(Timestamp, MessageKey)>,
    pub(crate) delays: Delays,
    /// Messages in memory by the time they were sent.
    pub(crate) by_age: Ages,
    pub(crate) attempts: Attempts,
    bounds: Bounds,
    /// What the shard's count of messages in memory knows of this queue.
    pub(crate) counted: Counted,
    /// What the journal holds for the messages in memory.
    ledger: Ledger,
}

/// How much of a queue is in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most ready messages that could be handed out.
    pub window: usize,
    /// What is a short and what a long lane.
    pub lane: Lengths,
}

impl Queue {
    /// Makes an empty queue.
    pub(crate) fn new(
        id: QueueId,
        arn: QueueArn,
        attributes: QueueAttributes,
        tags: impl IntoIterator<Item = (String, String)>,
        now: Timestamp,
        bounds: Bounds,
    ) -> Self {
        Queue {
            id,
            shared_arn: Arc::new(arn.clone()),
            arn,
            lanes: Lanes::new(attributes.fifo.is_some(), bounds.lane),
            attributes,
            tags: tags.into_iter().collect(),
            created: now,
            modified: now,
            purged: None,
            messages: HashMap::with_hasher(FixedState::default()),
            tail: VecDeque::new(),
            waiting: 0,
            cold: Cold::default(),
            timers: BTreeSet::new(),
            delays: Delays::default(),
            by_age: Ages::default(),
            attempts: Attempts::default(),
            bounds,
            counted: Counted::default(),
            ledger: Ledger::default(),
        }
    }

    /// Returns the queue's id.
    pub fn id(&self) -> QueueId {
        self.id
    }

    /// Returns what the queue is called.
    pub fn arn(&self) -> &QueueArn {
        &self.arn
    }

    /// Returns the queue's attributes.
    pub fn attributes(&self) -> &QueueAttributes {
        &self.attributes
    }

    /// Returns the queue's tags.
    pub fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    /// Tells whether this is a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.attributes.fifo.is_some()
    }

    /// Returns when the queue was created.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Returns when its attributes changed last.
    pub fn modified(&self) -> Timestamp {
        self.modified
    }

    /// Counts the messages by where they stand.
    pub fn counters(&self) -> Counters {
        Counters {
            visible: (self.lanes.ready() + self.waiting) as u64 + self.cold.messages(),
            in_flight: self.lanes.in_flight() as u64,
            delayed: self.delayed(),
        }
    }

    fn delayed(&self) -> u64 {
        self.delays.len() as u64 + self.cold.delayed_messages()
    }

    /// Adds a message that is new here, visible unless its state says that it is delayed.
    pub(crate) fn add(&mut self, key: MessageKey, mut message: Message) {
        self.by_age.insert(message.sent_at, key);
        self.ledger.add_content(message.content);
        match message.state {
            State::Delayed { due } => self.delays.insert(due, key),
            State::Ready | State::Waiting if self.is_queueing() => {
                message.state = State::Waiting;
                self.wait(key);
            }
            State::Ready | State::Waiting => {
                message.state = State::Ready;
                self.lanes.insert(message.group, message.order, key);
            }
            State::InFlight { .. } => unreachable!("a message does not arrive in flight"),
        }
        let before = self.messages.insert(key, message);
        assert!(before.is_none(), "message {key:?} was added twice");
    }

    /// Returns when a new message without a delay becomes visible, if not at once: on a FIFO queue it must not overtake
    /// delayed messages, so while there are any that should be visible already it stands behind them.
    pub(crate) fn due_without_delay(&self, now: Timestamp) -> Option<Timestamp> {
        let is_delayed = self.is_fifo() && (!self.delays.is_empty() || self.newest_delayed_on_pages(now).is_some());
        is_delayed.then_some(Timestamp::ZERO)
    }

    /// Returns the state of a message that arrives from another queue. The queue's delay does not apply to it, but on a
    /// FIFO queue it must not overtake delayed messages of its group, so it stands behind them.
    pub(crate) fn state_on_arrival(&self, now: Timestamp) -> State {
        let Some(overdue) = self.due_without_delay(now) else { return State::Ready };
        State::Delayed { due: if self.newest_held(now).is_some() { Timestamp::NEVER } else { overdue } }
    }

    /// Returns when the newest message of a FIFO queue was sent that its delay still holds; `None` if there is none. One
    /// that only waits for others is none.
    pub(crate) fn newest_held(&self, now: Timestamp) -> Option<Timestamp> {
        let delayed = |key: &MessageKey| self.message(*key).state != State::Delayed { due: Timestamp::ZERO };
        let warm = self.delays.line().rev().find(delayed).map(|key| self.message(key).sent_at);
        // Nobody leaves memory who only waits for others, for those are due.
        let newest = warm.max(self.newest_delayed_on_pages(now))?;
        (newest.plus_seconds(self.attributes.delay_seconds) > now).then_some(newest)
    }

    /// Returns when the newest delayed message on a page was sent, unless that is so long ago that only what has
    /// expired is left there.
    fn newest_delayed_on_pages(&self, now: Timestamp) -> Option<Timestamp> {
        let newest = self.cold.newest_delayed()?;
        (newest.plus_seconds(self.attributes.retention_seconds) > now).then_some(newest)
    }

    /// Lets a message that has become visible join the window, or the tail if there are others before it.
    fn arrive(&mut self, key: MessageKey) {
        if self.is_queueing() {
            self.message_mut(key).state = State::Waiting;
            self.wait(key);
        } else {
            self.enter_window(key);
        }
    }

    /// Tells whether a message that has become visible has others before it that are not in the window.
    fn is_queueing(&self) -> bool {
        !self.cold.is_line_empty() || self.waiting > 0 || self.lanes.servable() >= self.bounds.window
    }

    /// Puts a waiting message at the end of the tail.
    fn wait(&mut self, key: MessageKey) {
        self.tail.push_back(key);
        self.waiting += 1;
    }

    /// Puts a visible message into the window at its place in the order.
    fn enter_window(&mut self, key: MessageKey) {
        let message = self.message_mut(key);
        message.state = State::Ready;
        let (group, order) = (message.group, message.order);
        self.lanes.insert(group, order, key);
    }

    /// Lets waiting messages into the window while there is room and nothing cold comes first.
    pub(crate) fn promote(&mut self) {
        while self.waiting > 0 && self.cold.is_line_empty() && self.lanes.servable() < self.bounds.window {
            let key = self.tail.pop_front().expect("waiting messages are in the tail");
            if self.is_waiting(key) {
                self.waiting -= 1;
                self.enter_window(key);
            }
        }
        if self.waiting == 0 {
            self.tail.clear();
        }
        self.tail.fit();
    }

    /// Takes a message out of memory, wherever it stands.
    pub(crate) fn take(&mut self, key: MessageKey, now: Timestamp) -> Message {
        self.withdraw(key, now);
        let message = self.messages.remove(&key).expect("the message was just withdrawn");
        self.messages.fit();
        self.by_age.remove(message.sent_at, key);
        self.ledger.remove_content(message.content);
        message
    }

    /// Takes a message out of the structure that its state puts it in.
    fn withdraw(&mut self, key: MessageKey, now: Timestamp) {
        let message = self.messages.get(&key).unwrap_or_else(|| panic!("message {key:?} is not in memory"));
        match message.state {
            State::Delayed { due } => self.delays.remove(due, key),
            State::Ready => self.lanes.remove(message.group, message.order),
            State::Waiting => self.waiting -= 1,
            State::InFlight { until } => {
                self.timers.remove(&(until, key));
                self.lanes.ended(message.group, message.receives.last_at, now);
            }
        }
    }

    /// Hands a ready message out; it stays ready if `until` is not in the future.
    pub(crate) fn receive(&mut self, key: MessageKey, until: Timestamp, now: Timestamp) {
        let in_flight = until > now;
        if in_flight {
            self.withdraw(key, now);
        }
        let message = self.message_mut(key);
        message.receives.count += 1;
        if message.receives.count == 1 {
            message.receives.first_at = now;
        }
        message.receives.last_at = now;
        if in_flight {
            message.state = State::InFlight { until };
            let group = message.group;
            self.timers.insert((until, key));
            self.lanes.started(group, now);
        }
    }

    /// Moves the moment at which a message in flight becomes visible.
    pub(crate) fn set_deadline(&mut self, key: MessageKey, until: Timestamp) {
        let message = self.message_mut(key);
        let State::InFlight { until: before } = message.state else { panic!("message {key:?} is not in flight") };
        message.state = State::InFlight { until };
        self.timers.remove(&(before, key));
        self.timers.insert((until, key));
    }

    /// Notes that the content of a message was written again; a message on a page hears of it from its page.
    pub(crate) fn relocate(&mut self, key: MessageKey, content: ContentAddress) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        self.ledger.remove_content(message.content);
        message.content = content;
        self.ledger.add_content(content);
    }

    /// Makes a message visible: in flight, delayed, or visible already and moving to the back.
    pub(crate) fn release(&mut self, key: MessageKey, order: Option<u64>, now: Timestamp) {
        let was_in_flight = matches!(self.message(key).state, State::InFlight { .. });
        self.withdraw(key, now);
        if let Some(order) = order {
            self.message_mut(key).order = order;
        }
        // What comes back keeps its place at the head, in front of everything cold.
        if was_in_flight && order.is_none() {
            self.enter_window(key);
        } else {
            self.arrive(key);
        }
    }

    /// Makes a message in flight visible as if it had not been received that time.
    pub(crate) fn give_back(&mut self, key: MessageKey, order: Option<u64>, now: Timestamp) {
        self.release(key, order, now);
        self.message_mut(key).receives.take_back();
    }

    /// Moves messages from memory to a page.
    pub(crate) fn chill(&mut self, id: PageId, page: Page, messages: &[ColdMessage], now: Timestamp) {
        for message in messages {
            self.take(message.key, now);
        }
        self.put_page(id, page);
        self.trim_tail();
        self.messages.tighten();
        self.tail.tighten();
    }

    /// Adds a page, or replaces it.
    pub(crate) fn put_page(&mut self, id: PageId, page: Page) {
        self.drop_page(id);
        if id.shelf() == Shelf::Lane {
            self.lanes.put_page(page.group, page.first, id);
        }
        self.cold.put(id, page);
    }

    /// Removes a page if it is there.
    pub(crate) fn drop_page(&mut self, id: PageId) {
        let gone = self.cold.remove(id);
        if let Some(page) = gone.filter(|_| id.shelf() == Shelf::Lane) {
            self.lanes.remove_page(page.group, page.first, id);
        }
    }

    /// Drops what has gone from the front of the tail, so that nobody steps over it again.
    fn trim_tail(&mut self) {
        while self.tail.front().is_some_and(|key| !self.is_waiting(*key)) {
            self.tail.pop_front();
        }
    }

    fn is_waiting(&self, key: MessageKey) -> bool {
        self.messages.get(&key).is_some_and(|message| message.state == State::Waiting)
    }

    /// Moves the messages of a page back to memory: visible ones into the window.
    pub(crate) fn thaw(&mut self, id: PageId, messages: impl IntoIterator<Item = (MessageKey, Message)>) {
        self.drop_page(id);
        // What stands beside each other on a page is often of one lane, which is then looked up once.
        let (mut lane, mut run): (_, Vec<(u64, MessageKey)>) = (None, Vec::new());
        for (key, message) in messages {
            self.by_age.insert(message.sent_at, key);
            self.ledger.add_content(message.content);
            if let State::Delayed { due } = message.state {
                self.delays.insert(due, key);
            } else {
                if message.group != lane && !run.is_empty() {
                    self.lanes.extend(lane, run.drain(..));
                }
                lane = message.group;
                run.push((message.order, key));
            }
            self.messages.insert(key, message);
        }
        if !run.is_empty() {
            self.lanes.extend(lane, run);
        }
    }

    /// Forgets all messages.
    pub(crate) fn clear(&mut self, now: Timestamp) {
        self.disown();
        let (ledger, pages) = (std::mem::take(&mut self.ledger), std::mem::take(&mut self.cold.ledger));
        let tags = std::mem::take(&mut self.tags);
        let (arn, attributes) = (self.arn.clone(), self.attributes.clone());
        let (created, modified) = (self.created, self.modified);
        let counted = self.counted;
        *self = Queue::new(self.id, arn, attributes, tags, created, self.bounds);
        self.counted = counted;
        (self.purged, self.modified) = (Some(now), modified);
        (self.ledger, self.cold.ledger) = (ledger, pages);
    }

    /// Puts a message back where a snapshot found it.
    pub(crate) fn restore(&mut self, key: MessageKey, message: Message) {
        let (state, group, last_at) = (message.state, message.group, message.receives.last_at);
        match state {
            State::Delayed { .. } => self.add(key, message),
            State::Ready | State::Waiting => {
                self.by_age.insert(message.sent_at, key);
                self.ledger.add_content(message.content);
                self.messages.insert(key, message);
                if state == State::Ready {
                    self.enter_window(key);
                } else {
                    self.tail.push_back(key);
                    self.waiting += 1;
                }
            }
            State::InFlight { until } => {
                self.by_age.insert(message.sent_at, key);
                self.ledger.add_content(message.content);
                self.messages.insert(key, message);
                self.timers.insert((until, key));
                self.lanes.restore_in_flight(group, last_at);
            }
        }
    }

    /// Returns a message in memory.
    pub(crate) fn message(&self, key: MessageKey) -> &Message {
        self.messages.get(&key).unwrap_or_else(|| panic!("message {key:?} is not in memory"))
    }

    fn message_mut(&mut self, key: MessageKey) -> &mut Message {
        self.messages.get_mut(&key).unwrap_or_else(|| panic!("message {key:?} is not in memory"))
    }

    /// Lists the first waiting messages, at most `limit`.
    pub(crate) fn first_waiting(&self, limit: usize) -> Vec<MessageKey> {
        self.tail.iter().copied().filter(|key| self.is_waiting(*key)).take(limit).collect()
    }

    /// Returns how many messages wait behind the window.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns the page of the line that comes next into the window, if the window has room for more.
    ///
    /// A receive that finds less than it wants in a full window gets less: what a page brings beyond the window
    /// would only be chilled again.
    pub(crate) fn next_in_line(&self) -> Option<(PageId, &Page)> {
        self.cold.first().filter(|_| self.lanes.servable() < self.bounds.window)
    }

    /// Returns the page of a group that is next to be served and has too few messages in memory.
    pub(crate) fn next_in_lane(&self) -> Option<(PageId, &Page)> {
        let id = self.lanes.hungry()?;
        self.cold.get(id).map(|page| (id, page))
    }

    /// Returns the page that a receive needs that finds too little in the window, if there is one.
    pub(crate) fn next_page(&self, now: Timestamp) -> Option<(PageId, &Page)> {
        self.next_in_lane().or_else(|| self.next_in_line()).or_else(|| self.due_page(now))
    }

    /// Tells whether a page may return to memory now: no other comes before it.
    pub(crate) fn is_next(&self, id: PageId) -> bool {
        match id.shelf() {
            Shelf::Line => self.cold.first().is_some_and(|(first, _)| first == id),
            Shelf::Lane => self.cold.get(id).is_some_and(|page| self.lanes.first_page(page.group) == Some(id)),
            Shelf::Delayed => self.cold.get(id).is_some(),
        }
    }

    /// Returns how many more messages the window holds than it should.
    pub(crate) fn excess(&self) -> usize {
        self.lanes.servable().saturating_sub(self.bounds.window)
    }

    /// Returns how many more ready messages are in memory than the window should hold, those included that cannot be
    /// served because their group is locked.
    pub(crate) fn crowd(&self) -> usize {
        self.lanes.ready().saturating_sub(self.bounds.window)
    }

    /// Returns how many messages in memory are not in flight.
    pub(crate) fn warm(&self) -> usize {
        self.messages.len() - self.lanes.in_flight()
    }

    /// Returns when a delayed message of a FIFO queue becomes visible.
    pub(crate) fn fifo_due(&self, key: MessageKey) -> Timestamp {
        let message = self.message(key);
        match message.state {
            State::Delayed { due: Timestamp::ZERO } => Timestamp::ZERO,
            _ => message.sent_at.plus_seconds(self.attributes.delay_seconds),
        }
    }

    /// Returns when the first message of a page of delayed messages becomes visible.
    pub(crate) fn page_due(&self, page: &Page) -> Timestamp {
        match page.due {
            Timestamp::NEVER => page.oldest.plus_seconds(self.attributes.delay_seconds),
            due => due,
        }
    }

    /// Returns the page of delayed messages that should be in memory now, if there is one.
    pub(crate) fn due_page(&self, now: Timestamp) -> Option<(PageId, &Page)> {
        self.cold.first_delayed().filter(|(_, page)| self.page_due(page) <= now)
    }

    /// Lists the delayed messages of a FIFO queue in memory up to the first that is on a page.
    pub(crate) fn delay_line(&self) -> impl Iterator<Item = MessageKey> + '_ {
        let first_cold = self.cold.first_delayed().map_or(u64::MAX, |(_, page)| page.first);
        self.delays.line().take_while(move |key| key.0 < first_cold)
    }

    /// Returns the next moment at which time alone changes something here.
    pub(crate) fn next_deadline(&self) -> Timestamp {
        let timer = self.timers.first().map(|(at, _)| *at);
        let delay = self.delays.first_due().or_else(|| self.delay_line().next().map(|key| self.fifo_due(key)));
        let retention = self.attributes.retention_seconds;
        let oldest = self.by_age.first().map(|(sent, _)| sent.plus_seconds(retention));
        let page = self.cold.next_expiry(retention).map(|(at, _)| at);
        let delayed_page = self.cold.next_delayed(|page| self.page_due(page)).map(|(at, _)| at);
        [timer, delay, oldest, page, delayed_page].into_iter().flatten().min().unwrap_or(Timestamp::NEVER)
    }

    /// Notes that nothing of this queue is needed any more.
    pub(crate) fn disown(&mut self) {
        self.messages.values().for_each(|message| self.ledger.remove_content(message.content));
        self.cold.disown();
    }

    /// Tells the shard's accounting what came and went since the last time.
    ///
    /// # Errors
    /// As [`Usage::settle`].
    pub(crate) fn settle(&mut self, usage: &mut Usage) -> Result<(), u64> {
        usage.settle(&mut self.ledger)?;
        usage.settle(&mut self.cold.ledger)
    }

    /// Notes anew everything that this queue needs of the journal.
    pub(crate) fn recount(&self, ledger: &mut Ledger) {
        self.messages.values().for_each(|message| ledger.add_content(message.content));
        self.cold.pages().for_each(|(_, page)| ledger.add_page(page));
    }
}
