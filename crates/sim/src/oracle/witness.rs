//! Events that no command explains: receives, tasks and time.

use stanchion_engine::event::{Event, TaskEnd};
use stanchion_engine::ids::QueueId;
use stanchion_types::Timestamp;

use super::{Oracle, Truth};
use crate::coverage::Mark;
use crate::shadow::Violation;

impl Oracle {
    /// Checks an event that is no command's doing but a receive's, a task's or time's.
    pub(super) fn witness(
        &mut self,
        event: &Event,
        receivers: &[QueueId],
        now: Timestamp,
        position: u64,
    ) -> Result<(), Violation> {
        let Truth { shadow, layout } = &mut self.truth;
        match event {
            Event::Received { queue, keys, until, attempt } => {
                let handout = shadow.hand_out(*queue, keys, *until, *attempt, layout.pages(*queue) > 0, now)?;
                self.handouts.entry(position).or_default().push(handout);
            }
            Event::Repeated { queue, attempt, until } => {
                let handout = shadow.repeat(*queue, *attempt, *until, now)?;
                self.handouts.entry(position).or_default().push(handout);
            }
            Event::DeadLettered { queue, target, moves } => {
                if !receivers.contains(queue) {
                    return Err(format!("dead letters of {queue:?} move though nobody receives"));
                }
                shadow.dead_letter(*queue, *target, moves, now)?;
            }
            Event::TaskMoved { task, queue, target, moves } => {
                shadow.task_moves(*task, *queue, *target, moves, now)?;
            }
            Event::TaskEnded { task, end } if *end != TaskEnd::Cancelled => {
                let left = shadow.left_in_source(*task, layout);
                shadow.task_ends(*task, end, left, now)?;
            }
            Event::Expired { queue, keys } => {
                if let Some(key) = keys.iter().find(|key| shadow.is_alive(*queue, key.0)) {
                    return Err(format!("{key:?} expired before its time"));
                }
            }
            Event::Released { queue, messages } => {
                if let Some((key, _)) = messages.iter().find(|(key, _)| !shadow.is_visible(*queue, key.0)) {
                    return Err(format!("{key:?} appears before its time"));
                }
            }
            Event::Chilled { queue, messages, .. } => {
                // What arrives behind messages on a page of delayed ones waits for that page, whatever its own moment is.
                let waits = shadow.is_fifo(*queue) && layout.has_delayed(*queue);
                for message in messages {
                    shadow.check_listed(*queue, message, waits)?;
                }
            }
            Event::Thawed { queue, messages, .. } => {
                for message in messages.iter().filter(|message| shadow.is_alive(*queue, message.key.0)) {
                    shadow.check_listed(*queue, message, true)?;
                }
            }
            Event::Repaged { queue, page, messages } => {
                let gone = layout.missing(*queue, *page, messages);
                if let Some(key) = gone.iter().find(|key| shadow.is_alive(*queue, **key)) {
                    return Err(format!("message {key} is dropped from {page:?} without a cause"));
                }
            }
            Event::Filed { originals, .. } => {
                for original in originals {
                    shadow.check_filed(original)?;
                }
            }
            // What is wrong with it is seen when an id is looked up in it.
            Event::Refiled { .. } => {}
            Event::Forgotten { chunk } => {
                if layout.free_at(*chunk).is_none_or(|free_at| free_at > now) {
                    return Err(format!("{chunk:?} is forgotten before its time"));
                }
            }
            Event::Moved { queue, key, content } => {
                if layout.is_cold(*queue, key.0) {
                    self.coverage.hit(Mark::MovedOnPage);
                }
                shadow.check_moved(*queue, *key, content, layout)?;
            }
            other => return Err(format!("{other:?} has no cause")),
        }
        Ok(())
    }
}
