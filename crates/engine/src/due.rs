//! What time alone causes: timeouts and delays that end, messages that expire, and tasks that move on.

use stanchion_types::Timestamp;

use crate::command::moves::Step;
use crate::command::receive::goes_to_the_back;
use crate::decide::{PageWish, Purpose};
use crate::engine::Engine;
use crate::event::Event;
use crate::ids::{Entropy, MessageKey, PageId, QueueId, Shelf};
use crate::queue::Queue;
use crate::queue::message::State;

/// Most messages that one event concerns.
const CHUNK: usize = 1024;

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
        let keys: Vec<MessageKey> = old.map(|(_, key)| key).collect();
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
