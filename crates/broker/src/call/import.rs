//! Taking messages over from another server.

use bytes::Bytes;
use stanchion_engine::command::{Command, Import, Reply};
use stanchion_engine::queue::listing::Standing;
use stanchion_types::request::Action;
use stanchion_types::{Code, Error, QueueArn, QueueLocator, QueueName};
use tokio::sync::OwnedSemaphorePermit;

use super::gate::address;
use super::{Target, room_for, unexpected};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::carried::Carried;
use crate::content::Draft;
use crate::digests;

/// How often an import waits for room before it is refused. Each time it waits as long as a sender does; whoever
/// imports rather waits than starts over.
const TRIES: u32 = 12;

impl Broker {
    /// Adds messages to a queue with their ids, ages and receive counts, all or none of them, and returns when they are
    /// durable.
    ///
    /// They stand behind what the queue holds, in the order given, and on a FIFO queue with sequence numbers larger than
    /// all before. On a standard queue a message that was delayed or in flight stays hidden until the moment at which it
    /// would have become visible, at most 12 hours; on a FIFO queue only the queue's own delay hides it, counted from when
    /// it was sent. No deduplication id is compared or remembered. A dead letter's source is taken for a queue of the
    /// caller's account and region.
    ///
    /// # Errors
    /// With the index of the message, if it is one of them: the refusals of a send. Without: that there is no such queue,
    /// that the disk is full, and what keeps the server from answering.
    pub async fn import(
        &self,
        caller: &Caller,
        queue: &QueueName,
        messages: &[Carried],
    ) -> Result<(), (Option<usize>, Error)> {
        let general = |error| (None, error);
        let locator = QueueLocator { account: None, name: queue.clone() };
        let target = self.find(address(caller, locator)).await.map_err(general)?;
        room_for(&target.driver, Action::SendMessage).map_err(general)?;
        let import = |(index, carried)| target.import(caller, carried).map_err(|error| (Some(index), error));
        let (mut messages, drafts) =
            messages.iter().enumerate().map(import).collect::<Result<(Vec<_>, Vec<_>), _>>()?;
        for (message, (content, _)) in messages.iter_mut().zip(Draft::complete(drafts)) {
            message.content = content;
        }
        if let Some(key) = &target.listing.key {
            let contents = messages.iter_mut().map(|message| &mut message.content);
            self.sealing.seal(&target.arn, key, contents).await.map_err(general)?;
        }
        let bytes = messages.iter().map(|message| message.content.len()).sum();
        let room = self.room(bytes).await.map_err(general)?;
        match target.driver.ask(Command::Import { queue: target.listing.id, messages }, Some(room)).await {
            Ok(Reply::Imported(outcome)) => outcome.map_err(|(index, error)| (Some(index), error)),
            Ok(reply) => Err(general(unexpected(&reply))),
            Err(error) => Err(general(error)),
        }
    }

    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        let mut tries = 1;
        loop {
            match self.admission.enter(bytes).await {
                Err(error) if error.code == Code::RequestThrottled && tries < TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }
}

impl Target {
    /// Reduces a message to what the engine needs to know, and what becomes its content.
    fn import(&self, caller: &Caller, carried: &Carried) -> Result<(Import, Draft), Error> {
        let message = &carried.message;
        if let Some(id) = message.deduplication_id.as_deref().filter(|_| !self.arn.name.is_fifo()) {
            return Err(Error::wrong_queue_type(id, "MessageDeduplicationId"));
        }
        let home = |arn: &QueueArn| QueueArn {
            region: caller.region.clone(),
            account: caller.account,
            name: arn.name.clone(),
        };
        let sender_id = carried.sender_id.as_deref().unwrap_or(&caller.sender_id);
        let draft = Draft::new(message, sender_id, message.deduplication_id.as_deref());
        let import = Import {
            size: message.size(),
            group: message.group_id.as_deref().map(digests::group_key),
            id: carried.id,
            sent_at: carried.sent_at,
            receive_count: carried.receive_count,
            first_received_at: carried.first_received_at,
            hidden_until: match carried.standing {
                Standing::Visible => None,
                Standing::Delayed { until } | Standing::InFlight { until } => Some(until),
            },
            source: carried.source.as_ref().map(home),
            content: Bytes::new(),
        };
        Ok((import, draft))
    }
}
