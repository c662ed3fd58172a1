//! What the actions answer.

use crate::attributes::AttributeName;
use crate::error::Error;
use crate::ids::{MessageId, QueueArn};
use crate::message::{Md5, MessageAttribute, SystemAttribute};
use crate::time::Timestamp;

/// An answer to a request that was granted. Queues are named by ARN; the edge turns that into a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The action has nothing to say.
    Done,
    /// To `CreateQueue` and `GetQueueUrl`.
    Queue(QueueArn),
    /// To `ListQueues` and `ListDeadLetterSourceQueues`.
    Queues(Queues),
    /// To `GetQueueAttributes`: names and values as text.
    Attributes(Vec<(AttributeName, String)>),
    /// To `ListQueueTags`: ascending by key.
    Tags(Vec<(String, String)>),
    /// To `SendMessage`.
    Sent(Sent),
    /// To `SendMessageBatch`.
    SentBatch(Vec<BatchResult<Sent>>),
    /// To `ReceiveMessage`; may be empty.
    Messages(Vec<ReceivedMessage>),
    /// To `DeleteMessageBatch` and `ChangeMessageVisibilityBatch`.
    Batch(Vec<BatchResult<()>>),
    /// To `StartMessageMoveTask`.
    TaskStarted {
        /// Handle that cancels the task.
        task_handle: String,
    },
    /// To `CancelMessageMoveTask`.
    TaskCancelled {
        /// Messages moved so far.
        moved: u64,
    },
    /// To `ListMessageMoveTasks`, newest first.
    Tasks(Vec<MoveTask>),
}

/// How one entry of a batch fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchResult<T> {
    /// Id of the entry in the request.
    pub id: String,
    /// Its outcome.
    pub outcome: Result<T, Error>,
}

/// A page of queues in ascending order of name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// The queues.
    pub queues: Vec<QueueArn>,
    /// Whether more remain and the client asked for pages: the next page starts after the last queue of this one.
    pub more: bool,
}

/// A message that was accepted, or recognised as a duplicate of an accepted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Id of the message.
    pub message_id: MessageId,
    /// Digest of the body of this request.
    pub body_md5: Md5,
    /// Digest of the message attributes of this request, if it had any.
    pub attributes_md5: Option<Md5>,
    /// Digest of the system attributes of this request, if it had any.
    pub system_attributes_md5: Option<Md5>,
    /// Sequence number on a FIFO queue.
    pub sequence_number: Option<SequenceNumber>,
}

/// The number of a FIFO message: 20 decimal digits that grow with every message of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub u64);

impl SequenceNumber {
    /// Returns the number as clients read it: 20 decimal digits.
    pub fn digits(self) -> [u8; 20] {
        /// The service's numbers have 20 digits; starting there keeps the order the same for those who sort the text.
        /// This is what the first five of them start from: all twenty are more than 64 bits hold.
        const FIRST: u64 = 18_849;
        const OTHERS: u64 = 10u64.pow(15);
        let mut digits = [0; 20];
        let (first, others) = digits.split_at_mut(5);
        put_decimal(FIRST + self.0 / OTHERS, first);
        put_decimal(self.0 % OTHERS, others);
        digits
    }
}

/// Writes the last decimal digits of a number, as many as there is room for.
fn put_decimal(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl std::fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).expect("digits are ASCII"))
    }
}

/// A message as a receive returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Id of the message.
    pub message_id: MessageId,
    /// Handle of this receive.
    pub receipt_handle: String,
    /// Body.
    pub body: String,
    /// Digest of the body.
    pub body_md5: Md5,
    /// The system attributes that were asked for and exist.
    pub system_attributes: Vec<(SystemAttribute, String)>,
    /// The message attributes that were asked for, ascending by name; their digest is over just these.
    pub attributes: Vec<MessageAttribute>,
}

/// A message move task in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveTask {
    /// Handle, while the task is running.
    pub task_handle: Option<String>,
    /// Where the task stands.
    pub status: MoveStatus,
    /// The dead-letter queue.
    pub source: QueueArn,
    /// The destination, if one was given.
    pub destination: Option<QueueArn>,
    /// Messages per second, if given.
    pub rate: Option<u32>,
    /// Messages moved so far.
    pub moved: u64,
    /// Messages in the source when the task started.
    pub to_move: u64,
    /// Why the task failed.
    pub failure: Option<String>,
    /// When the task started.
    pub started: Timestamp,
}

/// Where a message move task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveStatus {
    /// It is moving messages.
    Running,
    /// It moved all there was.
    Completed,
    /// It was cancelled and is finishing its last step.
    Cancelling,
    /// It was cancelled.
    Cancelled,
    /// It gave up.
    Failed,
}

impl MoveStatus {
    /// Returns the name used on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            MoveStatus::Running => "RUNNING",
            MoveStatus::Completed => "COMPLETED",
            MoveStatus::Cancelling => "CANCELLING",
            MoveStatus::Cancelled => "CANCELLED",
            MoveStatus::Failed => "FAILED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_have_twenty_digits_in_the_order_of_the_numbers() {
        for number in [0, 1, 9, 10, 999_999_999_999_999, 1_000_000_000_000_000, 123_456_789_012_345_678, u64::MAX] {
            let expected = 18_849_000_000_000_000_000u128 + u128::from(number);
            assert_eq!(SequenceNumber(number).to_string(), expected.to_string());
        }
    }
}
