//! What time alone causes: timeouts and delays that end, messages that expire, tasks that move on, and messages that
//! leave memory because there are too many of them.

use stanchion_types::Timestamp;

use crate::command::moves::Step;
use crate::command::receive::goes_to_the_back;
use crate::decide::{PageWish, Purpose};
use crate::engine::Engine;
use crate::event::Event;
use crate::ids::{Entropy, MessageKey, PageId, QueueId, Shelf};
use crate::originals::ChunkWish;
use crate::queue::Queue;
use crate::queue::cold::AHEAD_MS;
use crate::queue::message::State;

/// Most messages that one event concerns.
const CHUNK: usize = 1024;

/// How much farther away than the moment at which it would be read back a delayed message has to be to leave memory.
const FAR_MS: u64 = 1_000;

/// What has to happen before anything else is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// These events; then ask again.
    Events(Vec<Event>),
    /// A page must be read; meanwhile ask again.
    Load(PageWish),
    /// Nothing before [`Engine::next_deadline`].
    Nothing,
}

impl Engine {
    /// Tells what has to happen at this moment. It is to be asked, and its events applied, until it says
    /// [`Due::Nothing`]; only then may commands of this moment be decided.
    pub fn due(&mut self, now: Timestamp, entropy: Entropy) -> Due {
        while let Some((at, id)) = self.first_deadline() {
            if at > now {
                break;
            }
            let queue = self.queue(id).expect("only queues that exist have deadlines");
            if let Some(due) = self.queue_due(queue, now) {
                return due;
            }
            // The deadline was earlier than it had to be.
            self.reschedule(id);
            assert!(
                self.first_deadline() != Some((at, id)),
                "queue {id:?} has a deadline at {at} and nothing to do at {now}"
            );
        }
        if let Some(event) = self.originals.due(now) {
            return Due::Events(vec![event]);
        }
        while let Some(task) = self.tasks.due(now) {
            match self.step(task, now, entropy) {
                Step::Move(events, rest_until) => {
                    self.tasks.sleep(task, rest_until.max(now.plus_millis(1)));
                    return Due::Events(events);
                }
                Step::Rest(until) => self.tasks.sleep(task, until.max(now.plus_millis(1))),
                Step::Load(wish) => {
                    self.tasks.sleep(task, now.plus_millis(1));
                    return Due::Load(wish);
                }
            }
        }
        Due::Nothing
    }

    fn queue_due(&self, queue: &Queue, now: Timestamp) -> Option<Due> {
        self.expired(queue, now).or_else(|| released(queue, now, self.last_key)).or_else(|| near(queue, now))
    }

    fn expired(&self, queue: &Queue, now: Timestamp) -> Option<Due> {
        let is_over = |sent: Timestamp| sent.plus_seconds(queue.attributes.retention_seconds) <= now;
        let old = queue.by_age.iter().take_while(|(sent, _)| is_over(*sent)).take(CHUNK);
        let keys: Vec<MessageKey> = old.map(|(_, key)| *key).collect();
        if !keys.is_empty() {
            return Some(Due::Events(vec![Event::Expired { queue: queue.id, keys }]));
        }
        let retention = queue.attributes.retention_seconds;
        let (_, id) = queue.cold.next_expiry(retention).filter(|(at, _)| *at <= now)?;
        let page = queue.cold.get(id).expect("the page was just found");
        if is_over(page.newest) {
            return Some(Due::Events(vec![Event::Repaged { queue: queue.id, page: id, messages: Vec::new() }]));
        }
        let Some(messages) = self.loaded_page(queue, id) else {
            return Some(Due::Load(PageWish { queue: queue.id, page: id, list: page.list, purpose: Purpose::Look }));
        };
        let rest = messages.iter().filter(|message| !is_over(message.sent_at)).cloned().collect();
        Some(Due::Events(vec![Event::Repaged { queue: queue.id, page: id, messages: rest }]))
    }

    /// Returns the event that brings a queue's memory back within bounds, if it is out of them.
    pub fn overflow(&self, id: QueueId) -> Option<Event> {
        let queue = self.queue(id)?;
        let size = self.options.page_messages;
        // Twice a page, so that a queue that hovers around its window does not write a page for every message.
        if queue.waiting() >= 2 * size {
            let keys = queue.first_waiting(size);
            return Some(chilled(queue, queue.cold.after(), &keys));
        }
        if queue.excess() >= size {
            let keys = queue.lanes.last(size);
            return (!keys.is_empty()).then(|| chilled(queue, queue.cold.before(), &keys));
        }
        if queue.delays.len() >= self.options.delayed_max + size {
            let keys = self.far_delayed(queue, self.options.delayed_max + size);
            return (!keys.is_empty()).then(|| chilled(queue, queue.cold.free(Shelf::Delayed), &keys));
        }
        None
    }

