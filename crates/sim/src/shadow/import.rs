//! Messages that are taken over from elsewhere.

use stanchion_engine::command::{Import, Reply};
use stanchion_engine::event::Event;
use stanchion_engine::ids::QueueId;
use stanchion_types::{Code, Error, Timestamp, limits};

use super::{Explanation, Message, Shadow, State};

impl Shadow {
    /// Compares an import with the events that follow a point of a turn.
    pub(crate) fn import(&mut self, id: QueueId, imports: &[Import], events: &[Event], now: Timestamp) -> Explanation {
        let Some(queue) = self.queues.get(&id) else {
            return Explanation::Answer(vec![Reply::Refused(Error::new(Code::QueueDoesNotExist, ""))]);
        };
        let refused = imports.iter().position(|import| {
            import.size > queue.attributes.message_bytes_max as usize || (queue.is_fifo() && import.group.is_none())
        });
        if let Some(index) = refused {
            // Which of the two it is, is for the engine to say.
            let codes = [Code::InvalidParameterValue, Code::MissingParameter];
            let refusals = codes.map(|code| Reply::Imported(Err((index, Error::new(code, "")))));
            return Explanation::Answer(refusals.into());
        }
        let mut messages: Vec<Message> = Vec::new();
        for (import, event) in imports.iter().zip(events) {
            let Event::Imported { queue: to, key, id: message, group, content, receives, sent_at, .. } = event else {
                return Explanation::Mismatch;
            };
            let last_key = messages.last().map_or(self.last_key, |message| message.key);
            if *to != id || key.0 <= last_key || (group, content) != (&import.group, &import.content) {
                return Explanation::Mismatch;
            }
            if import.id.is_some_and(|id| id != *message) || receives.count != import.receive_count {
                return Explanation::Mismatch;
            }
            let mut said = import.sent_at.min(now);
            let delayed =
                queue.messages.iter().chain(&messages).filter(|other| matches!(other.state, State::Delayed(_)));
            let newest = delayed.map(|other| other.sent_at).max();
            let hidden = import.hidden_until.map(|until| until.min(now.plus_seconds(limits::VISIBILITY_SECONDS_MAX)));
            let late = said.plus_seconds(queue.attributes.delay_seconds) > now;
            let state = match hidden {
                _ if queue.is_fifo() && (newest.is_some() || late) => {
                    said = said.max(newest.unwrap_or_default());
                    State::Delayed(None)
                }
                Some(until) if !queue.is_fifo() && until > now => State::Delayed(Some(until)),
                _ => State::Visible,
            };
            // On a FIFO queue it may stand behind messages whose delay is over and whose page has not been read yet.
            let may_differ = queue.is_fifo() && (said..=now).contains(sent_at);
            if *sent_at != said && !may_differ {
                return Explanation::Mismatch;
            }
            let received_at = match import.receive_count {
                0 => Timestamp::ZERO,
                _ => receives.first_at,
            };
            if received_at != Timestamp::ZERO && received_at != import.first_received_at.clamp(*sent_at, now) {
                return Explanation::Mismatch;
            }
            messages.push(Message {
                key: key.0,
                id: *message,
                group: *group,
                content: content.clone(),
                sent_at: *sent_at,
                receives: import.receive_count,
                first_received_at: received_at,
                last_received_at: received_at,
                source: import.source.clone(),
                renamed: false,
                revived: false,
                state,
            });
        }
        if messages.len() < imports.len() {
            return Explanation::Mismatch;
        }
        self.last_key = messages.last().map_or(self.last_key, |message| message.key);
        self.queue_mut(id).expect("the queue was just looked at").messages.append(&mut messages);
        self.advance(now);
        Explanation::Happened(imports.len(), Reply::Imported(Ok(())))
    }
}
