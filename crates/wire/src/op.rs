//! The operations: how each is read and written, over both protocols. Each file reads members, then checks values.

use stanchion_types::request::{Action, Request};
use stanchion_types::response::Response;
use stanchion_types::{Error, QueueArn, QueueLocator};

use crate::encode::Origin;
use crate::fields::{Fields, MapName, Name};
use crate::writer::Writer;

mod add_permission;
mod batch;
mod cancel_message_move_task;
mod change_message_visibility;
mod change_message_visibility_batch;
mod create_queue;
mod delete_message;
mod delete_message_batch;
mod get_queue_attributes;
mod get_queue_url;
mod list_dead_letter_source_queues;
mod list_message_move_tasks;
mod list_queue_tags;
mod list_queues;
mod page;
mod permission;
mod receive_message;
mod remove_permission;
mod send_message;
mod send_message_batch;
mod set_queue_attributes;
mod start_message_move_task;
mod tag_queue;
mod untag_queue;

const QUEUE_URL: Name = Name::same("QueueUrl");
const ATTRIBUTES: MapName = MapName::named("Attributes", "Attribute");
const MAX_RESULTS: Name = Name::same("MaxResults");
const RECEIPT_HANDLE: Name = Name::same("ReceiptHandle");
const VISIBILITY_TIMEOUT: Name = Name::same("VisibilityTimeout");
const SOURCE_ARN: Name = Name::same("SourceArn");
const DESTINATION_ARN: Name = Name::same("DestinationArn");
const RATE: Name = Name::same("MaxNumberOfMessagesPerSecond");
const TASK_HANDLE: Name = Name::same("TaskHandle");
const MOVED: Name = Name::same("ApproximateNumberOfMessagesMoved");

/// What the values of a request amount to: the request, or the fault that is told once the queue was found.
pub(crate) type Checked = Result<Request, Error>;

/// How an action names its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// By a queue URL, or by the path of a form.
    Url,
    /// By name and owner.
    Name,
    /// Not at all: the action is the endpoint's.
    None,
}

/// Tells how an action names its queue.
pub(crate) const fn address(action: Action) -> Address {
    match action {
        Action::CancelMessageMoveTask
        | Action::CreateQueue
        | Action::ListMessageMoveTasks
        | Action::ListQueues
        | Action::StartMessageMoveTask => Address::None,
        Action::GetQueueUrl => Address::Name,
        _ => Address::Url,
    }
}

/// Reads the queue URL of a request.
pub(crate) fn queue_url<'t>(fields: impl Fields<'t>) -> Result<Option<&'t str>, Error> {
    Ok(fields.text(QUEUE_URL)?.filter(|url| !url.is_empty()))
}

/// Reads the queue of a request that names it by name and owner; the inner result is the verdict on the name.
pub(crate) fn queue_by_name<'t>(fields: impl Fields<'t>) -> Result<Result<QueueLocator, Error>, Error> {
    get_queue_url::queue(fields)
}

/// Reads a request.
///
/// # Errors
/// For members of a wrong type and for missing ones; faults in values are in the inner result.
pub(crate) fn decode<'t, F: Fields<'t>>(
    action: Action,
    fields: F,
    trace_header: Option<&str>,
) -> Result<Checked, Error> {
    match action {
        Action::AddPermission => add_permission::decode(fields),
        Action::CancelMessageMoveTask => cancel_message_move_task::decode(fields),
        Action::ChangeMessageVisibility => change_message_visibility::decode(fields),
        Action::ChangeMessageVisibilityBatch => change_message_visibility_batch::decode(fields),
        Action::CreateQueue => create_queue::decode(fields),
        Action::DeleteMessage => delete_message::decode(fields),
        Action::DeleteMessageBatch => delete_message_batch::decode(fields),
        Action::DeleteQueue => Ok(Ok(stanchion_types::request::DeleteQueue.into())),
        Action::GetQueueAttributes => get_queue_attributes::decode(fields),
        Action::GetQueueUrl => Ok(Ok(stanchion_types::request::GetQueueUrl.into())),
        Action::ListDeadLetterSourceQueues => list_dead_letter_source_queues::decode(fields),
        Action::ListMessageMoveTasks => list_message_move_tasks::decode(fields),
        Action::ListQueueTags => Ok(Ok(stanchion_types::request::ListQueueTags.into())),
        Action::ListQueues => list_queues::decode(fields),
        Action::PurgeQueue => Ok(Ok(stanchion_types::request::PurgeQueue.into())),
        Action::ReceiveMessage => receive_message::decode(fields),
        Action::RemovePermission => remove_permission::decode(fields),
        Action::SendMessage => send_message::decode(fields, trace_header),
        Action::SendMessageBatch => send_message_batch::decode(fields, trace_header),
        Action::SetQueueAttributes => set_queue_attributes::decode(fields),
        Action::StartMessageMoveTask => start_message_move_task::decode(fields),
        Action::TagQueue => tag_queue::decode(fields),
        Action::UntagQueue => untag_queue::decode(fields),
    }
}

/// Tells whether the answer to an action has no content at all.
pub(crate) const fn is_void(action: Action) -> bool {
    matches!(
        action,
        Action::AddPermission
            | Action::ChangeMessageVisibility
            | Action::DeleteMessage
            | Action::DeleteQueue
            | Action::PurgeQueue
            | Action::RemovePermission
            | Action::SetQueueAttributes
            | Action::TagQueue
            | Action::UntagQueue
    )
}

/// Writes the content of an answer.
///
/// # Panics
/// If the answer is one that the action cannot have: a mistake of the caller, not of a client.
pub(crate) fn encode<W: Writer>(action: Action, response: &Response, origin: &dyn Fn() -> Origin, writer: &mut W) {
    match (action, response) {
        (action, Response::Done) if is_void(action) => {}
        (Action::CreateQueue | Action::GetQueueUrl, Response::Queue(queue)) => encode_queue(writer, &origin(), queue),
        (Action::ListQueues, Response::Queues(page)) => list_queues::encode(writer, &origin(), page),
        (Action::ListDeadLetterSourceQueues, Response::Queues(page)) => {
            list_dead_letter_source_queues::encode(writer, &origin(), page);
        }
        (Action::GetQueueAttributes, Response::Attributes(attributes)) => {
            get_queue_attributes::encode(writer, attributes);
        }
        (Action::ListQueueTags, Response::Tags(tags)) => list_queue_tags::encode(writer, tags),
        (Action::SendMessage, Response::Sent(sent)) => send_message::encode(writer, sent),
        (Action::SendMessageBatch, Response::SentBatch(results)) => send_message_batch::encode(writer, results),
        (Action::ReceiveMessage, Response::Messages(messages)) => receive_message::encode(writer, messages),
        (Action::DeleteMessageBatch, Response::Batch(results)) => delete_message_batch::encode(writer, results),
        (Action::ChangeMessageVisibilityBatch, Response::Batch(results)) => {
            change_message_visibility_batch::encode(writer, results);
        }
        (Action::StartMessageMoveTask, Response::TaskStarted { task_handle }) => writer.text(TASK_HANDLE, task_handle),
        (Action::CancelMessageMoveTask, Response::TaskCancelled { moved }) => writer.number(MOVED, *moved),
        (Action::ListMessageMoveTasks, Response::Tasks(tasks)) => list_message_move_tasks::encode(writer, tasks),
        (action, response) => panic!("{} was answered with {response:?}", action.name()),
    }
}

fn encode_queue<W: Writer>(writer: &mut W, origin: &Origin, queue: &QueueArn) {
    writer.text(QUEUE_URL, &origin.queue_url(queue));
}
