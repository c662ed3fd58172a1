//! Receiving messages.

mod unlock;

use bytes::Bytes;
use stanchion_engine::command::{Command, Delivery, Receive, Reply};
use stanchion_engine::ids::ContentAddress;
use stanchion_keyring::service::Refusal;
use stanchion_types::Error;
use stanchion_types::message::SystemAttribute;
use stanchion_types::request::ReceiveMessage;
use stanchion_types::response::{ReceivedMessage, Response};

use super::{Target, unexpected};
use crate::broker::Broker;
use crate::content::{self, Content, sealed};
use crate::digests;
use crate::failure::Failure;
use crate::handles::Handle;
use crate::sealing;
use unlock::Unlocked;

impl Broker {
    pub(super) async fn receive_message(&self, queue: Target, request: ReceiveMessage) -> Result<Response, Error> {
        // Standard queues ignore the attempt id, however it looks; the service does not complain.
        let attempt = request.attempt_id.clone().filter(|_| queue.arn.name.is_fifo()).transpose()?;
        let attempt = attempt.as_deref().map(digests::id_hash);
        let command = Command::Receive(Receive {
            queue: queue.listing.id,
            max_messages: request.max_messages as usize,
            visibility_seconds: request.visibility_seconds,
            wait_seconds: request.wait_seconds,
            attempt,
        });
        // Held until the contents are read.
        let (reply, reading) = queue.driver.receive(command).await?;
        let deliveries = match reply {
            Reply::Received(deliveries) => deliveries,
            reply => return Err(unexpected(&reply)),
        };
        if deliveries.is_empty() {
            return Ok(Response::Messages(Vec::new()));
        }
        let addresses: Vec<ContentAddress> = deliveries.iter().map(|delivery| delivery.content).collect();
        let mut contents = queue.driver.contents(&addresses).await;
        drop(reading);
        let is_sealed = contents.iter().flatten().any(|content| sealed::is_sealed(content));
        let mut unlocked = match is_sealed {
            false => None,
            // Boxed, or the futures of all calls would have room for it.
            true => Some(Box::pin(self.unlock(&queue, attempt, &deliveries, &mut contents)).await),
        };
        let mut messages = Vec::with_capacity(deliveries.len());
        let (mut broken, mut locked) = (Vec::new(), Vec::new());
        for (delivery, content) in deliveries.iter().zip(contents) {
            if let Some(refusal) = unlocked.as_ref().and_then(|unlocked| unlocked.refusal(delivery)) {
                locked.push((delivery, refusal));
                continue;
            }
            let read = content.map_err(|failure| failure.internal());
            match read.and_then(|bytes| self.message(&queue, &request, delivery, &bytes)) {
                Ok(_) if !locked.is_empty() && must_wait(&queue, delivery, &locked) => {
                    if let Some(unlocked) = &mut unlocked {
                        unlocked.keep_back(delivery.receipt);
                    }
                }
                Ok(message) => messages.push(message),
                Err(error) => broken.push((delivery.receipt, error)),
            }
        }
        // What cannot be read is in flight until its timeout, and counts as received. The caller has to hear of that: who
        // gets the others beside it takes nothing to be wrong. They are given back, for the next receive.
        if !broken.is_empty() {
            let mut all = unlocked.unwrap_or_else(|| Unlocked::nothing(&queue, attempt));
            let others = deliveries.iter().map(|delivery| delivery.receipt);
            all.keep_all_back(others.filter(|receipt| broken.iter().all(|(broken, _)| broken != receipt)).collect());
            unlocked = Some(all);
        }
        if let Some(unlocked) = unlocked {
            Box::pin(unlocked.settle()).await;
        }
        if let Some((_, error)) = broken.pop() {
            return Err(error);
        }
        match locked.pop() {
            Some((_, refusal)) if messages.is_empty() => Err(sealing::refused("open a message", &refusal)),
            _ => Ok(Response::Messages(messages)),
        }
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
        let handle = Handle { shard: queue.driver.id(), queue: queue.listing.id, receipt: delivery.receipt };
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
}

/// Tells whether a message of a FIFO queue must not be handed out because one before it in its group could not be
/// opened.
fn must_wait(queue: &Target, delivery: &Delivery, locked: &[(&Delivery, Refusal)]) -> bool {
    queue.arn.name.is_fifo()
        && queue.driver.with_shard(|shard| {
            let group = |delivery: &Delivery| shard.engine().queue(queue.listing.id)?.group(delivery.receipt.key);
            let own = group(delivery);
            own.is_none() || locked.iter().any(|(locked, _)| group(locked).is_none_or(|group| Some(group) == own))
        })
}

/// Returns a system attribute of a message, unless the message has no such thing.
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
