//! Actions on messages: send, receive, delete, change visibility.

use bytes::Bytes;
use stanchion_engine::command::{Command, Deduplication, Delivery, Receipt, ReceiptFault, Receive, Reply, Submission};
use stanchion_engine::ids::ContentAddress;
use stanchion_types::attributes::QueueAttributes;
use stanchion_types::limits::VISIBILITY_SECONDS_MAX;
use stanchion_types::message::{NewMessage, SystemAttribute};
use stanchion_types::request::{
    BatchEntry, ChangeMessageVisibility, ChangeMessageVisibilityBatch, DeleteMessage, DeleteMessageBatch,
    ReceiveMessage, SendMessage, SendMessageBatch,
};
use stanchion_types::response::{BatchResult, ReceivedMessage, Response, Sent};
use stanchion_types::{Code, Error};

use super::{Target, unexpected};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::content::{self, Content};
use crate::digests;
use crate::failure::Failure;
use crate::handles::Handle;

impl Broker {
    pub(super) async fn send_message(
        &self,
        caller: &Caller,
        queue: Target,
        request: SendMessage,
    ) -> Result<Response, Error> {
        let submission = queue.submission(caller, &request.message)?;
        let mut outcomes = self.send(&queue, vec![submission]).await?;
        match outcomes.pop() {
            Some(Ok(accepted)) => Ok(Response::Sent(sent(&request.message, &accepted))),
            Some(Err(error)) => Err(error),
            None => Err(unexpected(&Reply::Sent(outcomes))),
        }
    }

    pub(super) async fn send_message_batch(
        &self,
        caller: &Caller,
        queue: Target,
        request: SendMessageBatch,
    ) -> Result<Response, Error> {
        queue.check_ids(&request).await?;
        let mut submissions = Vec::with_capacity(request.entries.len());
        let checked: Vec<_> = request
            .entries
            .into_iter()
            .map(|BatchEntry { id, entry }| {
                let entry = entry.and_then(|message| {
                    submissions.push(queue.submission(caller, &message)?);
                    Ok(message)
                });
                (id, entry)
            })
            .collect();
        let outcomes = if submissions.is_empty() { Vec::new() } else { self.send(&queue, submissions).await? };
        let mut results = in_order(checked, outcomes, |message, accepted| sent(&message, &accepted))?;
        for result in &mut results {
            if let Err(error) = &mut result.outcome {
                *error = error.clone().of_batch_entry();
            }
        }
        Ok(Response::SentBatch(results))
    }

    async fn send(
        &self,
        queue: &Target,
        messages: Vec<Submission>,
    ) -> Result<Vec<Result<stanchion_engine::command::Accepted, Error>>, Error> {
        let count = messages.len();
        let room = self.admission.enter(messages.iter().map(|message| message.content.len()).sum()).await?;
        match queue.driver.ask(Command::Send { queue: queue.id, messages }, Some(room)).await? {
            Reply::Sent(outcomes) if outcomes.len() == count => Ok(outcomes),
            reply => Err(unexpected(&reply)),
        }
    }

    pub(super) async fn receive_message(&self, queue: Target, request: ReceiveMessage) -> Result<Response, Error> {
        // Standard queues ignore the attempt id, however it looks; the service does not complain.
        let attempt = request.attempt_id.clone().filter(|_| queue.arn.name.is_fifo()).transpose()?;
        let command = Command::Receive(Receive {
            queue: queue.id,
            max_messages: request.max_messages as usize,
            visibility_seconds: request.visibility_seconds,
            wait_seconds: request.wait_seconds,
            attempt: attempt.as_deref().map(digests::id_hash),
        });
        let deliveries = match queue.driver.receive(command).await? {
            Reply::Received(deliveries) => deliveries,
            reply => return Err(unexpected(&reply)),
        };
        if deliveries.is_empty() {
            return Ok(Response::Messages(Vec::new()));
        }
        let addresses: Vec<ContentAddress> = deliveries.iter().map(|delivery| delivery.content).collect();
        let contents = queue.driver.contents(&addresses).await.map_err(|failure| failure.internal())?;
        let messages =
            deliveries.iter().zip(&contents).map(|(delivery, bytes)| self.message(&queue, &request, delivery, bytes));
        Ok(Response::Messages(messages.collect::<Result<_, _>>()?))
    }

