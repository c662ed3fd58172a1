//! What receipts of earlier receives allow: deleting messages and changing their visibility timeouts.

use std::collections::BTreeSet;

use stanchion_types::limits::{HANDLE_SECONDS, VISIBILITY_SECONDS_MAX};
use stanchion_types::{Error, Timestamp};

use crate::command::receive::goes_to_the_back;
use crate::command::{Receipt, ReceiptFault, Reply};
use crate::decide::{Decision, PageWish, Purpose};
use crate::engine::Engine;
use crate::event::{ColdMessage, Event};
use crate::ids::{DeduplicationHash, MessageKey, PageId, QueueId};
use crate::queue::Queue;
use crate::queue::message::{Message, State};

/// Where the message of a receipt is.
enum Place<'a> {
    /// In memory.
    Warm(&'a Message),
    /// On a page.
    Cold(PageId, &'a ColdMessage),
    /// Nowhere: deleted, expired, moved or purged.
    Gone,
}

impl Place<'_> {
    /// Returns how often the message was received.
    fn receives(&self) -> u32 {
        match self {
            Place::Warm(message) => message.receives.count,
            Place::Cold(_, message) => message.receives.count,
            Place::Gone => 0,
        }
    }
}

impl Engine {
    pub(crate) fn delete(&self, id: QueueId, receipts: &[Receipt], now: Timestamp) -> Result<Decision, Error> {
        let queue = self.existing(id)?;
        let mut outcomes = Vec::with_capacity(receipts.len());
        let mut warm = Vec::with_capacity(receipts.len());
        let mut cold = BTreeSet::new();
        for receipt in receipts {
            if is_over(receipt, now) {
                outcomes.push(Err(ReceiptFault::Expired));
                continue;
            }
            let place = match self.locate(queue, receipt.key) {
                Ok(place) => place,
                Err(wish) => return Ok(Decision::page(wish)),
            };
            outcomes.push(match place {
                Place::Gone => Ok(()),
                // Given back, so that nobody has a receipt. On a page it would not even be looked for.
                _ if place.receives() == 0 => Ok(()),
                Place::Warm(message) if queue.is_fifo() => {
                    let in_flight = matches!(message.state, State::InFlight { .. });
                    if in_flight && message.receives.count == receipt.receive_count {
                        warm.push(receipt.key);
                        Ok(())
                    } else {
                        Err(ReceiptFault::Expired)
                    }
                }
                Place::Cold(..) if queue.is_fifo() => Err(ReceiptFault::Expired),
                // A receipt that a later receive has outdated deletes nothing, without complaint.
                Place::Warm(message) => {
                    if message.receives.count == receipt.receive_count {
                        warm.push(receipt.key);
                    }
                    Ok(())
                }
                Place::Cold(page, message) => {
                    if message.receives.count == receipt.receive_count {
                        cold.insert((page, receipt.key));
                    }
                    Ok(())
                }
            });
        }
        // A batch may name a message twice.
        warm.sort_unstable();
        warm.dedup();
        let mut events = self.without(queue, &cold);
        if !warm.is_empty() {
            events.push(Event::Deleted { queue: id, keys: warm });
        }
        Ok(Decision::Commit { events, reply: Reply::Handled(outcomes) })
    }

    pub(crate) fn change_visibility(
        &self,
        id: QueueId,
        changes: &[(Receipt, u32)],
        now: Timestamp,
    ) -> Result<Decision, Error> {
        let queue = self.existing(id)?;
        let mut outcomes = Vec::with_capacity(changes.len());
        let mut events = Vec::with_capacity(changes.len());
        // What an earlier entry of the same batch has made visible is not in flight for a later one.
        let mut released = BTreeSet::new();
        for (receipt, seconds) in changes {
            let place = match self.locate(queue, receipt.key) {
                Ok(place) => place,
                Err(wish) => return Ok(Decision::page(wish)),
            };
            let is_released = released.contains(&receipt.key);
            let outcome = self.check_change(queue, receipt, *seconds, &place, is_released, now);
            if outcome.is_ok() {
                if *seconds == 0 {
                    let back = goes_to_the_back(queue, receipt.receive_count);
                    let order = back.then_some(self.last_key + 1 + released.len() as u64);
                    events.push(Event::Released { queue: id, messages: vec![(receipt.key, order)] });
                    released.insert(receipt.key);
                } else {
                    let until = now.plus_seconds(*seconds);
                    events.push(Event::VisibilityChanged { queue: id, key: receipt.key, until });
                }
            }
            outcomes.push(outcome);
        }
        Ok(Decision::Commit { events, reply: Reply::Handled(outcomes) })
    }

