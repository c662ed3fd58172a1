//! Opening what was received from a queue with a key of its own, and giving back what its caller does not get.
//!
//! The shard hands messages out before anybody knows whether they can be read and their key can be had. Those that cannot
//! be opened are given back: they are visible at once, and do not count as received. So are all of them if the caller goes
//! away while the key management service is asked, and those beside a message that cannot be read.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use stanchion_engine::command::{Command, Delivery, Receipt};
use stanchion_engine::ids::{DeduplicationHash, QueueId};
use stanchion_keyring::service::{Reason, Refusal};

use crate::broker::Broker;
use crate::call::Target;
use crate::driver::Driver;
use crate::failure::Failure;
use crate::sealing::PERIOD;

/// The messages of a receive that are, or may have to be, given back.
pub(super) struct Unlocked {
    driver: Arc<Driver>,
    queue: QueueId,
    attempt: Option<DeduplicationHash>,
    /// What is given back when this goes.
    receipts: Vec<Receipt>,
    refusals: Vec<(Receipt, Refusal)>,
}

impl Broker {
    /// Opens contents in place. Those that cannot be opened stay as they are.
    pub(super) async fn unlock(
        &self,
        queue: &Target,
        attempt: Option<DeduplicationHash>,
        deliveries: &[Delivery],
        contents: &mut [Result<Bytes, Failure>],
    ) -> Unlocked {
        let period = queue.listing.key.as_ref().map_or(PERIOD, |choice| choice.period);
        let mut unlocked = Unlocked::nothing(queue, attempt);
        unlocked.keep_all_back(deliveries.iter().map(|delivery| delivery.receipt).collect());
        // All at once: each may be under a data key that the service has to be asked for.
        let open = async |content: &Result<Bytes, Failure>| match content {
            Ok(bytes) => Some(self.sealing.open(bytes, period).await),
            Err(_) => None,
        };
        let opened = join_all(contents.iter().map(open)).await;
        for ((delivery, content), opened) in deliveries.iter().zip(contents).zip(opened) {
            let Some(opened) = opened else { continue };
            match opened {
                Ok(opened) => *content = Ok(opened),
                // What is damaged stays damaged: as other damaged messages it is in flight until its timeout.
                Err(refusal) if refusal.reason == Reason::Damaged => {
                    *content = Err(Failure::report("open a message", format_args!("{}: {refusal}", delivery.id)));
                }
                Err(refusal) => unlocked.refusals.push((delivery.receipt, refusal)),
            }
        }
        unlocked.receipts = unlocked.refusals.iter().map(|(receipt, _)| *receipt).collect();
        unlocked
    }
}

impl Unlocked {
    /// Makes one of which nothing is given back.
    pub(super) fn nothing(queue: &Target, attempt: Option<DeduplicationHash>) -> Self {
        let driver = queue.driver.clone();
        Unlocked { driver, queue: queue.listing.id, attempt, receipts: Vec::new(), refusals: Vec::new() }
    }

    /// Returns why a message could not be opened, if it could not.
    pub(super) fn refusal(&self, delivery: &Delivery) -> Option<Refusal> {
        let own = |(receipt, _): &&(Receipt, Refusal)| *receipt == delivery.receipt;
        self.refusals.iter().find(own).map(|(_, refusal)| refusal.clone())
    }

    /// Gives a message back that has to wait for one that is given back.
    pub(super) fn keep_back(&mut self, receipt: Receipt) {
        self.receipts.push(receipt);
    }

    /// Gives back these messages and no others.
    pub(super) fn keep_all_back(&mut self, receipts: Vec<Receipt>) {
        self.receipts = receipts;
    }

    /// Gives back what has to be, and returns when that is done.
    pub(super) async fn settle(mut self) {
        if let Some(command) = self.command() {
            // If the shard has failed, the caller hears that with the next call.
            let _ = self.driver.ask(command, None).await;
        }
    }

    fn command(&mut self) -> Option<Command> {
        let receipts = mem::take(&mut self.receipts);
        let (queue, attempt) = (self.queue, self.attempt);
        (!receipts.is_empty()).then_some(Command::GiveBack { queue, receipts, attempt })
    }
}

impl Drop for Unlocked {
    fn drop(&mut self) {
        if let Some(command) = self.command() {
            self.driver.ask_unheard(command);
        }
    }
}