    fn message(
        &self,
        queue: &Target,
        request: &ReceiveMessage,
        delivery: &Delivery,
        bytes: &Bytes,
    ) -> Result<ReceivedMessage, Error> {
        let content = content::decode(bytes).map_err(|damage| {
            Failure::report("read a message", format_args!("{}: {damage}", delivery.id)).internal()
        })?;
        let handle = Handle { shard: queue.driver.id(), queue: queue.id, receipt: delivery.receipt };
        let system_attributes = SystemAttribute::ALL
            .into_iter()
            .filter(|&attribute| request.system_attributes.contains(attribute))
            .filter_map(|attribute| Some((attribute, system_attribute(attribute, delivery, &content)?)))
            .collect();
        let is_asked_for = |name: &str| request.message_attributes.iter().any(|filter| filter.matches(name));
        let attributes = content.attributes.iter().copied().filter(|attribute| is_asked_for(attribute.name));
        Ok(ReceivedMessage {
            message_id: delivery.id,
            receipt_handle: self.sealer.issue(&handle),
            body: content.body.to_owned(),
            body_md5: content.body_md5,
            system_attributes,
            attributes: attributes.map(content::Attribute::to_owned).collect(),
        })
    }

    pub(super) async fn delete_message(&self, queue: Target, request: DeleteMessage) -> Result<Response, Error> {
        let receipt = self.receipt(&queue, &request.receipt_handle)?;
        match self.delete(&queue, vec![receipt]).await?.pop() {
            Some(Ok(())) => Ok(Response::Done),
            Some(Err(fault)) => Err(refusal(fault, &request.receipt_handle, 0)),
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
            outcome.map_err(|fault| refusal(fault, &handle, 0))
        })?;
        Ok(Response::Batch(flatten(results)))
    }

    async fn delete(&self, queue: &Target, receipts: Vec<Receipt>) -> Result<Vec<Result<(), ReceiptFault>>, Error> {
        let count = receipts.len();
        match queue.driver.ask(Command::Delete { queue: queue.id, receipts }, None).await? {
            Reply::Handled(outcomes) if outcomes.len() == count => Ok(outcomes),
            reply => Err(unexpected(&reply)),
        }
    }

    pub(super) async fn change_visibility(
        &self,
        queue: Target,
        request: ChangeMessageVisibility,
    ) -> Result<Response, Error> {
        let receipt = self.receipt(&queue, &request.receipt_handle)?;
        let changes = vec![(receipt, request.visibility_seconds)];
        match self.change(&queue, changes).await?.pop() {
            Some(Ok(())) => Ok(Response::Done),
            Some(Err(fault)) => Err(refusal(fault, &request.receipt_handle, request.visibility_seconds)),
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
            outcome.map_err(|fault| refusal(fault, &change.receipt_handle, change.visibility_seconds))
        })?;
        Ok(Response::Batch(flatten(results)))
    }

    async fn change(
        &self,
        queue: &Target,
        changes: Vec<(Receipt, u32)>,
    ) -> Result<Vec<Result<(), ReceiptFault>>, Error> {
        let count = changes.len();
        match queue.driver.ask(Command::ChangeVisibility { queue: queue.id, changes }, None).await? {
            Reply::Handled(outcomes) if outcomes.len() == count => Ok(outcomes),
            reply => Err(unexpected(&reply)),
        }
    }

    /// Reads a receipt handle, which must be of this very queue.
    fn receipt(&self, queue: &Target, handle: &str) -> Result<Receipt, Error> {
        let opened = self.sealer.open(handle);
        let opened = opened.ok_or_else(|| Error::invalid_handle(handle))?;
        let own = opened.queue == queue.id && opened.shard == queue.driver.id();
        if own { Ok(opened.receipt) } else { Err(Error::handle_of_another_queue(handle)) }
    }
}

impl Target {
    /// Refuses a whole batch for a FIFO queue if an entry lacks its group or deduplication id. Other faults of an
    /// entry are that entry's own; these two the service tells as it does for a message that is sent alone.
    async fn check_ids(&self, batch: &SendMessageBatch) -> Result<(), Error> {
        if !self.arn.name.is_fifo() {
            return Ok(());
        }
        let mut messages = batch.entries.iter().filter_map(|entry| entry.entry.as_ref().ok());
        if messages.clone().any(|message| message.group_id.is_none()) {
            return Err(Error::missing_parameter("MessageGroupId"));
        }
        if messages.all(|message| message.deduplication_id.is_some()) {
            return Ok(());
        }
        // What the shard knows now need not be durable yet; a refusal waits until it is.
        let computes =
            |attributes: &QueueAttributes| attributes.fifo.is_some_and(|fifo| fifo.content_based_deduplication);
        if self.driver.with_shard(|shard| shard.find(&self.arn).is_some_and(|queue| computes(queue.attributes())))
            || computes(&self.describe().await?.attributes)
        {
            return Ok(());
        }
        Err(Error::missing_deduplication_id())
    }

