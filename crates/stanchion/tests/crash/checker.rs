//! Judges a history against the promises of the service. It shares no code
//! with the server and knows nothing but what the clients wrote down.
//!
//! Times are the clients': a call took effect somewhere between its invocation
//! and its return. Each rule gives the server the benefit of that doubt, so
//! whatever is reported is certainly wrong.

mod attributes;
mod delivery;
mod fate;
mod fifo;
mod index;
mod redrive;

use crate::history::Event;
use index::Index;
use std::fmt;

/// What the run promised itself about a queue when it created it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueRules {
    pub(crate) name: &'static str,
    pub(crate) fifo: bool,
    pub(crate) redrive: Option<Redrive>,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redrive {
    pub(crate) dead_letters: &'static str,
    pub(crate) receives_max: u64,
}

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Acknowledged, never deleted, and gone.
    Lost,
    /// Delivered after an acknowledged deletion or purge.
    Resurrected,
    /// Delivered, but never sent, or not with this content.
    NeverSent,
    /// One send, two messages.
    StoredTwice,
    /// A repeated send within five minutes got another answer than the first.
    DeduplicationForgotten,
    /// Delivered before an earlier message of its group was gone.
    FifoOrder,
    /// A later message of the group has no higher sequence number.
    SequenceWentBack,
    /// Group, sequence number or first receive differ between deliveries.
    IdentityChanged,
    /// A later delivery has no higher receive count.
    ReceiveCountWentBack,
    /// More receives are counted than clients can have made.
    ReceiveCountTooHigh,
    /// Delivered before its delay was over.
    DelayedTooShort,
    /// Delivered while another receive kept it invisible.
    DeliveredWhileInvisible,
    /// Delivered by its queue more often than the redrive policy allows.
    RedriveMissed,
    /// In the dead-letter queue before its receives were used up.
    RedriveTooEarly,
    /// Delivered by a queue that it had left for another one.
    CameBackFromMove,
    /// Still in the source although it was there when a task that moved
    /// everything began.
    MoveStopped,
    /// An attribute or tag has another value than the one acknowledged.
    AttributeForgotten,
    /// A correct call was refused.
    Refused,
    /// A queue did not get empty, or counts messages that it does not have.
    NotDrained,
}

/// A broken promise and whom it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    /// The label of the message, or the key of the attribute.
    pub(crate) subject: String,
    pub(crate) detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.rule, self.subject, self.detail)
    }
}

/// The server counts in milliseconds, and its wall clock may be slewed against
/// the clients' steady one while a timeout runs. Late is always permitted.
const EARLY_MAX: u64 = 10_000;

/// This function lists every promise that `events` shows broken. The run must
/// have ended by draining all queues: what was not deleted by then is lost.
pub(crate) fn check(queues: &[QueueRules], events: &[Event]) -> Vec<Violation> {
    let index = Index::new(queues, events);
    let mut violations = Vec::new();
    fate::check(&index, &mut violations);
    delivery::check(&index, &mut violations);
    fifo::check(&index, &mut violations);
    redrive::check(&index, &mut violations);
    attributes::check(events, &mut violations);
    violations
}

/// Collects violations.
trait Report {
    fn report(&mut self, rule: Rule, subject: &str, detail: String);
}

impl Report for Vec<Violation> {
    fn report(&mut self, rule: Rule, subject: &str, detail: String) {
        self.push(Violation { rule, subject: subject.to_owned(), detail });
    }
}

#[cfg(test)]
mod tests;
