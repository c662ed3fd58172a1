//! The two wire protocols, as bytes: requests are appended to a buffer, and
//! answers are scanned for what the workloads need, without building trees.

mod json;
mod query;
mod request;
mod signer;

use crate::Protocol;
pub(crate) use request::Head;

/// The operations of the service that a workload calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    CreateQueue,
    DeleteQueue,
    PurgeQueue,
    SendMessage,
    SendMessageBatch,
    ReceiveMessage,
    DeleteMessage,
    DeleteMessageBatch,
}

impl Action {
    /// This function gives the name that the service uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreateQueue => "CreateQueue",
            Self::DeleteQueue => "DeleteQueue",
            Self::PurgeQueue => "PurgeQueue",
            Self::SendMessage => "SendMessage",
            Self::SendMessageBatch => "SendMessageBatch",
            Self::ReceiveMessage => "ReceiveMessage",
            Self::DeleteMessage => "DeleteMessage",
            Self::DeleteMessageBatch => "DeleteMessageBatch",
        }
    }
}

/// A queue as requests name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    /// The URL that the server gave out.
    pub(crate) url: String,
    /// The path of that URL, where the Query protocol sends its requests.
    pub(crate) path: String,
}

impl Queue {
    /// This function takes a queue's URL apart.
    pub(crate) fn new(url: String) -> Self {
        let after_scheme = url.find("://").map_or(0, |at| at + 3);
        let path = url[after_scheme..].find('/').map_or("/", |at| &url[after_scheme + at..]);
        Self { path: path.to_owned(), url }
    }
}

/// A message to send. The body needs no escaping in any protocol (see
/// [`crate::payload`]).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) fifo: Option<FifoIds<'a>>,
    /// The message's own delay; `None` leaves it to the queue.
    pub(crate) delay_seconds: Option<u32>,
}

/// What a message on a FIFO queue carries besides; both need no escaping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FifoIds<'a> {
    pub(crate) group: &'a str,
    pub(crate) deduplication: &'a str,
}

/// What a workload wants from the service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Call<'a> {
    CreateQueue {
        name: &'a str,
        fifo: bool,
        policy: Option<&'a str>,
    },
    DeleteQueue {
        queue: &'a Queue,
    },
    PurgeQueue {
        queue: &'a Queue,
    },
    Send {
        queue: &'a Queue,
        message: Outgoing<'a>,
    },
    SendBatch {
        queue: &'a Queue,
        messages: &'a [Outgoing<'a>],
    },
    /// Without `visibility_seconds` the queue's own timeout applies.
    Receive {
        queue: &'a Queue,
        messages_max: usize,
        wait_seconds: u64,
        visibility_seconds: Option<u32>,
    },
    Delete {
        queue: &'a Queue,
        handle: &'a str,
    },
    DeleteBatch {
        queue: &'a Queue,
        handles: &'a [String],
    },
}

impl Call<'_> {
    pub(crate) fn action(&self) -> Action {
        match self {
            Self::CreateQueue { .. } => Action::CreateQueue,
            Self::DeleteQueue { .. } => Action::DeleteQueue,
            Self::PurgeQueue { .. } => Action::PurgeQueue,
            Self::Send { .. } => Action::SendMessage,
            Self::SendBatch { .. } => Action::SendMessageBatch,
            Self::Receive { .. } => Action::ReceiveMessage,
            Self::Delete { .. } => Action::DeleteMessage,
            Self::DeleteBatch { .. } => Action::DeleteMessageBatch,
        }
    }
}

/// An answer does not have the form that its protocol prescribes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One entry of a batch that was refused: its position in the request and why.
pub(crate) type FailedEntry = (usize, String);

impl Protocol {
    /// This function replaces the content of `buffer` by the bytes of a request.
    pub(crate) fn encode(self, head: &Head, call: &Call<'_>, buffer: &mut Vec<u8>) {
        match self {
            Self::Json => json::encode(head, call, buffer),
            Self::Query => query::encode(head, call, buffer),
        }
    }

    /// This function finds the error code in the body of a refusal.
    pub(crate) fn error_code(self, body: &[u8]) -> Option<String> {
        match self {
            Self::Json => json::error_code(body),
            Self::Query => query::error_code(body),
        }
    }

    /// This function finds the URL in the answer to CreateQueue.
    pub(crate) fn queue_url(self, body: &[u8]) -> Result<String, Malformed> {
        match self {
            Self::Json => json::queue_url(body),
            Self::Query => query::queue_url(body),
        }
    }

    /// This function calls `each` with the receipt handle and the body of each
    /// message of an answer to ReceiveMessage, in order, and counts them.
    pub(crate) fn messages(self, body: &[u8], each: impl FnMut(&str, &[u8])) -> Result<usize, Malformed> {
        match self {
            Self::Json => json::messages(body, each),
            Self::Query => query::messages(body, each),
        }
    }

    /// This function lists the entries that the answer to a batch says failed.
    /// An entry's id is its position, so that is what it gives back.
    pub(crate) fn failed_entries(self, body: &[u8]) -> Result<Vec<FailedEntry>, Malformed> {
        match self {
            Self::Json => json::failed_entries(body),
            Self::Query => query::failed_entries(body),
        }
    }
}

#[cfg(test)]
mod tests;
