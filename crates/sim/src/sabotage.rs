//! Plausible bugs, put in where the shard meets the world, to prove that the judge sees them.

use stanchion_engine::command::{Command, Reply};
use stanchion_engine::event::Event;
use stanchion_engine::ids::{DeduplicationHash, Span};
use stanchion_types::Timestamp;
use stanchion_types::attributes::AttributeChange;

use crate::journal::Store;

/// A bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// None: the shard as it is.
    #[default]
    None,
    /// Replies leave before their record is durable.
    EarlyReply,
    /// A crash loses the last durable record.
    LostRecord,
    /// Content lies elsewhere than addresses say.
    WrongContent,
    /// The shard's clock runs ahead.
    FastClock,
    /// Deadlines pass unnoticed.
    MissedTick,
    /// Deduplication ids are not recognised.
    ForgottenDeduplication,
    /// Receives forget their attempt id.
    ForgottenAttempt,
    /// Deletions do nothing.
    IgnoredDelete,
    /// Visibility timeouts are a second too short.
    ShortVisibility,
    /// Delays are not applied.
    IgnoredDelay,
    /// Receipts say one receive too many.
    WrongReceiveCount,
    /// A message is handed out twice in one answer.
    DoubleDelivery,
    /// A message of an answer is lost.
    LostDelivery,
    /// Messages of a FIFO queue are handed out in the wrong order.
    WrongOrder,
    /// A duplicate is answered with an id of its own.
    WrongDuplicate,
    /// An answer does not arrive.
    LostReply,
    /// Dead letters move one receive too early.
    EarlyDeadLetter,
}

impl Sabotage {
    /// Every bug.
    pub const ALL: [Sabotage; 17] = [
        Sabotage::EarlyReply,
        Sabotage::LostRecord,
        Sabotage::WrongContent,
        Sabotage::FastClock,
        Sabotage::MissedTick,
        Sabotage::ForgottenDeduplication,
        Sabotage::ForgottenAttempt,
        Sabotage::IgnoredDelete,
        Sabotage::ShortVisibility,
        Sabotage::IgnoredDelay,
        Sabotage::WrongReceiveCount,
        Sabotage::DoubleDelivery,
        Sabotage::LostDelivery,
        Sabotage::WrongOrder,
        Sabotage::WrongDuplicate,
        Sabotage::LostReply,
        Sabotage::EarlyDeadLetter,
    ];

    /// Changes a command on its way to the shard.
    pub(crate) fn command(self, mut command: Command) -> Command {
        match (self, &mut command) {
            (Sabotage::ForgottenDeduplication, Command::Send { messages, .. }) => {
                for (number, message) in messages.iter_mut().enumerate() {
                    let scramble = message.content.iter().fold(number as u128 + 1, |sum, b| sum * 257 + u128::from(*b));
                    if let Some(deduplication) = &mut message.deduplication {
                        deduplication.hash = DeduplicationHash(deduplication.hash.0 ^ scramble << 20);
                    }
                }
            }
            (Sabotage::IgnoredDelay, Command::Send { messages, .. }) => {
                messages.iter_mut().for_each(|message| message.delay_seconds = message.delay_seconds.map(|_| 0));
            }
            (
                Sabotage::EarlyDeadLetter,
                Command::CreateQueue { attributes, .. } | Command::SetQueueAttributes { attributes, .. },
            ) => {
                for attribute in attributes {
                    if let AttributeChange::RedrivePolicy(Some(policy)) = attribute {
                        policy.max_receive_count = (policy.max_receive_count - 1).max(1);
                    }
                }
            }
            (Sabotage::ForgottenAttempt, Command::Receive(receive)) => receive.attempt = None,
            (Sabotage::ShortVisibility, Command::Receive(receive)) => {
                receive.visibility_seconds = receive.visibility_seconds.map(|seconds| seconds.saturating_sub(1));
            }
            (Sabotage::IgnoredDelete, Command::Delete { receipts, .. }) => {
                receipts.iter_mut().for_each(|receipt| receipt.receive_count += 1);
            }
            _ => {}
        }
        command
    }

    /// Changes an answer, or loses it.
    pub(crate) fn reply(self, mut reply: Reply) -> Option<Reply> {
        match (self, &mut reply) {
            (Sabotage::WrongReceiveCount, Reply::Received(deliveries)) => {
                deliveries.iter_mut().for_each(|delivery| delivery.receipt.receive_count += 1);
            }
            (Sabotage::DoubleDelivery, Reply::Received(deliveries)) => {
                let first = deliveries.first().cloned();
                deliveries.extend(first);
            }
            (Sabotage::LostDelivery, Reply::Received(deliveries)) => drop(deliveries.pop()),
            (Sabotage::WrongContent, Reply::Received(deliveries)) => {
                deliveries.iter_mut().for_each(|delivery| delivery.content.offset -= 1);
            }
            (Sabotage::WrongDuplicate, Reply::Sent(outcomes)) => {
                for accepted in outcomes.iter_mut().flatten().filter(|accepted| accepted.duplicate) {
                    accepted.id.0[0] ^= 1;
                }
            }
            (Sabotage::LostReply, Reply::Sent(_)) => return None,
            _ => {}
        }
        Some(reply)
    }

    /// Changes what the judge reads in the journal, as if the shard had decided so.
    pub(crate) fn events(self, events: &mut [(Event, Span)]) {
        for (event, _) in events {
            if let (Sabotage::WrongOrder, Event::Received { keys, .. }) = (self, event) {
                keys.reverse();
            }
        }
    }

    /// Changes the moment that the shard is told.
    pub(crate) fn clock(self, now: Timestamp) -> Timestamp {
        if self == Sabotage::FastClock { now.plus_millis(1500) } else { now }
    }

    /// Tells whether a tick is lost.
    pub(crate) fn skips_tick(self) -> bool {
        self == Sabotage::MissedTick
    }

    /// Tells whether the shard hears of a watermark that is not there.
    pub(crate) fn skips_sync(self) -> bool {
        self == Sabotage::EarlyReply
    }

    /// Damages the journal during a crash.
    pub(crate) fn crash(self, journal: &mut impl Store) {
        if self == Sabotage::LostRecord {
            journal.lose_last();
        }
    }
}
