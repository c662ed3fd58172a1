//! Sending messages.

use bytes::Bytes;
use stanchion_engine::command::{Accepted, Command, Deduplication, Reply, Submission};
use stanchion_types::Error;
use stanchion_types::message::{Md5, NewMessage};
use stanchion_types::request::{BatchEntry, SendMessage, SendMessageBatch};
use stanchion_types::response::{Response, Sent};

use super::batch::in_order;
use super::{Target, unexpected};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::content::Draft;
use crate::digests;
use crate::driver::computes_ids;

impl Broker {
    pub(super) async fn send_message(
        &self,
        caller: &Caller,
        queue: Target,
        request: SendMessage,
    ) -> Result<Response, Error> {
        let (submission, draft) = queue.submission(caller, &request.message)?;
        let digests = AttributeDigests::of(&request.message);
        // It need not be kept while the disk is waited for.
        drop(request);
        let mut outcomes = self.send(&queue, vec![submission], vec![draft]).await?;
        match outcomes.pop() {
            Some(Ok(taken)) => Ok(Response::Sent(sent(digests, &taken))),
            Some(Err(error)) => Err(error),
            None => Err(unexpected(&Reply::Sent(Vec::new()))),
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
        let mut drafts = Vec::with_capacity(request.entries.len());
        let mut checked = Vec::with_capacity(request.entries.len());
        for BatchEntry { id, entry } in request.entries {
            let entry = match entry {
                // By reference: a message is large, and all that is needed of it from here on is copied.
                Ok(ref message) => queue.submission(caller, message).map(|(submission, draft)| {
                    submissions.push(submission);
                    drafts.push(draft);
                    AttributeDigests::of(message)
                }),
                Err(error) => Err(error),
            };
            checked.push((id, entry));
        }
        let outcomes = match submissions.is_empty() {
            true => Vec::new(),
            false => self.send(&queue, submissions, drafts).await?,
        };
        let mut results = in_order(checked, outcomes, |digests, taken| sent(digests, &taken))?;
        for result in &mut results {
            if let Err(error) = &mut result.outcome {
                *error = error.clone().of_batch_entry();
            }
        }
        Ok(Response::SentBatch(results))
    }

    /// Sends messages that lack their contents, and returns the outcome of each.
    async fn send(
        &self,
        queue: &Target,
        mut messages: Vec<Submission>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Result<Taken, Error>>, Error> {
        let count = messages.len();
        let (reply, digests) = match &queue.listing.key {
            None => {
                let room = self.admission.enter(drafts.iter().map(Draft::len).sum()).await?;
                let command = Command::Send { queue: queue.listing.id, messages };
                queue.driver.ask_in_company(command, drafts, Some(room)).await?
            }
            Some(key) => {
                // What is sealed has its digest inside, so it cannot wait for that of others.
                let mut digests = Vec::with_capacity(count);
                for (message, (content, digest)) in messages.iter_mut().zip(Draft::complete(drafts)) {
                    message.content = content;
                    digests.push(digest);
                }
                let contents = messages.iter_mut().map(|message| &mut message.content);
                // Boxed, or the futures of all sends would have room for it.
                Box::pin(self.sealing.seal(&queue.arn, key, contents)).await?;
                let room = self.admission.enter(messages.iter().map(|message| message.content.len()).sum()).await?;
                (queue.driver.ask(Command::Send { queue: queue.listing.id, messages }, Some(room)).await?, digests)
            }
        };
        match reply {
            Reply::Sent(outcomes) if outcomes.len() == count => {
                let taken = |(outcome, body_md5): (Result<Accepted, Error>, Md5)| {
                    outcome.map(|accepted| Taken { accepted, body_md5 })
                };
                Ok(outcomes.into_iter().zip(digests).map(taken).collect())
            }
            reply => Err(unexpected(&reply)),
        }
    }
}

/// A message that was sent.
struct Taken {
    accepted: Accepted,
    body_md5: Md5,
}

/// The digests of a message's attributes, of each kind if it has any.
#[derive(Clone, Copy)]
struct AttributeDigests {
    attributes: Option<Md5>,
    system_attributes: Option<Md5>,
}

impl AttributeDigests {
    fn of(message: &NewMessage) -> Self {
        AttributeDigests { attributes: message.attributes_md5, system_attributes: message.system_attributes_md5 }
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
        if self.listing.content_based_deduplication || computes_ids(&self.describe().await?.attributes) {
            return Ok(());
        }
        Err(Error::missing_deduplication_id())
    }

    /// Applies the rules of this kind of queue to a message and reduces it to what the engine needs to know, and what
    /// becomes its content.
    fn submission(&self, caller: &Caller, message: &NewMessage) -> Result<(Submission, Draft), Error> {
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
        let draft = Draft::new(message, &caller.sender_id, deduplication_id);
        let submission = Submission {
            size: message.size(),
            delay_seconds: message.delay_seconds.filter(|_| !fifo),
            group: message.group_id.as_deref().map(digests::group_key),
            deduplication: deduplication_id
                .map(|id| Deduplication { hash: digests::id_hash(id), explicit: computed.is_none() }),
            content: Bytes::new(),
        };
        Ok((submission, draft))
    }
}

/// Returns what the sender reads. The digests are of this request: a duplicate's sender checks them, too.
fn sent(digests: AttributeDigests, taken: &Taken) -> Sent {
    let Taken { accepted, body_md5 } = taken;
    Sent {
        message_id: accepted.id,
        body_md5: *body_md5,
        attributes_md5: digests.attributes,
        system_attributes_md5: digests.system_attributes,
        sequence_number: accepted.sequence_number,
    }
}
