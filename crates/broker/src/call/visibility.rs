//! Changing how long messages stay hidden.

use stanchion_engine::command::{Command, Receipt, ReceiptFault, Reply};
use stanchion_types::Error;
use stanchion_types::request::{BatchEntry, ChangeMessageVisibility, ChangeMessageVisibilityBatch};
use stanchion_types::response::Response;

use super::batch::{flatten, in_order};
use super::receipts::unhonoured;
use super::{Target, unexpected};
use crate::broker::Broker;

impl Broker {
    pub(super) async fn change_visibility(
        &self,
        queue: Target,
        request: ChangeMessageVisibility,
    ) -> Result<Response, Error> {
        let receipt = self.receipt(&queue, &request.receipt_handle)?;
        let changes = vec![(receipt, request.visibility_seconds)];
        match self.change(&queue, changes).await?.pop() {
            Some(Ok(())) => Ok(Response::Done),
            Some(Err(fault)) => {
                unhonoured(fault, &request.receipt_handle, request.visibility_seconds).map(|()| Response::Done)
            }
            None => Err(unexpected(&Reply::Handled(Vec::new()))),
        }
    }

    pub(super) async fn change_visibility_batch(
        &self,
        queue: Target,
        request: ChangeMessageVisibilityBatch,
    ) -> Result<Response, Error> {
        let mut changes = Vec::with_capacity(request.entries.len());
        let checked: Vec<_> = request
            .entries
            .into_iter()
            .map(|BatchEntry { id, entry }| {
                let entry = entry.and_then(|change| {
                    changes.push((self.receipt(&queue, &change.receipt_handle)?, change.visibility_seconds));
                    Ok(change)
                });
                (id, entry)
            })
            .collect();
        let outcomes = if changes.is_empty() { Vec::new() } else { self.change(&queue, changes).await? };
        let results = in_order(checked, outcomes.into_iter().map(Ok).collect(), |change, outcome| {
            outcome.or_else(|fault| unhonoured(fault, &change.receipt_handle, change.visibility_seconds))
        })?;
        Ok(Response::Batch(flatten(results)))
    }

    async fn change(
        &self,
        queue: &Target,
        changes: Vec<(Receipt, u32)>,
    ) -> Result<Vec<Result<(), ReceiptFault>>, Error> {
        let count = changes.len();
        match queue.driver.ask(Command::ChangeVisibility { queue: queue.listing.id, changes }, None).await? {
            Reply::Handled(outcomes) if outcomes.len() == count => Ok(outcomes),
            reply => Err(unexpected(&reply)),
        }
    }
}