    pub(crate) fn give_back(
        &self,
        id: QueueId,
        receipts: &[Receipt],
        attempt: Option<DeduplicationHash>,
    ) -> Result<Decision, Error> {
        let queue = self.existing(id)?;
        let mut outcomes = Vec::with_capacity(receipts.len());
        let mut messages: Vec<(MessageKey, Option<u64>)> = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            // What is in flight is in memory.
            let in_flight = queue.messages.get(&receipt.key).is_some_and(|message| {
                matches!(message.state, State::InFlight { .. }) && message.receives.count == receipt.receive_count
            });
            if !in_flight || messages.iter().any(|(key, _)| *key == receipt.key) {
                outcomes.push(Err(ReceiptFault::NotAvailable));
                continue;
            }
            // What nobody can have now must not keep those behind it from being received. A FIFO queue has to wait.
            let order = (!queue.is_fifo()).then_some(self.last_key + 1 + messages.len() as u64);
            messages.push((receipt.key, order));
            outcomes.push(Ok(()));
        }
        let event = Event::GivenBack { queue: id, attempt, messages };
        let is_empty = outcomes.iter().all(Result::is_err);
        let events = if is_empty { Vec::new() } else { vec![event] };
        Ok(Decision::Commit { events, reply: Reply::Handled(outcomes) })
    }

    fn check_change(
        &self,
        queue: &Queue,
        receipt: &Receipt,
        seconds: u32,
        place: &Place<'_>,
        is_released: bool,
        now: Timestamp,
    ) -> Result<(), ReceiptFault> {
        let in_flight = match place {
            Place::Gone => return Err(ReceiptFault::NotAvailable),
            Place::Warm(message) => matches!(message.state, State::InFlight { .. }),
            Place::Cold(..) => false,
        };
        if place.receives() != receipt.receive_count {
            return Err(ReceiptFault::NotAvailable);
        }
        if !in_flight || is_released {
            return Err(if queue.is_fifo() { ReceiptFault::Expired } else { ReceiptFault::NotInFlight });
        }
        // The service counts from the receive and never sees an elapsed time of zero.
        let elapsed_ms = now.millis_since(receipt.received_at).max(1);
        if elapsed_ms + u64::from(seconds) * 1000 > u64::from(VISIBILITY_SECONDS_MAX) * 1000 {
            return Err(ReceiptFault::BeyondTotal);
        }
        Ok(())
    }

    /// Finds a message that was received before, or the page that must be read to know.
    fn locate<'a>(&'a self, queue: &'a Queue, key: MessageKey) -> Result<Place<'a>, PageWish> {
        if let Some(message) = queue.messages.get(&key) {
            return Ok(Place::Warm(message));
        }
        for page in queue.cold.holding(key) {
            let Some(messages) = self.loaded_page(queue, page) else {
                let list = queue.cold.get(page).expect("the page was just listed").list;
                return Err(PageWish { queue: queue.id, page, list, purpose: Purpose::Look });
            };
            if let Some(message) = messages.iter().find(|message| message.key == key) {
                return Ok(Place::Cold(page, message));
            }
        }
        Ok(Place::Gone)
    }

    /// Writes the pages anew without some of their messages.
    pub(crate) fn without(&self, queue: &Queue, removed: &BTreeSet<(PageId, MessageKey)>) -> Vec<Event> {
        let pages: BTreeSet<PageId> = removed.iter().map(|(page, _)| *page).collect();
        let rest = |page: PageId| {
            let messages = self.loaded_page(queue, page).expect("a page was read before its messages were found");
            let remain = messages.iter().filter(|message| !removed.contains(&(page, message.key)));
            Event::Repaged { queue: queue.id, page, messages: remain.cloned().collect() }
        };
        pages.into_iter().map(rest).collect()
    }
}

/// Tells whether a receipt is too old for anything.
fn is_over(receipt: &Receipt, now: Timestamp) -> bool {
    now.millis_since(receipt.received_at) > u64::from(HANDLE_SECONDS) * 1000
}
