//! What the engine can be asked, and what it answers.

mod attributes;
mod import;
pub(crate) mod moves;
mod queues;
pub(crate) mod receipts;
pub(crate) mod receive;
mod send;

use bytes::Bytes;
use stanchion_types::attributes::{AttributeChange, Counters, QueueAttributes};
use stanchion_types::response::{MoveTask, SequenceNumber};
use stanchion_types::{AccountId, Error, MessageId, QueueArn, Region, Timestamp};

use crate::ids::{ContentAddress, DeduplicationHash, GroupKey, MessageKey, QueueId, TaskId};

/// A command: an action of the service, reduced to what durable state needs to know.
///
/// Commands name queues by id where the caller has already looked the queue up; an id is never used again,
/// so a queue that was deleted meanwhile is simply not there.
#[derive(Clone, Debug)]
pub enum Command {
    /// Creates a queue, or finds that it exists with these attributes. Answers [`Reply::Queue`].
    CreateQueue {
        /// The queue to be.
        arn: QueueArn,
        /// Attributes that were given.
        attributes: Vec<AttributeChange>,
        /// Tags of a new queue, ascending by key.
        tags: Vec<(String, String)>,
    },
    /// Deletes a queue with its messages. Answers [`Reply::Done`].
    DeleteQueue {
        /// The queue.
        queue: QueueId,
    },
    /// Changes attributes, all or none. Answers [`Reply::Done`].
    SetQueueAttributes {
        /// The queue.
        queue: QueueId,
        /// The changes.
        attributes: Vec<AttributeChange>,
    },
    /// Adds, overwrites and removes tags. Answers [`Reply::Done`].
    ChangeTags {
        /// The queue.
        queue: QueueId,
        /// Tags to add or overwrite.
        set: Vec<(String, String)>,
        /// Keys to remove.
        remove: Vec<String>,
    },
    /// Reads everything about a queue but its messages. Answers [`Reply::Description`].
    DescribeQueue {
        /// The queue.
        queue: QueueId,
    },
    /// Lists queues of an account in a region, ascending by name. Answers [`Reply::Queues`].
    ListQueues {
        /// Region.
        region: Region,
        /// Owner.
        account: AccountId,
        /// Only names that start like this.
        prefix: String,
        /// Only names after this one.
        after: Option<String>,
        /// Most queues to list.
        limit: usize,
    },
    /// Lists the queues whose dead letters come here, ascending by name. Answers [`Reply::Queues`].
    ListSources {
        /// The dead-letter queue.
        queue: QueueId,
        /// Only names after this one.
        after: Option<String>,
        /// Most queues to list.
        limit: usize,
    },
    /// Deletes all messages of a queue. Answers [`Reply::Done`].
    Purge {
        /// The queue.
        queue: QueueId,
    },
    /// Accepts messages, each on its own, in order. Answers [`Reply::Sent`].
    Send {
        /// The queue.
        queue: QueueId,
        /// Messages; single sends have one.
        messages: Vec<Submission>,
    },
    /// Takes messages over from elsewhere, all or none. Answers [`Reply::Imported`].
    Import {
        /// The queue.
        queue: QueueId,
        /// The messages, first to be served first.
        messages: Vec<Import>,
    },
    /// Hands out messages. Answers [`Reply::Received`].
    Receive(Receive),
    /// Deletes messages by the receipts of their last receive. Answers [`Reply::Handled`].
    Delete {
        /// The queue.
        queue: QueueId,
        /// Receipts; single deletes have one.
        receipts: Vec<Receipt>,
    },
    /// Sets the visibility timeouts of messages in flight. Answers [`Reply::Handled`].
    ChangeVisibility {
        /// The queue.
        queue: QueueId,
        /// Receipts with the seconds from now.
        changes: Vec<(Receipt, u32)>,
    },
    /// Takes back messages that were handed out and did not reach who asked: they count as not received that time.
    /// Answers [`Reply::Handled`].
    GiveBack {
        /// The queue.
        queue: QueueId,
        /// Receipts that nobody was told of.
        receipts: Vec<Receipt>,
        /// The attempt under which they were received; only on FIFO queues.
        attempt: Option<DeduplicationHash>,
    },
    /// Starts to move the messages of a dead-letter queue. Answers [`Reply::TaskStarted`].
    StartMoveTask {
        /// The dead-letter queue.
        source: QueueArn,
        /// Where to; `None` sends every message back where it came from.
        destination: Option<QueueArn>,
        /// Messages per second.
        rate: Option<u32>,
    },
    /// Stops a move task. Answers [`Reply::TaskCancelled`].
    CancelMoveTask {
        /// The task.
        task: TaskId,
    },
    /// Lists the move tasks of a source, newest first. Answers [`Reply::Tasks`].
    ListMoveTasks {
        /// The dead-letter queue.
        source: QueueArn,
        /// Most tasks to list.
        limit: usize,
    },
}

/// A message that wants in.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Size that counts against the queue's limit, in bytes.
    pub size: usize,
    /// Delay of its own, 0 to 900 seconds; always `None` on a FIFO queue.
    pub delay_seconds: Option<u32>,
    /// Group of the message; always present on a FIFO queue.
    pub group: Option<GroupKey>,
    /// Deduplication id; always present on a FIFO queue, never on a standard one.
    pub deduplication: Option<Deduplication>,
    /// Body, attributes and the rest, opaque to the engine.
    pub content: Bytes,
}

