//! Accepting messages.

use std::collections::BTreeMap;

use stanchion_types::attributes::DeduplicationScope;
use stanchion_types::ids::uuid_v4;
use stanchion_types::response::SequenceNumber;
use stanchion_types::{Error, MessageId, Timestamp};

use crate::command::{Accepted, Reply, Submission};
use crate::decide::{Decision, Wish};
use crate::engine::Engine;
use crate::event::{DeduplicationKey, Event};
use crate::ids::{Entropy, MessageKey, QueueId};
use crate::originals::{Blocks, Unknown};
use crate::queue::Queue;

impl Engine {
    pub(crate) fn send(
        &self,
        id: QueueId,
        messages: &[Submission],
        now: Timestamp,
        entropy: Entropy,
        blocks: &Blocks,
    ) -> Result<Decision, Error> {
        let queue = self.existing(id)?;
        let mut events = Vec::with_capacity(messages.len());
        let mut outcomes = Vec::with_capacity(messages.len());
        // Ids that earlier messages of the same batch have taken.
        let mut taken = BTreeMap::new();
        for message in messages {
            let key = MessageKey(self.last_key + 1 + events.len() as u64);
            let deduplication = match admit(queue, message) {
                Ok(deduplication) => deduplication,
                Err(error) => {
                    outcomes.push(Err(error));
                    continue;
                }
            };
            if let Some(name) = deduplication {
                let original = match taken.get(&name) {
                    Some(original) => Some(*original),
                    None => match self.originals.find(id, &name, now, blocks) {
                        Ok(found) => found.map(|original| (original.id, original.key)),
                        Err(Unknown::Load(wish)) => return Ok(Decision::Load(Wish::Chunk(wish))),
                        Err(Unknown::Damaged) => return Err(Error::internal("A part of the queue could not be read.")),
                    },
                };
                if let Some((id, key)) = original {
                    outcomes.push(Ok(accepted(queue, id, key, true)));
                    continue;
                }
            }
            let message_id = MessageId(uuid_v4(entropy.draw(events.len() as u64).to_be_bytes()));
            if let Some(deduplication) = deduplication {
                taken.insert(deduplication, (message_id, key));
            }
            events.push(Event::Sent {
                queue: id,
                key,
                id: message_id,
                group: message.group,
                deduplication,
                due: due(queue, message, now),
                content: message.content.clone(),
            });
            outcomes.push(Ok(accepted(queue, message_id, key, false)));
        }
        Ok(Decision::Commit { events, reply: Reply::Sent(outcomes) })
    }
}

/// Checks a message against the queue's attributes and returns under which deduplication id it goes.
fn admit(queue: &Queue, message: &Submission) -> Result<Option<DeduplicationKey>, Error> {
    let limit = queue.attributes.message_bytes_max;
    if message.size > limit as usize {
        return Err(Error::message_too_long(limit));
    }
    let (Some(fifo), Some(deduplication)) = (queue.attributes.fifo, message.deduplication) else { return Ok(None) };
    if !deduplication.explicit && !fifo.content_based_deduplication {
        return Err(Error::missing_deduplication_id());
    }
    let per_group = fifo.deduplication_scope == DeduplicationScope::MessageGroup;
    let group = if per_group { message.group } else { None };
    Ok(Some(DeduplicationKey { hash: deduplication.hash, group }))
}

/// Returns when a new message becomes visible, if not at once.
fn due(queue: &Queue, message: &Submission, now: Timestamp) -> Option<Timestamp> {
    let delay = message.delay_seconds.unwrap_or(queue.attributes.delay_seconds);
    if delay == 0 {
        return queue.due_without_delay(now);
    }
    // The delay of a FIFO queue applies to all its messages, also when it changes later: the queue knows it.
    Some(if queue.is_fifo() { Timestamp::NEVER } else { now.plus_seconds(delay) })
}

fn accepted(queue: &Queue, id: MessageId, key: MessageKey, duplicate: bool) -> Accepted {
    let sequence_number = queue.is_fifo().then_some(SequenceNumber(key.0));
    Accepted { id, sequence_number, duplicate }
}
