//! The commands of a turn: each has to fit one point of the turn's events, and those asked together in their order.

use stanchion_engine::command::{Command, Receive, Reply};
use stanchion_engine::event::Event;
use stanchion_engine::ids::{QueueId, Span};
use stanchion_shard::Ticket;
use stanchion_types::{Code, Error};

use super::{Oracle, Pending, Stand, Turn};
use crate::coverage::Mark;
use crate::shadow::{Explanation, Violation};

impl Oracle {
    /// Walks through the events of a turn; returns for each decided command the answers that would be true.
    pub(super) fn walk(
        &mut self,
        decided: &[(Ticket, Pending)],
        receivers: &[QueueId],
        events: &[(Event, Span)],
        turn: &Turn<'_>,
        position: u64,
    ) -> Result<Vec<Vec<Reply>>, Violation> {
        let now = turn.now;
        let plain: Vec<Event> = events.iter().map(|(event, _)| event.clone()).collect();
        let mut answers: Vec<Vec<Reply>> = vec![Vec::new(); decided.len()];
        let mut done = vec![false; decided.len()];
        let mut at = 0;
        'point: loop {
            for (index, (_, pending)) in decided.iter().enumerate() {
                if let Command::Receive(receive) = &pending.command {
                    let fruitless = self.fruitless(receive, pending.stand, turn);
                    for reply in fruitless {
                        if !answers[index].contains(&reply) {
                            answers[index].push(reply);
                        }
                    }
                    continue;
                }
                if done[index] {
                    continue;
                }
                if let Explanation::Answer(replies) =
                    self.truth.shadow.explain(&pending.command, &[], &self.truth.layout, now)
                {
                    answers[index].extend(replies);
                }
            }
            for (index, (ticket, pending)) in decided.iter().enumerate() {
                if done[index] || matches!(pending.command, Command::Receive(_)) {
                    continue;
                }
                let explanation = self.truth.shadow.explain(&pending.command, &plain[at..], &self.truth.layout, now);
                let Explanation::Happened(taken, reply) = explanation else { continue };
                for (event, span) in &events[at..at + taken] {
                    if matches!(event, Event::Repaged { .. }) {
                        self.coverage.deleted_from_page();
                    }
                    self.truth.layout.follow(event, *span, position)?;
                    self.coverage.event(event);
                }
                self.coverage.command(&pending.command, &reply);
                at += taken;
                answers[index] = vec![reply];
                done[index] = true;
                // What is asked together is decided in that order: nothing comes any more of those before this one, and
                // those after it have seen what it did.
                for (other, (asked, _)) in decided.iter().enumerate().filter(|_| pending.stand == Stand::New) {
                    let is_new = decided[other].1.stand == Stand::New;
                    if is_new && asked < ticket {
                        done[other] = true;
                    } else if is_new && asked > ticket {
                        answers[other].clear();
                    }
                }
                continue 'point;
            }
            let Some((event, span)) = events.get(at) else { break };
            self.witness(event, receivers, now, position)?;
            self.truth.layout.follow(event, *span, position)?;
            self.coverage.event(event);
            at += 1;
        }
        for (index, (_, pending)) in decided.iter().enumerate() {
            // Who waits at a queue of which a page cannot be read is told so: an empty answer would be a lie.
            let parked_there = matches!(pending.stand, Stand::Parked { .. })
                && matches!(&pending.command, Command::Receive(receive) if self.unread.contains(&receive.queue));
            if turn.failed_read && (pending.stand == Stand::Reading || parked_there) {
                answers[index].push(Reply::Refused(Error::internal("")));
                self.coverage.hit(Mark::ReadFailed);
            }
        }
        Ok(answers)
    }

    /// Lists the answers without messages that a receive may get at this point.
    fn fruitless(&self, receive: &Receive, stand: Stand, turn: &Turn<'_>) -> Vec<Reply> {
        let now = turn.now;
        let shadow = &self.truth.shadow;
        if !shadow.has(receive.queue) {
            return vec![Reply::Refused(Error::no_such_queue())];
        }
        let mut permitted = Vec::new();
        let wait = receive.wait_seconds.unwrap_or_else(|| shadow.wait_seconds(receive.queue));
        if receive.attempt.is_some_and(|hash| shadow.repeatable(receive.queue, hash, now)) && wait == 0 {
            return permitted;
        }
        if shadow.is_full(receive.queue) && wait == 0 && !shadow.is_fifo(receive.queue) {
            permitted.push(Reply::Refused(Error::new(Code::OverLimit, "")));
            if stand == Stand::New && !self.draining {
                return permitted;
            }
        }
        let waited = match stand {
            Stand::Parked { from, .. } => from <= now,
            Stand::New | Stand::Reading => wait == 0,
        };
        // A parked receive is answered in time even if the page that it waits for is not there yet.
        // A shard that stops sends everybody away before it looks for anything new.
        let parked = matches!(stand, Stand::Parked { .. });
        let late_page = parked && (self.draining || turn.reading.contains(&receive.queue));
        let excused = shadow.may_be_empty(receive.queue) || late_page || self.unread.contains(&receive.queue);
        if (waited || self.draining) && excused {
            permitted.push(Reply::Received(Vec::new()));
        }
        permitted
    }
}
