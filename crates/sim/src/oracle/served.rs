//! Who is served: as many as something was handed to, and of those who wait who came first.

use stanchion_engine::command::Command;
use stanchion_engine::ids::QueueId;
use stanchion_shard::Ticket;
use stanchion_types::Timestamp;

use super::{Oracle, Pending, Stand};
use crate::shadow::Violation;

impl Oracle {
    /// Checks that there are as many receives as handouts, for each queue.
    pub(super) fn receives_explained(&self, decided: &[(Ticket, Pending)], position: u64) -> Result<(), Violation> {
        let Some(handouts) = self.handouts.get(&position) else { return Ok(()) };
        let takes = |pending: &Pending, queue: QueueId| matches!(&pending.command, Command::Receive(receive) if receive.queue == queue);
        for handout in handouts {
            let taken = handouts.iter().filter(|other| other.queue == handout.queue).count();
            let takers = decided.iter().filter(|(_, pending)| takes(pending, handout.queue)).count();
            let earlier = self.gate.iter().filter(|awaited| {
                awaited.position == position && awaited.receive.as_ref().is_some_and(|r| r.queue == handout.queue)
            });
            if taken > takers + earlier.count() {
                return Err(format!("{taken} receives from {:?} for {takers} callers", handout.queue));
            }
        }
        Ok(())
    }

    /// Checks that of the receives parked at a queue the one that came first was served first.
    pub(super) fn nobody_overtaken(&self, decided: &[(Ticket, Pending)], now: Timestamp) -> Result<(), Violation> {
        for (ticket, pending) in decided {
            let (Command::Receive(receive), Stand::Parked { until, arrival, .. }) = (&pending.command, pending.stand)
            else {
                continue;
            };
            let overtaken = self.pending.iter().find(|(_, other)| match (&other.command, other.stand) {
                (Command::Receive(left), Stand::Parked { arrival: earlier, .. }) => {
                    left.queue == receive.queue && earlier < arrival
                }
                _ => false,
            });
            if let Some((left, _)) = overtaken.filter(|_| until > now) {
                return Err(format!("{ticket:?} was served before {left:?}, which has waited longer"));
            }
        }
        Ok(())
    }
}
