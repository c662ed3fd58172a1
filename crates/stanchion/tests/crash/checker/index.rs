//! The history, sorted by message.

use super::{EARLY_MAX, QueueRules};
use crate::history::{Delivery, Event, Micros, Outcome, Send, What};
use std::collections::{BTreeMap, HashMap};

pub(super) struct Index<'a> {
    pub(super) queues: &'a [QueueRules],
    pub(super) events: &'a [Event],
    pub(super) messages: BTreeMap<&'a str, Message<'a>>,
    /// Receives whose reply was lost, by queue: when they were on their way.
    lost_receives: HashMap<&'static str, Vec<(Micros, Micros)>>,
    /// Purges that were not refused, by queue.
    purges: HashMap<&'static str, Vec<Purge>>,
}

/// A purge; without an answer it may not have happened.
#[derive(Clone, Copy)]
pub(super) struct Purge {
    pub(super) invoked: Micros,
    pub(super) returned: Micros,
    pub(super) acknowledged: bool,
}

/// Everything about one label.
#[derive(Default)]
pub(super) struct Message<'a> {
    /// In the order in which they were made.
    pub(super) sends: Vec<(usize, &'a Event, &'a Send)>,
    /// By receive count within each message id, in order of return otherwise.
    pub(super) deliveries: Vec<Delivered<'a>>,
    pub(super) deletes: Vec<Receipt<'a>>,
    pub(super) changes: Vec<(Receipt<'a>, u64)>,
}

/// A delivery and the receive that brought it.
#[derive(Clone, Copy)]
pub(super) struct Delivered<'a> {
    /// Tells the messages of one reply from those of another.
    pub(super) reply: usize,
    /// Place within the reply.
    pub(super) place: usize,
    pub(super) queue: &'static str,
    pub(super) visibility_ms: u64,
    pub(super) invoked: Micros,
    pub(super) returned: Micros,
    pub(super) delivery: &'a Delivery,
}

/// A call that used a receipt handle and was not refused.
#[derive(Clone, Copy)]
pub(super) struct Receipt<'a> {
    pub(super) queue: &'static str,
    pub(super) handle: &'a str,
    pub(super) invoked: Micros,
    pub(super) returned: Micros,
    pub(super) acknowledged: bool,
}

impl<'a> Index<'a> {
    pub(super) fn new(queues: &'a [QueueRules], events: &'a [Event]) -> Self {
        let mut index =
            Self { queues, events, messages: BTreeMap::new(), lost_receives: HashMap::new(), purges: HashMap::new() };
        for (at, event) in events.iter().enumerate() {
            index.add(at, event);
        }
        for message in index.messages.values_mut() {
            message.deliveries.sort_by_key(|found| found.returned);
        }
        index
    }

    fn add(&mut self, at: usize, event: &'a Event) {
        let (invoked, returned) = (event.invoked, event.returned);
        match &event.what {
            What::Send(send) => self.message(&send.label).sends.push((at, event, send)),
            What::Receive { queue, visibility_ms, outcome: Outcome::Acknowledged(deliveries) } => {
                for (place, delivery) in deliveries.iter().enumerate() {
                    self.message(&delivery.label).deliveries.push(Delivered {
                        reply: at,
                        place,
                        queue,
                        visibility_ms: *visibility_ms,
                        invoked,
                        returned,
                        delivery,
                    });
                }
            }
            What::Receive { queue, outcome: Outcome::Unknown, .. } => {
                self.lost_receives.entry(queue).or_default().push((invoked, returned));
            }
            What::Delete { queue, label, handle, outcome } => {
                if let Some(receipt) = receipt(event, queue, handle, outcome) {
                    self.message(label).deletes.push(receipt);
                }
            }
            What::ChangeVisibility { queue, label, handle, timeout_ms, outcome } => {
                if let Some(receipt) = receipt(event, queue, handle, outcome) {
                    self.message(label).changes.push((receipt, *timeout_ms));
                }
            }
            What::Purge { queue, outcome } if !matches!(outcome, Outcome::Refused(_)) => {
                let acknowledged = *outcome == Outcome::Acknowledged(());
                self.purges.entry(queue).or_default().push(Purge { invoked, returned, acknowledged });
            }
            _ => {}
        }
    }

    pub(super) fn purges(&self, queue: &str) -> &[Purge] {
        self.purges.get(queue).map_or(&[], Vec::as_slice)
    }

    fn message(&mut self, label: &'a str) -> &mut Message<'a> {
        self.messages.entry(label).or_default()
    }

    pub(super) fn queue(&self, name: &str) -> Option<&QueueRules> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// How many receives of `queue` lost their reply and may have taken effect
    /// between `from` and `to`.
    pub(super) fn lost_receives_between(&self, queue: &str, from: Micros, to: Micros) -> u64 {
        let lost = self.lost_receives.get(queue).into_iter().flatten();
        lost.filter(|(invoked, returned)| *invoked <= to && *returned >= from).count() as u64
    }
}

fn receipt<'a>(event: &Event, queue: &'static str, handle: &'a str, outcome: &Outcome<()>) -> Option<Receipt<'a>> {
    let acknowledged = match outcome {
        Outcome::Acknowledged(()) => true,
        Outcome::Unknown => false,
        Outcome::Refused(_) => return None,
    };
    Some(Receipt { queue, handle, invoked: event.invoked, returned: event.returned, acknowledged })
}

impl Message<'_> {
    /// The earliest moment at which the invisibility that `delivered` began can
    /// have ended, by its own timeout or by a change of it. A change that was
    /// acknowledged before that found the message still in flight and replaced
    /// the end. One that came later may have found it visible, which is no
    /// error and changes nothing; and of one without an answer nobody knows.
    pub(super) fn invisible_until(&self, delivered: &Delivered<'_>) -> Micros {
        let mut until = delivered.invoked + delivered.visibility_ms * 1000;
        for (change, timeout_ms) in &self.changes {
            if change.handle != delivered.delivery.handle {
                continue;
            }
            let changed = change.invoked + timeout_ms * 1000;
            let in_flight = change.acknowledged && change.returned + EARLY_MAX <= until;
            until = if in_flight { changed } else { until.min(changed) };
        }
        until.saturating_sub(EARLY_MAX)
    }
}
