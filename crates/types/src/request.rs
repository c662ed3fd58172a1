//! The 23 actions as types. A request's parts are checked one by one; what depends on the state of a queue is not.

use crate::attributes::{AttributeChange, AttributeName};
use crate::error::Error;
use crate::ids::{AccountId, QueueArn, QueueLocator, QueueName};
use crate::message::{NameFilter, NewMessage, SystemAttributes};

macro_rules! actions {
    ($($name:ident $text:literal,)*) => {
        /// An action of the service.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are the service's own")]
        pub enum Action { $($name,)* }

        impl Action {
            /// Every action, in alphabetical order.
            pub const ALL: &[Action] = &[$(Action::$name,)*];

            /// Returns the name used on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Action::$name => $text,)* }
            }

            /// Reads a name from the wire, case-sensitive; `None` if there is no such action.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Action::$name),)* _ => None }
            }
        }

        /// A decoded request.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "one variant for each action")]
        pub enum Request { $($name($name),)* }

        impl Request {
            /// Returns the action that is asked for.
            pub const fn action(&self) -> Action {
                match self { $(Request::$name(_) => Action::$name,)* }
            }
        }

        $(impl From<$name> for Request {
            fn from(request: $name) -> Self {
                Request::$name(request)
            }
        })*
    };
}

actions! {
    AddPermission "AddPermission",
    CancelMessageMoveTask "CancelMessageMoveTask",
    ChangeMessageVisibility "ChangeMessageVisibility",
    ChangeMessageVisibilityBatch "ChangeMessageVisibilityBatch",
    CreateQueue "CreateQueue",
    DeleteMessage "DeleteMessage",
    DeleteMessageBatch "DeleteMessageBatch",
    DeleteQueue "DeleteQueue",
    GetQueueAttributes "GetQueueAttributes",
    GetQueueUrl "GetQueueUrl",
    ListDeadLetterSourceQueues "ListDeadLetterSourceQueues",
    ListMessageMoveTasks "ListMessageMoveTasks",
    ListQueueTags "ListQueueTags",
    ListQueues "ListQueues",
    PurgeQueue "PurgeQueue",
    ReceiveMessage "ReceiveMessage",
    RemovePermission "RemovePermission",
    SendMessage "SendMessage",
    SendMessageBatch "SendMessageBatch",
    SetQueueAttributes "SetQueueAttributes",
    StartMessageMoveTask "StartMessageMoveTask",
    TagQueue "TagQueue",
    UntagQueue "UntagQueue",
}

/// A request on its way to the broker.
///
/// The service looks for the queue before it minds the values of other parameters. So a bad value travels along
/// as the error that it will be once the queue has been found and the caller may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What is asked for.
    pub action: Action,
    /// The queue of the request, for the actions that address one by URL.
    pub queue: Option<QueueLocator>,
    /// The request, or what is wrong with its values.
    pub request: Result<Request, Error>,
}

/// One entry of a batch: its id, and what it asks for or what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchEntry<T> {
    /// Id that the client chose; unique in the batch.
    pub id: String,
    /// The entry proper. An entry with a fault fails alone.
    pub entry: Result<T, Error>,
}

/// `AddPermission`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddPermission {
    /// Name of the new statement, 1 to 80 letters, digits, hyphens and underscores.
    pub label: String,
    /// Accounts to grant to, at least one.
    pub accounts: Vec<AccountId>,
    /// Actions to grant, as given; 1 to 7, each grantable.
    pub actions: Vec<String>,
}

/// `CancelMessageMoveTask`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelMessageMoveTask {
    /// Handle that starting the task returned.
    pub task_handle: String,
}

/// `ChangeMessageVisibility`, also as an entry of its batch form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeMessageVisibility {
    /// Handle of the receive.
    pub receipt_handle: String,
    /// New timeout from now on, 0 to 43,200.
    pub visibility_seconds: u32,
}

/// `ChangeMessageVisibilityBatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeMessageVisibilityBatch {
    /// Entries, 1 to 10.
    pub entries: Vec<BatchEntry<ChangeMessageVisibility>>,
}

/// `CreateQueue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateQueue {
    /// Name; agrees with the attribute `FifoQueue`.
    pub name: QueueName,
    /// The attributes that were given, in the order given, each at most once; empty removable ones left out.
    pub attributes: Vec<AttributeChange>,
    /// Tags in ascending order of key, at most 50.
    pub tags: Vec<(String, String)>,
}

/// `DeleteMessage`, also as an entry of its batch form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteMessage {
    /// Handle of the receive.
    pub receipt_handle: String,
}

/// `DeleteMessageBatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteMessageBatch {
    /// Entries, 1 to 10.
    pub entries: Vec<BatchEntry<DeleteMessage>>,
}

/// `DeleteQueue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteQueue;

/// `GetQueueAttributes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetQueueAttributes {
    /// Which attributes to return.
    pub names: AttributeNames,
}

/// A choice of queue attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeNames {
    /// Every attribute that the queue has.
    All,
    /// Those named, none by default.
    Listed(Vec<AttributeName>),
}

/// `GetQueueUrl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetQueueUrl;

/// `ListDeadLetterSourceQueues`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDeadLetterSourceQueues {
    /// Which part of the list to return.
    pub page: Page,
}

/// A part of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Most items to return, 1 to 1000; without it 1000 and no token for more.
    pub max_results: Option<u32>,
    /// Name of the last queue on the page before.
    pub after: Option<QueueName>,
}

/// `ListMessageMoveTasks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMessageMoveTasks {
    /// The dead-letter queue.
    pub source: QueueArn,
    /// Most tasks to return, 1 to 10.
    pub max_results: u32,
}

/// `ListQueueTags`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQueueTags;

/// `ListQueues`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQueues {
    /// Only queues whose names start like this.
    pub prefix: String,
    /// Which part of the list to return.
    pub page: Page,
}

/// `PurgeQueue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeQueue;

/// `ReceiveMessage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveMessage {
    /// Most messages to return, 1 to 10.
    pub max_messages: u32,
    /// Visibility timeout of this receive, 0 to 43,200; without it the queue's.
    pub visibility_seconds: Option<u32>,
    /// Longest wait for a message, 0 to 20; without it the queue's.
    pub wait_seconds: Option<u32>,
    /// System attributes to return.
    pub system_attributes: SystemAttributes,
    /// Message attributes to return: those that any filter matches.
    pub message_attributes: Vec<NameFilter>,
    /// Repeats an earlier receive from a FIFO queue, 1 to 128 characters; a fault in it concerns no other queue.
    pub attempt_id: Option<Result<String, Error>>,
}

/// `RemovePermission`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovePermission {
    /// Name of the statement to remove.
    pub label: String,
}

/// `SendMessage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendMessage {
    /// The message.
    pub message: NewMessage,
}

/// `SendMessageBatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendMessageBatch {
    /// Entries, 1 to 10, together within the limit for batches.
    pub entries: Vec<BatchEntry<NewMessage>>,
}

/// `SetQueueAttributes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetQueueAttributes {
    /// The attributes to change, each at most once.
    pub attributes: Vec<AttributeChange>,
}

/// `StartMessageMoveTask`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartMessageMoveTask {
    /// The dead-letter queue to empty.
    pub source: QueueArn,
    /// Where to move to; without it every message goes back where it came from.
    pub destination: Option<QueueArn>,
    /// Messages per second, 1 to 500; without it as fast as is reasonable.
    pub rate: Option<u32>,
}

/// `TagQueue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagQueue {
    /// Tags to add or to overwrite, ascending by key.
    pub tags: Vec<(String, String)>,
}

/// `UntagQueue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntagQueue {
    /// Keys to remove; unknown ones are no error.
    pub keys: Vec<String>,
}
