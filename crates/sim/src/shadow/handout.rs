//! Receives: what may be handed out, and what the caller has to hear then.

use bytes::Bytes;
use stanchion_engine::command::{Delivery, Receipt};
use stanchion_engine::ids::{ContentAddress, DeduplicationHash, MessageKey, QueueId};
use stanchion_types::response::SequenceNumber;
use stanchion_types::{Timestamp, limits};

use super::{Attempt, Bounds, Fairness, Message, Queue, Shadow, State, Violation};

/// Messages that were handed out to somebody in a turn.
#[derive(Clone, Debug)]
pub struct Handout {
    /// From which queue.
    pub queue: QueueId,
    /// What the caller has to hear; the addresses of contents are not filled in.
    pub deliveries: Vec<Delivery>,
    /// The contents behind the addresses.
    pub contents: Vec<Bytes>,
    /// When the messages become visible again.
    pub until: Timestamp,
    /// The attempt id under which this can be repeated.
    pub attempt: Option<DeduplicationHash>,
    /// Whether this repeats an earlier receive.
    pub repeated: bool,
    /// What fairness had to do with it.
    pub fairness: Fairness,
}

impl Shadow {
    /// Returns the attempt that a receive with this id has to repeat: not older than five minutes, and none of its
    /// messages deleted, gone, received again or given another timeout.
    pub fn repeatable(&self, queue: QueueId, hash: DeduplicationHash, now: Timestamp) -> bool {
        let Some(queue) = self.queues.get(&queue) else { return false };
        repeatable(queue, hash, now).is_some()
    }

    /// Lets messages be handed out, if that is permitted. `paged` says whether others of the queue are on pages.
    pub fn hand_out(
        &mut self,
        id: QueueId,
        keys: &[MessageKey],
        until: Timestamp,
        attempt: Option<DeduplicationHash>,
        paged: bool,
        now: Timestamp,
    ) -> Result<Handout, Violation> {
        let Bounds { in_flight_max, window_standard, .. } = self.bounds;
        if let Some(dead) = keys.iter().find(|key| self.is_dead(id, key.0)) {
            return Err(format!("message {} is handed out instead of moving to the dead-letter queue", dead.0));
        }
        let queue = self.queue_mut(id).ok_or_else(|| format!("a receive from {id:?}, which is gone"))?;
        if keys.is_empty() || keys.len() > limits::RECEIVE_MESSAGES_MAX as usize {
            return Err(format!("a receive hands out {} messages", keys.len()));
        }
        if queue.in_flight() + keys.len() > in_flight_max {
            return Err(format!("{} in flight and {} more exceed {in_flight_max}", queue.in_flight(), keys.len()));
        }
        if attempt.is_some_and(|hash| repeatable(queue, hash, now).is_some()) {
            return Err("an attempt that has to be repeated received anew".to_owned());
        }
        for (place, MessageKey(key)) in keys.iter().enumerate() {
            permitted(queue, *key, &keys[..place])?;
        }
        let visible = queue.messages.iter().filter(|message| message.state == State::Visible).count();
        // When it was decided who is served, the dead letters that have just left were in the way of others.
        let departed = if queue.departed.0 == now { queue.departed.1 } else { 0 };
        let whole = !paged && visible + departed <= window_standard;
        let mut fairness = Fairness::default();
        if queue.is_fifo() {
            contiguous(queue, keys)?;
        } else {
            queue.note_ends(now);
            if whole {
                fairness = queue.check_fairness(keys)?;
            }
        }
        for MessageKey(key) in keys {
            let message = queue.message_mut(*key).expect("the message was just found");
            message.receives += 1;
            if message.receives == 1 {
                message.first_received_at = now;
            }
            message.last_received_at = now;
            if until > now {
                message.state = State::InFlight(until);
                if !queue.is_fifo() {
                    queue.note_start(*key, whole, now);
                }
            }
        }
        let handout = Handout { fairness, ..describe(queue, id, keys, until, attempt, false) };
        if let Some(hash) = attempt {
            queue.attempts.retain(|attempt| attempt.hash != hash);
            let messages = handout.deliveries.iter().map(|d| (d.receipt.key.0, d.receipt.receive_count)).collect();
            queue.attempts.push(Attempt { hash, at: now, until, messages });
        }
        Ok(handout)
    }