    /// Chooses delayed messages for a page if at least `least` of them are not near; those of a FIFO queue only if they
    /// fill a page.
    fn far_delayed(&self, queue: &Queue, least: usize) -> Vec<MessageKey> {
        let size = self.options.page_messages;
        // Who comes near to its moment is read back, so who is nearer than that does not leave.
        let from = self.clock.plus_millis(AHEAD_MS + FAR_MS);
        if queue.is_fifo() {
            let far = queue.delays.line().rev().take_while(|&key| queue.fifo_due(key) >= from);
            let keys: Vec<MessageKey> = far.take(size).collect();
            return if keys.len() >= size.min(least) { keys } else { Vec::new() };
        }
        if queue.delays.far(from) < least {
            return Vec::new();
        }
        queue.delays.choose(from, size, self.options.page_messages_min())
    }

    /// Returns the event that brings the deduplication ids in memory back within bounds, if they are out of them.
    pub fn originals_overflow(&self) -> Option<Event> {
        self.originals.overflow(self.options.originals_max, self.options.chunk_originals)
    }

    /// Returns the part of a chunk that should be read soon, before somebody waits for it.
    pub fn wanted_marks(&self, now: Timestamp) -> Option<ChunkWish> {
        self.originals.wanted(now)
    }

    /// Returns the page that a queue should have in memory soon, before somebody waits for it.
    pub fn prefetch(&self, id: QueueId) -> Option<PageWish> {
        let queue = self.queue(id)?;
        let (page, listed) = queue.next_in_line()?;
        (queue.lanes.ready() < self.options.page_messages).then_some(PageWish {
            queue: id,
            page,
            list: listed.list,
            purpose: Purpose::Thaw,
        })
    }

    /// Returns the event that brings a page back to memory that was read for that purpose.
    pub fn thaw(&self, id: QueueId, page: PageId) -> Option<Event> {
        let queue = self.queue(id)?;
        let messages = self.loaded_page(queue, page)?;
        let in_turn = page.shelf() == Shelf::Delayed || queue.cold.first().is_some_and(|(first, _)| first == page);
        in_turn.then(|| Event::Thawed { queue: id, page, messages: messages.to_vec() })
    }

    /// Tells whether somebody who waits at a queue may wait for this page: it lists visible messages.
    pub fn is_awaited(&self, id: QueueId, page: PageId, now: Timestamp) -> bool {
        let Some((queue, listed)) = self.queue(id).and_then(|queue| Some((queue, queue.cold.get(page)?))) else {
            return false;
        };
        page.shelf() != Shelf::Delayed || queue.page_due(listed) <= now
    }
}

/// Wishes for the page of delayed messages whose moment is near.
fn near(queue: &Queue, now: Timestamp) -> Option<Due> {
    let (at, id) = queue.cold.next_delayed(|page| queue.page_due(page))?;
    let page = queue.cold.get(id).filter(|_| at <= now)?;
    Some(Due::Load(PageWish { queue: queue.id, page: id, list: page.list, purpose: Purpose::Thaw }))
}

fn chilled(queue: &Queue, page: PageId, keys: &[MessageKey]) -> Event {
    let mut messages: Vec<_> = keys.iter().map(|&key| queue.message(key).chill(key)).collect();
    messages.sort_unstable_by_key(|message| message.order);
    Event::Chilled { queue: queue.id, page, messages }
}

/// Finds the messages that become visible now.
fn released(queue: &Queue, now: Timestamp, last_key: u64) -> Option<Due> {
    let timed = queue.timers.iter().take_while(|(at, _)| *at <= now);
    let mut next = last_key;
    let place = |key: MessageKey| {
        let message = queue.message(key);
        // A delayed message joins those that are visible already; one that was tried often goes behind them.
        let delayed = matches!(message.state, State::Delayed { .. });
        let back = delayed || goes_to_the_back(queue, message.receives.count);
        let order = back.then(|| {
            next += 1;
            next
        });
        (key, order)
    };
    let delayed = queue.delays.over(now);
    let mut messages: Vec<_> = timed.copied().map(|(_, key)| key).chain(delayed).take(CHUNK).map(place).collect();
    if messages.is_empty() {
        let delays = queue.delay_line().take_while(|&key| queue.fifo_due(key) <= now).take(CHUNK);
        messages = delays.map(|key| (key, None)).collect();
    }
    (!messages.is_empty()).then(|| Due::Events(vec![Event::Released { queue: queue.id, messages }]))
}
