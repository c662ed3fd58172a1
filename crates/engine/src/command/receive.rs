//! Handing messages out.

use stanchion_types::response::SequenceNumber;
use stanchion_types::{Code, Error, Timestamp};

use crate::command::{Delivery, Receipt, Receive, Reply};
use crate::decide::{Decision, PageWish, Purpose};
use crate::engine::Engine;
use crate::event::{Event, Receives};
use crate::ids::MessageKey;
use crate::queue::Queue;
use crate::queue::message::State;

/// Most dead letters that one decision moves. If that leaves nothing to hand out, the caller decides again.
const MOVES_MAX: usize = 256;

/// From this many receives on a message of a standard queue returns to the back instead of its old place.
const RECEIVES_TO_THE_BACK: u32 = 3;

/// Longest chain of dead-letter queues that is taken for one; a longer one counts as a circle.
const CHAIN_MAX: usize = 16;

impl Engine {
    pub(crate) fn receive(&self, receive: &Receive, now: Timestamp) -> Result<Decision, Error> {
        let queue = self.existing(receive.queue)?;
        let visibility = receive.visibility_seconds.unwrap_or(queue.attributes.visibility_seconds);
        let until = now.plus_seconds(visibility);
        if let Some(repetition) = self.repeat(queue, receive, until, now) {
            return Ok(repetition);
        }
        let room = self.options.in_flight_max.saturating_sub(queue.lanes.in_flight());
        if room == 0 {
            let waits = receive.wait_seconds.unwrap_or(queue.attributes.wait_seconds) > 0;
            return if queue.is_fifo() || waits { Ok(Decision::Nothing) } else { Err(over_limit()) };
        }
        if queue.lanes.ready() == 0 && queue.next_page(now).is_none() {
            return Ok(Decision::Nothing);
        }
        let wanted = receive.max_messages.min(room);
        let dead_letter_queue = self.dead_letter_queue(queue);
        let circular = dead_letter_queue.is_some_and(|(target, _)| self.leads_back(target, queue));
        let (mut keys, mut dead) = (Vec::with_capacity(wanted), Vec::new());
        for key in queue.lanes.next() {
            let message = queue.message(key);
            match dead_letter_queue {
                // In a circle of dead-letter queues a dead letter would go round for ever, so there it stays.
                _ if circular && message.source.is_some() => keys.push(key),
                Some((_, max_receive_count)) if message.receives.count >= max_receive_count => dead.push(key),
                _ => keys.push(key),
            }
            if keys.len() == wanted || dead.len() == MOVES_MAX {
                break;
            }
        }
        // With too many messages in memory a page might have to leave again before it is served.
        let (found, enough) = match self.is_tight() {
            true => (keys.len() + dead.len(), wanted.min(self.options.floor())),
            false => (keys.len(), wanted),
        };
        if found < enough
            && dead.len() < MOVES_MAX
            && let Some((page, listed)) = queue.next_page(now)
        {
            let wish = PageWish { queue: queue.id, page, list: listed.list, purpose: Purpose::Thaw };
            return Ok(Decision::page(wish));
        }
        if keys.is_empty() && dead.is_empty() {
            return Ok(Decision::Nothing);
        }
        let mut events = Vec::with_capacity(2);
        let mut next_key = self.last_key + 1;
        if let Some((target, _)) = dead_letter_queue.filter(|_| !dead.is_empty()) {
            let moves = dead.iter().map(|&key| (key, MessageKey(take_number(&mut next_key)))).collect();
            events.push(Event::DeadLettered { queue: queue.id, target: target.id, moves });
        }
        let deliveries = keys.iter().map(|&key| delivery(queue, key, now)).collect();
        if !keys.is_empty() {
            let attempt = receive.attempt.filter(|_| until > now);
            events.push(Event::Received { queue: queue.id, keys: keys.clone(), until, attempt });
            if until <= now {
                // They never left: what would happen at the end of a timeout happens now.
                let back = |key: &MessageKey| goes_to_the_back(queue, queue.message(*key).receives.count + 1);
                let backs = keys.iter().filter(|key| back(key));
                let messages: Vec<_> = backs.map(|&key| (key, Some(take_number(&mut next_key)))).collect();
                if !messages.is_empty() {
                    events.push(Event::Released { queue: queue.id, messages });
                }
            }
        }
        Ok(Decision::Commit { events, reply: Reply::Received(deliveries) })
    }

    /// Repeats an earlier receive if its id is known and none of its messages was touched since.
    fn repeat(&self, queue: &Queue, receive: &Receive, until: Timestamp, now: Timestamp) -> Option<Decision> {
        let id = receive.attempt?;
        let attempt = queue.attempts.get(id, now)?;
        let untouched = |(key, count): &(MessageKey, u32)| {
            queue.messages.get(key).is_some_and(|message| {
                message.receives.count == *count && message.state == State::InFlight { until: attempt.until }
            })
        };
        if !attempt.messages.iter().all(untouched) {
            return None;
        }
        let again = |(key, _): &(MessageKey, u32)| describe(queue, *key, queue.message(*key).receives);
        let deliveries = attempt.messages.iter().map(again).collect();
        let event = Event::Repeated { queue: queue.id, attempt: id, until };
        Some(Decision::Commit { events: vec![event], reply: Reply::Received(deliveries) })
    }

    /// Returns the dead-letter queue and the most receives before a message goes there. A policy whose target is
    /// gone has no effect: messages stay where they are.
    pub(crate) fn dead_letter_queue(&self, queue: &Queue) -> Option<(&Queue, u32)> {
        let policy = queue.attributes.redrive_policy.as_ref()?;
        Some((self.find(&policy.target)?, policy.max_receive_count))
    }

    /// Tells whether dead letters of `from` come to `queue` in the end, or whether their way has no end.
    fn leads_back(&self, from: &Queue, queue: &Queue) -> bool {
        let mut next = Some(from);
        for _ in 0..CHAIN_MAX {
            let Some(here) = next else { return false };
            if here.id == queue.id {
                return true;
            }
            next = self.dead_letter_queue(here).map(|(target, _)| target);
        }
        true
    }
}

/// Tells whether a message that was received this often loses its place when it becomes visible again.
pub(crate) fn goes_to_the_back(queue: &Queue, receives: u32) -> bool {
    !queue.is_fifo() && receives >= RECEIVES_TO_THE_BACK
}

fn take_number(next: &mut u64) -> u64 {
    let number = *next;
    *next += 1;
    number
}

/// Describes a message as this receive hands it out.
fn delivery(queue: &Queue, key: MessageKey, now: Timestamp) -> Delivery {
    let before = queue.message(key).receives;
    let first_at = if before.count == 0 { now } else { before.first_at };
    describe(queue, key, Receives { count: before.count + 1, first_at, last_at: now })
}

fn describe(queue: &Queue, key: MessageKey, receives: Receives) -> Delivery {
    let message = queue.message(key);
    Delivery {
        receipt: Receipt { key, receive_count: receives.count, received_at: receives.last_at },
        id: message.id,
        content: message.content,
        sent_at: message.sent_at,
        first_received_at: receives.first_at,
        sequence_number: queue.is_fifo().then_some(SequenceNumber(key.0)),
        dead_letter_source: message.source.as_deref().cloned(),
        id_replaces_deduplication_id: message.id_replaces_deduplication_id,
    }
}

fn over_limit() -> Error {
    let message = "Too many messages have been received without being deleted.\n\
                   Please delete your received messages or let them timeout before receiving more.";
    Error::new(Code::OverLimit, message)
}