/// A message from elsewhere, with what has happened to it there.
///
/// Its deduplication id is part of its content only: the five minutes in which the id is remembered are those of the
/// server that accepted the message.
#[derive(Clone, Debug)]
pub struct Import {
    /// Size that counts against the queue's limit, in bytes.
    pub size: usize,
    /// Group of the message; needed on a FIFO queue.
    pub group: Option<GroupKey>,
    /// Its id; `None` draws a new one.
    pub id: Option<MessageId>,
    /// When it was sent; what lies in the future counts as now.
    pub sent_at: Timestamp,
    /// How often it was received.
    pub receive_count: u32,
    /// When it was received first; meaningless while the count is 0.
    pub first_received_at: Timestamp,
    /// Until when it is hidden, by a delay or a receive, for at most 12 hours. A FIFO queue takes its own delay instead,
    /// counted from when the message was sent.
    pub hidden_until: Option<Timestamp>,
    /// The queue that it was moved from as a dead letter.
    pub source: Option<QueueArn>,
    /// Body, attributes and the rest, opaque to the engine.
    pub content: Bytes,
}

/// The deduplication id of a message and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deduplication {
    /// Digest of the id.
    pub hash: DeduplicationHash,
    /// True if the sender gave the id; false if it is the digest of the body, which the queue has to permit.
    pub explicit: bool,
}

/// A wish for messages.
#[derive(Clone, Debug)]
pub struct Receive {
    /// The queue.
    pub queue: QueueId,
    /// Most messages to hand out, 1 to 10.
    pub max_messages: usize,
    /// Visibility timeout; `None` takes the queue's.
    pub visibility_seconds: Option<u32>,
    /// Longest wait; `None` takes the queue's.
    pub wait_seconds: Option<u32>,
    /// Digest of the receive request attempt id; only on FIFO queues.
    pub attempt: Option<DeduplicationHash>,
}

/// What a receipt handle says once its seal was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message.
    pub key: MessageKey,
    /// Its receive count when it was handed out.
    pub receive_count: u32,
    /// When it was handed out.
    pub received_at: Timestamp,
}

/// Why a receipt was not honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptFault {
    /// Its time is over.
    Expired,
    /// The message is visible, so its timeout cannot change.
    NotInFlight,
    /// The message is gone, or was received again since.
    NotAvailable,
    /// The new timeout would exceed 12 hours since the receive.
    BeyondTotal,
}

/// An answer of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing to say.
    Done,
    /// Refused; nothing changed.
    Refused(Error),
    /// The queue that exists now.
    Queue(QueueId),
    /// A queue's description.
    Description(Box<Description>),
    /// A page of queues, and whether more follow.
    Queues {
        /// The queues.
        queues: Vec<QueueArn>,
        /// Whether the limit cut the list.
        more: bool,
    },
    /// For each submission what became of it.
    Sent(Vec<Result<Accepted, Error>>),
    /// The messages were taken over, or none of them because of this one: its index, and what is wrong with it.
    Imported(Result<(), (usize, Error)>),
    /// Messages handed out; empty if there was none in time.
    Received(Vec<Delivery>),
    /// For each receipt what became of it.
    Handled(Vec<Result<(), ReceiptFault>>),
    /// The new task.
    TaskStarted(TaskId),
    /// Messages that a cancelled task has moved.
    TaskCancelled {
        /// Messages moved.
        moved: u64,
    },
    /// Tasks, each with its id; handles are not filled in.
    Tasks(Vec<(TaskId, MoveTask)>),
}

/// Everything about a queue but its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The queue.
    pub arn: QueueArn,
    /// Its attributes.
    pub attributes: QueueAttributes,
    /// Its tags, ascending by key.
    pub tags: Vec<(String, String)>,
    /// When it was created.
    pub created: Timestamp,
    /// When its attributes changed last.
    pub modified: Timestamp,
    /// Where its messages are.
    pub counters: Counters,
}

/// A message that was accepted, or recognised as a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Id of the message, of the original if this is a duplicate.
    pub id: MessageId,
    /// Its number on a FIFO queue.
    pub sequence_number: Option<SequenceNumber>,
    /// Whether the message was a duplicate and not stored.
    pub duplicate: bool,
}

/// A message handed out: everything but its content, which is read by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Receipt of this receive.
    pub receipt: Receipt,
    /// Id of the message.
    pub id: MessageId,
    /// Where the content is.
    pub content: ContentAddress,
    /// When it was sent, in the sense of the system attribute `SentTimestamp`.
    pub sent_at: Timestamp,
    /// When it was received first.
    pub first_received_at: Timestamp,
    /// Number of the message on a FIFO queue.
    pub sequence_number: Option<SequenceNumber>,
    /// The queue that it was moved from as a dead letter.
    pub dead_letter_source: Option<QueueArn>,
    /// Whether its message id has taken the place of its deduplication id, as happens in a FIFO dead-letter queue.
    pub id_replaces_deduplication_id: bool,
}
