//! Taking messages over from another server, with what has happened to them there.

use stanchion_types::ids::uuid_v4;
use stanchion_types::limits::VISIBILITY_SECONDS_MAX;
use stanchion_types::{Error, MessageId, Timestamp};

use crate::command::{Import, Reply};
use crate::decide::Decision;
use crate::engine::Engine;
use crate::event::{Event, Receives};
use crate::ids::{Entropy, MessageKey, QueueId};
use crate::queue::Queue;

impl Engine {
    /// Takes all messages over, or none: the first that the queue cannot take is named in the reply.
    pub(crate) fn import(
        &self,
        id: QueueId,
        messages: &[Import],
        now: Timestamp,
        entropy: Entropy,
    ) -> Result<Decision, Error> {
        let queue = self.existing(id)?;
        let mut events = Vec::with_capacity(messages.len());
        // On a FIFO queue nobody overtakes a message that is still delayed: who comes behind one counts as sent no
        // earlier, as the delay is the same for all. And nobody overtakes those whose delay is over, but who have not been
        // read back yet.
        let mut held = queue.newest_held(now);
        let overdue = queue.due_without_delay(now);
        for (index, message) in messages.iter().enumerate() {
            if let Err(error) = admit(queue, message) {
                return Ok(Decision::answer(Reply::Imported(Err((index, error)))));
            }
            // What a clock that was ahead has written would be kept too long.
            let mut sent_at = message.sent_at.min(now);
            let due = if queue.is_fifo() {
                if held.is_some() || sent_at.plus_seconds(queue.attributes.delay_seconds) > now {
                    sent_at = sent_at.max(held.unwrap_or_default());
                    held = Some(sent_at);
                }
                held.map_or(overdue, |_| Some(Timestamp::NEVER))
            } else {
                let latest = now.plus_seconds(VISIBILITY_SECONDS_MAX);
                message.hidden_until.map(|until| until.min(latest)).filter(|until| *until > now)
            };
            let drawn = || MessageId(uuid_v4(entropy.draw(index as u64).to_be_bytes()));
            let first_at = message.first_received_at.clamp(sent_at, now);
            events.push(Event::Imported {
                queue: id,
                key: MessageKey(self.last_key + 1 + index as u64),
                id: message.id.unwrap_or_else(drawn),
                group: message.group,
                due,
                sent_at,
                receives: match message.receive_count {
                    0 => Receives::default(),
                    count => Receives { count, first_at, last_at: first_at },
                },
                source: message.source.clone(),
                content: message.content.clone(),
            });
        }
        Ok(Decision::Commit { events, reply: Reply::Imported(Ok(())) })
    }
}

fn admit(queue: &Queue, message: &Import) -> Result<(), Error> {
    let limit = queue.attributes.message_bytes_max;
    if message.size > limit as usize {
        return Err(Error::message_too_long(limit));
    }
    if queue.is_fifo() && message.group.is_none() {
        return Err(Error::missing_parameter("MessageGroupId"));
    }
    Ok(())
}
