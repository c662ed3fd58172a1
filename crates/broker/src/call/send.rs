//! Sending messages.

use stanchion_engine::command::{Accepted, Command, Deduplication, Reply, Submission};
use stanchion_types::Error;
use stanchion_types::attributes::QueueAttributes;
use stanchion_types::message::NewMessage;
use stanchion_types::request::{BatchEntry, SendMessage, SendMessageBatch};
use stanchion_types::response::{Response, Sent};

use super::batch::in_order;
use super::{Target, unexpected};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::{content, digests};

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

    async fn send(&self, queue: &Target, mut messages: Vec<Submission>) -> Result<Vec<Result<Accepted, Error>>, Error> {
        let count = messages.len();
        if let Some(key) = &queue.key {
            let contents = messages.iter_mut().map(|message| &mut message.content);
            // Boxed, or the futures of all sends would have room for it.
            Box::pin(self.sealing.seal(&queue.arn, key, contents)).await?;
        }
        let room = self.admission.enter(messages.iter().map(|message| message.content.len()).sum()).await?;
        match queue.driver.ask(Command::Send { queue: queue.id, messages }, Some(room)).await? {
            Reply::Sent(outcomes) if outcomes.len() == count => Ok(outcomes),
            reply => Err(unexpected(&reply)),
        }
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
fn sent(message: &NewMessage, accepted: &Accepted) -> Sent {
    Sent {
        message_id: accepted.id,
        body_md5: message.body_md5,
        attributes_md5: message.attributes_md5,
        system_attributes_md5: message.system_attributes_md5,
        sequence_number: accepted.sequence_number,
    }
}
