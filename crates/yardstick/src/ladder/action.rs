//! What a request wants.

/// The operations that a rung knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    CreateQueue,
    DeleteQueue,
    Send,
    SendBatch,
    Receive,
}

impl Action {
    /// This function reads the value of `x-amz-target`.
    pub(super) fn from_target(target: &[u8]) -> Option<Self> {
        match target.strip_prefix(b"AmazonSQS.")? {
            b"CreateQueue" => Some(Self::CreateQueue),
            b"DeleteQueue" => Some(Self::DeleteQueue),
            b"SendMessage" => Some(Self::Send),
            b"SendMessageBatch" => Some(Self::SendBatch),
            b"ReceiveMessage" => Some(Self::Receive),
            _ => None,
        }
    }
}
