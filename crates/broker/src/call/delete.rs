//! Deleting messages.

use stanchion_engine::command::{Command, Receipt, ReceiptFault, Reply};
use stanchion_types::Error;
use stanchion_types::request::{BatchEntry, DeleteMessage, DeleteMessageBatch};
use stanchion_types::response::Response;

use super::batch::{flatten, in_order};
use super::receipts::unhonoured;
use super::{Target, unexpected};
use crate::broker::Broker;

impl Broker {
    pub(super) async fn delete_message(&self, queue: Target, request: DeleteMessage) -> Result<Response, Error> {
        let receipt = self.receipt(&queue, &request.receipt_handle)?;
        match self.delete(&queue, vec![receipt]).await?.pop() {
            Some(Ok(())) => Ok(Response::Done),
            Some(Err(fault)) => unhonoured(fault, &request.receipt_handle, 0).map(|()| Response::Done),
            None => Err(unexpected(&Reply::Handled(Vec::new()))),
        }
    }

    pub(super) async fn delete_message_batch(
        &self,
        queue: Target,
        request: DeleteMessageBatch,
    ) -> Result<Response, Error> {
        let mut receipts = Vec::with_capacity(request.entries.len());
        let checked: Vec<_> = request
            .entries
            .into_iter()
            .map(|BatchEntry { id, entry }| {
                let entry = entry.and_then(|DeleteMessage { receipt_handle }| {
                    receipts.push(self.receipt(&queue, &receipt_handle)?);
                    Ok(receipt_handle)
                });
                (id, entry)
            })
            .collect();
        let outcomes = if receipts.is_empty() { Vec::new() } else { self.delete(&queue, receipts).await? };
        let results = in_order(checked, outcomes.into_iter().map(Ok).collect(), |handle, outcome| {
            outcome.or_else(|fault| unhonoured(fault, &handle, 0))
        })?;
        Ok(Response::Batch(flatten(results)))
    }

    async fn delete(&self, queue: &Target, receipts: Vec<Receipt>) -> Result<Vec<Result<(), ReceiptFault>>, Error> {
        let count = receipts.len();
        let command = Command::Delete { queue: queue.listing.id, receipts };
        match queue.driver.ask_in_company(command, Vec::new(), None).await? {
            (Reply::Handled(outcomes), _) if outcomes.len() == count => Ok(outcomes),
            (reply, _) => Err(unexpected(&reply)),
        }
    }
}
