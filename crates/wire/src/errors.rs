//! How each refusal looks on the wire: one table for both protocols.
//!
//! Statuses and Query codes of the modelled errors follow the traits of the service's Smithy model; the names that
//! the JSON protocol uses for the framework's errors follow the front end that AWS services share.

use stanchion_types::Code;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client's.
    Sender,
    /// The server's: clients may try again.
    Receiver,
}

impl Fault {
    /// Returns the word used on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Sender => "Sender",
            Fault::Receiver => "Receiver",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the error's shape, without namespace.
    pub shape: &'static str,
    /// Whether the service's model has this shape; if not, it is one of the framework's.
    pub modelled: bool,
    /// Code in the Query protocol, in `x-amzn-query-error` and in batch results.
    pub query: &'static str,
    /// HTTP status.
    pub status: u16,
}

impl Entry {
    /// Returns the namespace of the shape.
    pub const fn namespace(&self) -> &'static str {
        if self.modelled { "com.amazonaws.sqs" } else { "com.amazon.coral.service" }
    }

    /// Tells whose fault the error is: that follows from the status.
    pub const fn fault(&self) -> Fault {
        if self.status >= 500 { Fault::Receiver } else { Fault::Sender }
    }
}

macro_rules! table {
    ($($code:ident => $namespace:ident $shape:literal, $query:literal, $status:literal;)*) => {
        /// Every code, in the order of the table.
        pub const ALL: &[Code] = &[$(Code::$code,)*];

        /// Returns the row of a code.
        pub const fn entry(code: Code) -> Entry {
            match code {
                $(Code::$code => Entry { shape: $shape, modelled: table!($namespace), query: $query, status: $status },)*
            }
        }
    };
    (sqs) => { true };
    (coral) => { false };
}

#[rustfmt::skip]
table! {
    BatchEntryIdsNotDistinct => sqs "BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400;
    BatchRequestTooLong => sqs "BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400;
    EmptyBatchRequest => sqs "EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400;
    InvalidAddress => sqs "InvalidAddress", "InvalidAddress", 404;
    InvalidAttributeName => sqs "InvalidAttributeName", "InvalidAttributeName", 400;
    InvalidAttributeValue => sqs "InvalidAttributeValue", "InvalidAttributeValue", 400;
    InvalidBatchEntryId => sqs "InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400;
    InvalidIdFormat => sqs "InvalidIdFormat", "InvalidIdFormat", 400;
    InvalidMessageContents => sqs "InvalidMessageContents", "InvalidMessageContents", 400;
    InvalidSecurity => sqs "InvalidSecurity", "InvalidSecurity", 403;
    KmsAccessDenied => sqs "KmsAccessDenied", "KMS.AccessDeniedException", 400;
    KmsDisabled => sqs "KmsDisabled", "KMS.DisabledException", 400;
    KmsInvalidKeyUsage => sqs "KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException", 400;
    KmsInvalidState => sqs "KmsInvalidState", "KMS.InvalidStateException", 400;
    KmsNotFound => sqs "KmsNotFound", "KMS.NotFoundException", 400;
    KmsOptInRequired => sqs "KmsOptInRequired", "KMS.OptInRequired", 403;
    KmsThrottled => sqs "KmsThrottled", "KMS.ThrottlingException", 400;
    MessageNotInflight => sqs "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400;
    OverLimit => sqs "OverLimit", "OverLimit", 403;
    PurgeQueueInProgress => sqs "PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403;
    QueueDeletedRecently => sqs "QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", 400;
    QueueDoesNotExist => sqs "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400;
    QueueNameExists => sqs "QueueNameExists", "QueueAlreadyExists", 400;
    ReceiptHandleIsInvalid => sqs "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404;
    RequestThrottled => sqs "RequestThrottled", "RequestThrottled", 403;
    ResourceNotFoundException => sqs "ResourceNotFoundException", "ResourceNotFoundException", 404;
    TooManyEntriesInBatchRequest => sqs "TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400;
    UnsupportedOperation => sqs "UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400;
    AccessDenied => coral "AccessDeniedException", "AccessDenied", 403;
    ExpiredToken => coral "ExpiredTokenException", "ExpiredToken", 403;
    IncompleteSignature => coral "IncompleteSignatureException", "IncompleteSignature", 400;
    InternalFailure => coral "InternalFailure", "InternalFailure", 500;
    InvalidAction => coral "UnknownOperationException", "InvalidAction", 400;
    InvalidClientTokenId => coral "UnrecognizedClientException", "InvalidClientTokenId", 403;
    InvalidParameterCombination => coral "InvalidParameterCombinationException", "InvalidParameterCombination", 400;
    InvalidParameterValue => coral "InvalidParameterValueException", "InvalidParameterValue", 400;
    MalformedQueryString => coral "MalformedQueryString", "MalformedQueryString", 404;
    MissingAction => coral "MissingAction", "MissingAction", 400;
    MissingAuthenticationToken => coral "MissingAuthenticationTokenException", "MissingAuthenticationToken", 403;
    MissingParameter => coral "MissingRequiredParameterException", "MissingParameter", 400;
    NoSuchVersion => coral "NoSuchVersion", "NoSuchVersion", 400;
    RequestTooLarge => coral "RequestTooLarge", "RequestTooLarge", 413;
    SerializationException => coral "SerializationException", "SerializationException", 400;
    ServiceUnavailable => coral "ServiceUnavailableException", "ServiceUnavailable", 503;
    SignatureDoesNotMatch => coral "InvalidSignatureException", "SignatureDoesNotMatch", 403;
    UnknownOperation => coral "UnknownOperationException", "InvalidAction", 400;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_breakages_of_the_server_are_the_receivers_fault() {
        for code in ALL {
            let receiver = matches!(code, Code::InternalFailure | Code::ServiceUnavailable);
            assert_eq!(entry(*code).fault() == Fault::Receiver, receiver, "{code:?}");
        }
    }

    #[test]
    fn every_code_has_one_row() {
        for (index, code) in ALL.iter().enumerate() {
            assert!(!ALL[..index].contains(code), "{code:?} twice");
        }
    }
}
