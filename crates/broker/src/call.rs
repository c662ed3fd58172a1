//! The in-process API: one call for every action.

mod batch;
mod delete;
mod gate;
mod import;
mod queues;
mod receipts;
mod receive;
mod send;
mod tasks;
mod visibility;

use std::sync::Arc;

use stanchion_engine::command::{Command, Reply};
use stanchion_engine::ids::QueueId;
use stanchion_policy::Decision;
use stanchion_types::request::{Action, Envelope, Request};
use stanchion_types::response::Response;
use stanchion_types::{Error, QueueArn};

use crate::broker::Broker;
use crate::caller::Caller;
use crate::driver::{Driver, Listing};
use crate::failure::Failure;
use crate::room;

/// A queue that was found.
struct Target {
    driver: Arc<Driver>,
    arn: QueueArn,
    listing: Arc<Listing>,
}

impl Broker {
    /// Does what a request asks for.
    ///
    /// The order of checks is the service's: the queue, then the caller's permission, then the values of parameters,
    /// then the rules of this kind of queue, then its state. What the caller reads in the answer is durable.
    ///
    /// A future that is dropped gives up a receive that has got no message yet. Everything else takes effect whether
    /// or not somebody waits for the answer.
    ///
    /// # Errors
    /// The service's own refusals, `InternalFailure` or `ServiceUnavailable` once the journal has failed, and
    /// `ServiceUnavailable` for what adds to the queues while the disk is full.
    pub async fn call(&self, caller: &Caller, envelope: Envelope) -> Result<Response, Error> {
        self.call_explained(caller, envelope, &mut None).await
    }

    /// Does what a request asks for, as [`call`](Broker::call) does, and puts what the policies said last in the place of
    /// `decision`: of a request that is denied, the denial. It stays as it is where no policy was asked.
    ///
    /// # Errors
    /// As of [`call`](Broker::call).
    pub async fn call_explained(
        &self,
        caller: &Caller,
        envelope: Envelope,
        decision: &mut Option<Decision>,
    ) -> Result<Response, Error> {
        let (request, target) = self.authorize(caller, envelope, decision).await?.open();
        self.check_room(caller, &request)?;
        let queue = || target.ok_or_else(|| Error::missing_parameter("QueueUrl"));
        match request {
            Request::AddPermission(request) => self.add_permission(queue()?, request).await,
            Request::CancelMessageMoveTask(request) => self.cancel_move_task(&request).await,
            Request::ChangeMessageVisibility(request) => self.change_visibility(queue()?, request).await,
            Request::ChangeMessageVisibilityBatch(request) => self.change_visibility_batch(queue()?, request).await,
            Request::CreateQueue(request) => self.create_queue(caller, request).await,
            Request::DeleteMessage(request) => self.delete_message(queue()?, request).await,
            Request::DeleteMessageBatch(request) => self.delete_message_batch(queue()?, request).await,
            Request::DeleteQueue(_) => queue()?.ask_done(|queue| Command::DeleteQueue { queue }).await,
            Request::GetQueueAttributes(request) => queue()?.attributes(&request.names).await,
            Request::GetQueueUrl(_) => queue()?.url().await,
            Request::ListDeadLetterSourceQueues(request) => queue()?.sources(request.page).await,
            Request::ListMessageMoveTasks(request) => self.list_move_tasks(request).await,
            Request::ListQueueTags(_) => queue()?.tags().await,
            Request::ListQueues(request) => self.list_queues(caller, request).await,
            Request::PurgeQueue(_) => queue()?.ask_done(|queue| Command::Purge { queue }).await,
            Request::ReceiveMessage(request) => self.receive_message(queue()?, request).await,
            Request::RemovePermission(request) => self.remove_permission(queue()?, &request.label).await,
            Request::SendMessage(request) => self.send_message(caller, queue()?, request).await,
            Request::SendMessageBatch(request) => self.send_message_batch(caller, queue()?, request).await,
            Request::SetQueueAttributes(request) => self.set_queue_attributes(queue()?, request.attributes).await,
            Request::StartMessageMoveTask(request) => self.start_move_task(request).await,
            Request::TagQueue(request) => {
                queue()?.ask_done(|queue| Command::ChangeTags { queue, set: request.tags, remove: Vec::new() }).await
            }
            Request::UntagQueue(request) => {
                queue()?.ask_done(|queue| Command::ChangeTags { queue, set: Vec::new(), remove: request.keys }).await
            }
        }
    }

    /// Decides whether the disk has room for a request. A queue that exists can be created again: that adds nothing.
    fn check_room(&self, caller: &Caller, request: &Request) -> Result<(), Error> {
        let checked = self.drivers().iter().try_for_each(|driver| room_for(driver, request.action()));
        match request {
            Request::CreateQueue(create) if checked.is_err() => {
                let (region, account) = (caller.region.clone(), caller.account);
                let arn = QueueArn { region, account, name: create.name.clone() };
                self.owner(&arn).find(&arn).map_or(checked, |_| Ok(()))
            }
            _ => checked,
        }
    }
}

/// Decides whether the disk of a shard has room for an action, and if not, looks for what can be given back.
fn room_for(driver: &Driver, action: Action) -> Result<(), Error> {
    room::check(driver.journal().room(), action).inspect_err(|_| driver.seek_space())
}

impl Target {
    /// Asks something that is answered by nothing but success.
    async fn ask_done(&self, command: impl FnOnce(QueueId) -> Command) -> Result<Response, Error> {
        match self.driver.ask(command(self.listing.id), None).await? {
            Reply::Done => Ok(Response::Done),
            reply => Err(unexpected(&reply)),
        }
    }
}

/// Reports a reply that does not belong to its command: a broken promise of ours, which the client cannot help.
fn unexpected(reply: &Reply) -> Error {
    // The reply's kind only: what it holds is the users' own.
    let kind = match reply {
        Reply::Done => "Done",
        Reply::Refused(_) => "Refused",
        Reply::Queue(_) => "Queue",
        Reply::Description(_) => "Description",
        Reply::Queues { .. } => "Queues",
        Reply::Sent(_) => "Sent",
        Reply::Imported(_) => "Imported",
        Reply::Received(_) => "Received",
        Reply::Handled(_) => "Handled",
        Reply::TaskStarted(_) => "TaskStarted",
        Reply::TaskCancelled { .. } => "TaskCancelled",
        Reply::Tasks(_) => "Tasks",
    };
    Failure::report("call", format_args!("the shard answered {kind} to another question")).internal()
}
