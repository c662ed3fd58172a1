//! What happened: the only thing that is written to the journal, and the only thing that changes the state.
//!
//! Events say what came of a decision, never what was asked, so a later change of the rules cannot change history.

pub mod codec;

use bytes::Bytes;
use stanchion_types::attributes::QueueAttributes;
use stanchion_types::{MessageId, QueueArn, Timestamp};

use crate::ids::{ChunkId, ContentAddress, DeduplicationHash, GroupKey, MessageKey, PageId, QueueId, TaskId, mix};

/// A fact. When it happened is the clock of the record that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A queue came to be.
    QueueCreated {
        /// Its id, one more than the last.
        queue: QueueId,
        /// What it is called.
        arn: QueueArn,
        /// Its attributes.
        attributes: Box<QueueAttributes>,
        /// Its tags.
        tags: Vec<(String, String)>,
    },
    /// A queue ended, with its messages.
    QueueDeleted {
        /// The queue.
        queue: QueueId,
    },
    /// A queue's attributes are these from now on.
    AttributesSet {
        /// The queue.
        queue: QueueId,
        /// All of them.
        attributes: Box<QueueAttributes>,
    },
    /// Tags were written, then tags were removed.
    TagsChanged {
        /// The queue.
        queue: QueueId,
        /// Tags that were added or overwritten.
        set: Vec<(String, String)>,
        /// Keys that were removed.
        removed: Vec<String>,
    },
    /// All messages of a queue were deleted.
    Purged {
        /// The queue.
        queue: QueueId,
    },
    /// A message was accepted.
    Sent {
        /// The queue.
        queue: QueueId,
        /// The message's key, one more than the last.
        key: MessageKey,
        /// Its id.
        id: MessageId,
        /// Its group.
        group: Option<GroupKey>,
        /// Its deduplication id, with the group if that is the scope.
        deduplication: Option<DeduplicationKey>,
        /// When it becomes visible, if not at once. On a FIFO queue the queue's delay says so instead.
        due: Option<Timestamp>,
        /// Its content.
        content: Bytes,
    },
    /// A message was taken over from elsewhere.
    Imported {
        /// The queue.
        queue: QueueId,
        /// The message's key, one more than the last.
        key: MessageKey,
        /// Its id.
        id: MessageId,
        /// Its group.
        group: Option<GroupKey>,
        /// When it becomes visible, if not at once; as of a message that was sent.
        due: Option<Timestamp>,
        /// When it was sent.
        sent_at: Timestamp,
        /// How it was received before.
        receives: Receives,
        /// Where it was moved from as a dead letter.
        source: Option<QueueArn>,
        /// Its content.
        content: Bytes,
    },
    /// Messages were handed out.
    Received {
        /// The queue.
        queue: QueueId,
        /// Which, in the order they were handed out.
        keys: Vec<MessageKey>,
        /// When they become visible again; not later than now if they stay visible.
        until: Timestamp,
        /// The attempt that can be repeated.
        attempt: Option<DeduplicationHash>,
    },
    /// A receive attempt was repeated: the same messages, the same receipts, a new timeout.
    Repeated {
        /// The queue.
        queue: QueueId,
        /// The attempt.
        attempt: DeduplicationHash,
        /// When the messages become visible again.
        until: Timestamp,
    },
    /// Messages were deleted.
    Deleted {
        /// The queue.
        queue: QueueId,
        /// Which.
        keys: Vec<MessageKey>,
    },
    /// A message in flight has another timeout.
    VisibilityChanged {
        /// The queue.
        queue: QueueId,
        /// Which.
        key: MessageKey,
        /// When it becomes visible again.
        until: Timestamp,
    },
    /// Messages became visible: a timeout or a delay ended, or was ended.
    Released {
        /// The queue.
        queue: QueueId,
        /// Which, and the new place in the order if they do not keep theirs.
        messages: Vec<(MessageKey, Option<u64>)>,
    },
    /// Messages in flight became visible as if they had not been received that time: they did not reach who asked.
    GivenBack {
        /// The queue.
        queue: QueueId,
        /// The attempt under which they were received. It does not bring them again.
        attempt: Option<DeduplicationHash>,
        /// Which, and the new place in the order if they do not keep theirs.
        messages: Vec<(MessageKey, Option<u64>)>,
    },
    /// Messages outlived the retention period.
    Expired {
        /// The queue.
        queue: QueueId,
        /// Which.
        keys: Vec<MessageKey>,
    },
    /// Messages were received too often and moved to the dead-letter queue.
    DeadLettered {
        /// The queue they leave.
        queue: QueueId,
        /// The queue they enter.
        target: QueueId,
        /// Their keys here and there.
        moves: Vec<(MessageKey, MessageKey)>,
    },
    /// Messages left memory: from now on they are only listed on this page.
    Chilled {
        /// The queue.
        queue: QueueId,
        /// The page.
        page: PageId,
        /// Its messages, first to be served first.
        messages: Vec<ColdMessage>,
    },
    /// A page returned to memory.
    Thawed {
        /// The queue.
        queue: QueueId,
        /// The page.
        page: PageId,
        /// Its messages.
        messages: Vec<ColdMessage>,
    },
    /// Messages of a page were deleted or expired; the page was written anew without them.
    Repaged {
        /// The queue.
        queue: QueueId,
        /// The page.
        page: PageId,
        /// The messages that remain; none ends the page.
        messages: Vec<ColdMessage>,
    },
    /// The content of a message was written again, here, so that the journal can forget where it was. A message on a page
    /// keeps its old content until the page is written anew, later in the same record.
    Moved {
        /// The queue.
        queue: QueueId,
        /// Which.
        key: MessageKey,
        /// Its content.
        content: Bytes,
    },
    /// A move task began.
    TaskStarted {
        /// The task.
        task: TaskId,
        /// The queue to empty.
        source: QueueId,
        /// Its name.
        source_arn: QueueArn,
        /// Where to; `None` is back to where each came from.
        destination: Option<QueueArn>,
        /// Messages per second, if limited.
        rate: Option<u32>,
        /// Messages in the source.
        to_move: u64,
    },
    /// A move task moved messages, all to one queue.
    TaskMoved {
        /// The task.
        task: TaskId,
        /// The queue they leave.
        queue: QueueId,
        /// The queue they enter.
        target: QueueId,
        /// Their keys here, there, and their new ids.
        moves: Vec<(MessageKey, MessageKey, MessageId)>,
    },
    /// A move task ended.
    TaskEnded {
        /// The task.
        task: TaskId,
        /// How.
        end: TaskEnd,
    },
    /// The oldest deduplication ids in memory left it: from now on they are only listed in this chunk.
    Filed {
        /// The chunk, one more than the last.
        chunk: ChunkId,
        /// The ids and their messages, ascending by [mark](DeduplicationKey::mark); at least one.
        originals: Vec<Original>,
    },
    /// A chunk was written again, elsewhere in the journal.
    Refiled {
        /// The chunk.
        chunk: ChunkId,
        /// Its content.
        content: Bytes,
    },
    /// All ids of the oldest chunk are free again.
    Forgotten {
        /// The chunk.
        chunk: ChunkId,
    },
}

