//! What a turn leaves behind: exact counters, nobody parked without need, and a shard that wakes up in time.

use stanchion_engine::command::Command;
use stanchion_engine::ids::QueueId;
use stanchion_shard::Shard;
use stanchion_types::Timestamp;

use super::{Oracle, Stand, Truth, Turn};
use crate::coverage::Mark;
use crate::shadow::Violation;

impl Oracle {
    /// Checks what the turn leaves behind.
    pub(super) fn rest(&mut self, shard: &Shard, turn: &Turn<'_>) -> Result<(), Violation> {
        let now = turn.now;
        let Truth { shadow, layout } = &self.truth;
        if let Some(stale) = layout.stale() {
            return Err(format!("messages of {stale:?} were moved, and it does not know where"));
        }
        let (counted, needed) = (shard.engine().usage().by_bucket(), shard.engine().recount());
        if counted != needed {
            return Err(format!("of the journal {counted:?} are counted and {needed:?} are needed"));
        }
        for id in shadow.queue_ids() {
            let mut expected = shadow.counters(id);
            let (visible, delayed) = layout.leftovers(shadow, id);
            expected.visible += visible;
            expected.delayed += delayed;
            if visible + delayed > 0 {
                self.coverage.hit(Mark::LeftoverOnPage);
            }
            let counters = shard.engine().queue(id).map(|queue| queue.counters());
            let (least, most) = layout.overdue(shadow, id);
            let overdue = counters.map_or(0, |counters| counters.delayed).saturating_sub(expected.delayed);
            let overdue = overdue.clamp(least, most);
            expected.visible -= overdue;
            expected.delayed += overdue;
            if overdue > 0 {
                self.coverage.hit(Mark::OverdueOnPage);
            }
            if counters != Some(expected) {
                return Err(format!("{id:?} counts {counters:?} instead of {expected:?}"));
            }
        }
        if shard.engine().warm() >= shadow.bounds.warm_max {
            self.coverage.hit(Mark::MemoryFull);
        }
        if shard.engine().all_queues().count() != shadow.queue_ids().count() {
            return Err("there are queues that should be gone".to_owned());
        }
        for (ticket, pending) in &self.pending {
            let (Command::Receive(receive), Stand::Parked { until, .. }) = (&pending.command, pending.stand) else {
                continue;
            };
            if until <= now {
                return Err(format!("{ticket:?} should have been answered at {until}, it is {now}"));
            }
            if self.draining {
                return Err(format!("{ticket:?} is parked while the shard drains"));
            }
            let queue = receive.queue;
            if !shadow.has(queue) {
                return Err(format!("{ticket:?} is parked at {queue:?}, which is gone"));
            }
            if !shadow.may_be_empty(queue) && !turn.reading.contains(&queue) {
                return Err(format!("{ticket:?} is parked at {queue:?} though there is something to receive"));
            }
        }
        let due = shard.poll_timeout();
        if due.is_some_and(|at| at <= now) {
            return Err(format!("the shard wants a tick at {due:?} and has just had one at {now}"));
        }
        let deadlines = self.pending.values().filter_map(|pending| match pending.stand {
            Stand::Parked { until, .. } => Some(until),
            _ => None,
        });
        let expiry = shadow.expiry_before(due.unwrap_or(Timestamp::NEVER), |queue, key| !layout.is_cold(queue, key));
        // While a page of delayed messages is being read nobody has to wake up for what is on it or behind it.
        let failed = |queue: &QueueId| self.failed.get(queue).is_some_and(|until| now < *until);
        let on_time = |queue| !layout.has_delayed(queue) || !turn.reading.contains(&queue) && !failed(&queue);
        let next = deadlines.chain(shadow.next_appearance(on_time)).chain(expiry).min();
        if let Some(next) = next.filter(|next| due.is_none_or(|due| due > *next)) {
            return Err(format!("something happens at {next} and the shard sleeps until {due:?}"));
        }
        Ok(())
    }
}