    /// Applies the rules of this kind of queue to a message and reduces it to what the engine needs to know.
    fn submission(&self, caller: &Caller, message: &NewMessage) -> Result<Submission, Error> {
        let fifo = self.arn.name.is_fifo();
        if let Some(id) = message.deduplication_id.as_deref().filter(|_| !fifo) {
            return Err(Error::wrong_queue_type(id, "MessageDeduplicationId"));
        }
        if let Some(seconds) = message.delay_seconds.filter(|&seconds| fifo && seconds > 0) {
            return Err(Error::wrong_queue_type(seconds, "DelaySeconds"));
        }
        if fifo && message.group_id.is_none() {
            return Err(Error::missing_parameter("MessageGroupId"));
        }
        let computed = (fifo && message.deduplication_id.is_none()).then(|| digests::content_id(&message.body));
        let deduplication_id = message.deduplication_id.as_deref().or(computed.as_deref());
        Ok(Submission {
            size: message.size(),
            delay_seconds: message.delay_seconds.filter(|_| !fifo),
            group: message.group_id.as_deref().map(digests::group_key),
            deduplication: deduplication_id
                .map(|id| Deduplication { hash: digests::id_hash(id), explicit: computed.is_none() }),
            content: content::encode(message, &caller.sender_id, deduplication_id),
        })
    }
}

/// Returns what the sender reads. The digests are of this request: a duplicate's sender checks them, too.
fn sent(message: &NewMessage, accepted: &stanchion_engine::command::Accepted) -> Sent {
    Sent {
        message_id: accepted.id,
        body_md5: message.body_md5,
        attributes_md5: message.attributes_md5,
        system_attributes_md5: message.system_attributes_md5,
        sequence_number: accepted.sequence_number,
    }
}

fn system_attribute(attribute: SystemAttribute, delivery: &Delivery, content: &Content) -> Option<String> {
    Some(match attribute {
        SystemAttribute::SenderId => content.sender_id.to_owned(),
        SystemAttribute::SentTimestamp => delivery.sent_at.millis().to_string(),
        SystemAttribute::ApproximateReceiveCount => delivery.receipt.receive_count.to_string(),
        SystemAttribute::ApproximateFirstReceiveTimestamp => delivery.first_received_at.millis().to_string(),
        SystemAttribute::SequenceNumber => delivery.sequence_number?.to_string(),
        SystemAttribute::MessageDeduplicationId if delivery.id_replaces_deduplication_id => delivery.id.to_string(),
        SystemAttribute::MessageDeduplicationId => content.deduplication_id?.to_owned(),
        SystemAttribute::MessageGroupId => content.group_id?.to_owned(),
        SystemAttribute::AWSTraceHeader => content.trace_header?.to_owned(),
        SystemAttribute::DeadLetterQueueSourceArn => delivery.dead_letter_source.as_ref()?.to_string(),
    })
}

/// Returns the service's words for a receipt that was not honoured.
fn refusal(fault: ReceiptFault, handle: &str, seconds: u32) -> Error {
    match fault {
        ReceiptFault::Expired => Error::expired_handle(handle),
        ReceiptFault::NotInFlight => Error::new(Code::MessageNotInflight, "The specified message isn't in flight."),
        ReceiptFault::NotAvailable => {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            Error::invalid_value(handle, "ReceiptHandle", reason)
        }
        ReceiptFault::BeyondTotal => {
            let reason = format!(
                "Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_SECONDS_MAX} seconds]"
            );
            Error::invalid_value(seconds, "VisibilityTimeout", &reason)
        }
    }
}

/// Puts the outcomes of the entries that were asked back among those that were refused before, in their order.
fn in_order<T, O, R>(
    entries: Vec<(String, Result<T, Error>)>,
    outcomes: Vec<Result<O, Error>>,
    answer: impl Fn(T, O) -> R,
) -> Result<Vec<BatchResult<R>>, Error> {
    let mut outcomes = outcomes.into_iter();
    let result = |(id, entry): (String, Result<T, Error>)| {
        let outcome = match entry {
            Err(error) => Err(error),
            Ok(entry) => match outcomes.next() {
                Some(outcome) => outcome.map(|outcome| answer(entry, outcome)),
                None => return Err(unexpected(&Reply::Handled(Vec::new()))),
            },
        };
        Ok(BatchResult { id, outcome })
    };
    entries.into_iter().map(result).collect()
}

fn flatten(results: Vec<BatchResult<Result<(), Error>>>) -> Vec<BatchResult<()>> {
    let flat =
        |result: BatchResult<Result<(), Error>>| BatchResult { id: result.id, outcome: result.outcome.flatten() };
    results.into_iter().map(flat).collect()
}