    /// Lets an attempt be repeated, if that is permitted: the same receipts, another timeout.
    pub fn repeat(
        &mut self,
        id: QueueId,
        hash: DeduplicationHash,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Handout, Violation> {
        let queue = self.queue_mut(id).ok_or_else(|| format!("a receive from {id:?}, which is gone"))?;
        let index = repeatable(queue, hash, now).ok_or("an attempt is repeated that must not be")?;
        queue.attempts[index].until = until;
        let keys: Vec<MessageKey> = queue.attempts[index].messages.iter().map(|(key, _)| MessageKey(*key)).collect();
        for MessageKey(key) in &keys {
            let state = if until > now { State::InFlight(until) } else { State::Visible };
            queue.message_mut(*key).expect("the attempt is untouched").state = state;
        }
        Ok(describe(queue, id, &keys, until, Some(hash), true))
    }
}

fn repeatable(queue: &Queue, hash: DeduplicationHash, now: Timestamp) -> Option<usize> {
    let index = queue.attempts.iter().position(|attempt| attempt.hash == hash)?;
    let attempt = &queue.attempts[index];
    let untouched = |(key, receives): &(u64, u32)| {
        queue
            .message(*key)
            .is_some_and(|message| message.receives == *receives && message.state == State::InFlight(attempt.until))
    };
    (now < attempt.at.plus_seconds(limits::ATTEMPT_SECONDS) && attempt.messages.iter().all(untouched)).then_some(index)
}

/// Checks that a message may be handed out after `before`, which go to the same caller.
fn permitted(queue: &Queue, key: u64, before: &[MessageKey]) -> Result<(), Violation> {
    let message = queue.message(key).ok_or_else(|| format!("message {key} is handed out and does not exist"))?;
    if message.state != State::Visible {
        return Err(format!("message {key} is handed out while {:?}", message.state));
    }
    if before.contains(&MessageKey(key)) {
        return Err(format!("message {key} is handed out twice at once"));
    }
    if !queue.is_fifo() {
        return Ok(());
    }
    if queue.is_locked(message.group) {
        return Err(format!("message {key} is handed out of a locked group"));
    }
    let earlier = queue.messages.iter().find(|other| {
        other.group == message.group
            && other.key < key
            && other.state == State::Visible
            && !other.revived
            && !before.contains(&MessageKey(other.key))
    });
    match earlier {
        Some(other) => Err(format!("message {key} is handed out before {} of its group", other.key)),
        None => Ok(()),
    }
}

/// Checks that one group is emptied before the next is begun.
fn contiguous(queue: &Queue, keys: &[MessageKey]) -> Result<(), Violation> {
    let group = |key: &MessageKey| queue.message(key.0).expect("the message was just found").group;
    let mut groups: Vec<_> = keys.iter().map(group).collect();
    groups.dedup();
    let changes = groups.len();
    groups.sort_unstable();
    groups.dedup();
    if changes == groups.len() { Ok(()) } else { Err(format!("groups are mixed in {keys:?}")) }
}

fn describe(
    queue: &Queue,
    id: QueueId,
    keys: &[MessageKey],
    until: Timestamp,
    attempt: Option<DeduplicationHash>,
    repeated: bool,
) -> Handout {
    let messages: Vec<&Message> =
        keys.iter().map(|key| queue.message(key.0).expect("the message was just found")).collect();
    let delivery = |message: &&Message| Delivery {
        receipt: Receipt {
            key: MessageKey(message.key),
            receive_count: message.receives,
            received_at: message.last_received_at,
        },
        id: message.id,
        content: ContentAddress { position: 0, offset: 0, length: 0 },
        sent_at: message.sent_at,
        first_received_at: message.first_received_at,
        sequence_number: queue.is_fifo().then_some(SequenceNumber(message.key)),
        dead_letter_source: message.source.clone(),
        id_replaces_deduplication_id: message.renamed,
    };
    Handout {
        queue: id,
        deliveries: messages.iter().map(delivery).collect(),
        contents: messages.iter().map(|message| message.content.clone()).collect(),
        until,
        attempt,
        repeated,
        fairness: Fairness::default(),
    }
}
