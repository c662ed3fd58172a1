//! What a rung reads of a request's JSON: what it needs, in place.

use serde::Deserialize;
use std::borrow::Cow;

/// SendMessage.
#[derive(Debug, Deserialize)]
pub(super) struct Send<'a> {
    #[serde(borrow, rename = "QueueUrl")]
    _queue: Cow<'a, str>,
    #[serde(borrow, rename = "MessageBody")]
    pub(super) body: Cow<'a, str>,
}

/// SendMessageBatch.
#[derive(Debug, Deserialize)]
pub(super) struct SendBatch<'a> {
    #[serde(borrow, rename = "QueueUrl")]
    _queue: Cow<'a, str>,
    #[serde(borrow, rename = "Entries")]
    pub(super) entries: Vec<Entry<'a>>,
}

/// One message of a batch.
#[derive(Debug, Deserialize)]
pub(super) struct Entry<'a> {
    #[serde(borrow, rename = "Id")]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, rename = "MessageBody")]
    pub(super) body: Cow<'a, str>,
}

/// ReceiveMessage.
#[derive(Debug, Deserialize)]
pub(super) struct Receive<'a> {
    #[serde(borrow, rename = "QueueUrl")]
    _queue: Cow<'a, str>,
    #[serde(default, rename = "MaxNumberOfMessages")]
    _messages_max: Option<u8>,
    #[serde(default, rename = "WaitTimeSeconds")]
    _wait_seconds: Option<u8>,
}

/// A batch has so many messages at most.
const ENTRIES_MAX: usize = 10;
/// An entry's id has so many characters at most.
const ID_BYTES_MAX: usize = 80;

impl SendBatch<'_> {
    /// This function tells whether the batch has as many entries as it may and
    /// ids that need no escaping.
    pub(super) fn is_valid(&self) -> bool {
        let fine = |id: &str| {
            (1..=ID_BYTES_MAX).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        (1..=ENTRIES_MAX).contains(&self.entries.len()) && self.entries.iter().all(|entry| fine(&entry.id))
    }
}