/// What must be unique for five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeduplicationKey {
    /// Digest of the id.
    pub hash: DeduplicationHash,
    /// The group within which it is unique; `None` is the whole queue.
    pub group: Option<GroupKey>,
}

impl DeduplicationKey {
    /// Returns 64 bits that stand for this id in a queue: chunks are sorted by them. Two ids may share a mark.
    ///
    /// Chunks on disk are sorted by it, so it never changes.
    pub fn mark(&self, queue: QueueId) -> u64 {
        let place = mix(queue.0 ^ self.group.map_or(0, |group| mix(group.0)));
        mix((self.hash.0 >> 64) as u64 ^ mix(self.hash.0 as u64 ^ place))
    }
}

/// An accepted message, as what remembers its deduplication id lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// The queue.
    pub queue: QueueId,
    /// The deduplication id.
    pub deduplication: DeduplicationKey,
    /// When the message was accepted; the id is free again five minutes later.
    pub accepted_at: Timestamp,
    /// The message's id.
    pub id: MessageId,
    /// Its key, from which its sequence number follows.
    pub key: MessageKey,
}

impl Original {
    /// Returns the mark of the deduplication id.
    pub fn mark(&self) -> u64 {
        self.deduplication.mark(self.queue)
    }
}

/// How a move task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// It moved all there was.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It gave up, for this reason.
    Failed(String),
}

/// A message that waits to be received, in the form in which pages list it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColdMessage {
    /// Its key.
    pub key: MessageKey,
    /// Its place in the order.
    pub order: u64,
    /// Its id.
    pub id: MessageId,
    /// Its group.
    pub group: Option<GroupKey>,
    /// Where its content is.
    pub content: ContentAddress,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it becomes visible, if it is delayed; [`Timestamp::NEVER`] on a FIFO queue, where the queue's delay says it.
    pub due: Option<Timestamp>,
    /// How it was received before.
    pub receives: Receives,
    /// Where it was moved from as a dead letter.
    pub source: Option<QueueArn>,
    /// Whether its id has replaced its deduplication id.
    pub id_replaces_deduplication_id: bool,
}

/// How a message was received so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receives {
    /// How often.
    pub count: u32,
    /// When first; meaningless while the count is 0.
    pub first_at: Timestamp,
    /// When last; meaningless while the count is 0.
    pub last_at: Timestamp,
}

impl Receives {
    /// Takes the last receive back.
    pub(crate) fn take_back(&mut self) {
        self.count = self.count.saturating_sub(1);
        if self.count == 0 {
            *self = Receives::default();
        }
    }
}

impl Event {
    /// Returns the queues that this event changes: the one it is about, and the one that messages enter.
    pub fn queues(&self) -> [Option<QueueId>; 2] {
        match self {
            Event::QueueCreated { queue, .. }
            | Event::QueueDeleted { queue }
            | Event::AttributesSet { queue, .. }
            | Event::TagsChanged { queue, .. }
            | Event::Purged { queue }
            | Event::Sent { queue, .. }
            | Event::Imported { queue, .. }
            | Event::Received { queue, .. }
            | Event::Repeated { queue, .. }
            | Event::Deleted { queue, .. }
            | Event::VisibilityChanged { queue, .. }
            | Event::Released { queue, .. }
            | Event::GivenBack { queue, .. }
            | Event::Expired { queue, .. }
            | Event::Chilled { queue, .. }
            | Event::Thawed { queue, .. }
            | Event::Repaged { queue, .. }
            | Event::Moved { queue, .. } => [Some(*queue), None],
            Event::DeadLettered { queue, target, .. } | Event::TaskMoved { queue, target, .. } => {
                [Some(*queue), Some(*target)]
            }
            Event::TaskStarted { .. }
            | Event::TaskEnded { .. }
            | Event::Filed { .. }
            | Event::Refiled { .. }
            | Event::Forgotten { .. } => [None, None],
        }
    }
}
