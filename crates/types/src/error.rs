//! Refusals: the service's own list. How each looks on the wire (names, statuses) is one table in the wire crate.

use std::borrow::Cow;
use std::fmt;

use crate::attributes::AttributeName;
use crate::ids::QueueArn;

/// What kind of refusal it is: the errors of the service model, then those of the framework in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the service's own")]
pub enum Code {
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InvalidAddress,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidBatchEntryId,
    InvalidIdFormat,
    InvalidMessageContents,
    InvalidSecurity,
    KmsAccessDenied,
    KmsDisabled,
    KmsInvalidKeyUsage,
    KmsInvalidState,
    KmsNotFound,
    KmsOptInRequired,
    KmsThrottled,
    MessageNotInflight,
    OverLimit,
    PurgeQueueInProgress,
    QueueDeletedRecently,
    QueueDoesNotExist,
    QueueNameExists,
    ReceiptHandleIsInvalid,
    RequestThrottled,
    ResourceNotFoundException,
    TooManyEntriesInBatchRequest,
    UnsupportedOperation,
    AccessDenied,
    ExpiredToken,
    IncompleteSignature,
    InternalFailure,
    InvalidAction,
    InvalidClientTokenId,
    InvalidParameterCombination,
    InvalidParameterValue,
    MalformedQueryString,
    MissingAction,
    MissingAuthenticationToken,
    MissingParameter,
    NoSuchVersion,
    RequestTooLarge,
    SerializationException,
    ServiceUnavailable,
    SignatureDoesNotMatch,
    UnknownOperation,
}

/// How the service begins to say that a message is too long.
const TOO_LONG: &str = "One or more parameters are invalid.";
/// The same for an entry of a batch.
const TOO_LONG_IN_BATCH: &str = "One or more parameters cannot be validated.";
/// What the service says of a parameter that this kind of queue does not take; all it says of an entry of a batch.
const WRONG_QUEUE_TYPE: &str = "The request include parameter that is not valid for this queue type";

/// A refusal with the text that the client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Kind of the refusal.
    pub code: Code,
    /// Text for the client.
    pub message: Cow<'static, str>,
}

impl Error {
    /// Makes a refusal of any kind.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Error { code, message: message.into() }
    }

    /// Refuses because a required parameter is absent or empty.
    pub fn missing_parameter(name: &str) -> Self {
        Error::new(Code::MissingParameter, format!("The request must contain the parameter {name}."))
    }

    /// Refuses a parameter's value in the service's usual words.
    pub fn invalid_value(value: impl fmt::Display, parameter: &str, reason: &str) -> Self {
        let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Error::new(Code::InvalidParameterValue, message)
    }

    /// Refuses a request whose fault needs words of its own.
    pub fn invalid_parameter(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(Code::InvalidParameterValue, message)
    }

    /// Refuses an attribute name that does not exist, or not for this kind of queue or this action.
    pub fn unknown_attribute(name: &str) -> Self {
        Error::new(Code::InvalidAttributeName, format!("Unknown Attribute {name}."))
    }

    /// Refuses an attribute that only FIFO queues have, on another queue. The service has other words for the two that
    /// came last than for the rest.
    pub fn fifo_only_attribute(name: AttributeName) -> Self {
        match name {
            AttributeName::DeduplicationScope | AttributeName::FifoThroughputLimit => Error::new(
                Code::InvalidAttributeName,
                format!("You can specify the {} only when FifoQueue is set to true.", name.name()),
            ),
            _ => Error::unknown_attribute(name.name()),
        }
    }

    /// Refuses a move task from a queue to itself; how the service words it is not known.
    pub fn move_to_source(arn: &QueueArn) -> Self {
        Error::invalid_value(arn, "DestinationArn", "The destination must not be the source queue.")
    }

    /// Refuses a policy document that breaks a quota; the service lists `OverLimit` among the errors without saying when.
    pub fn policy_over_quota(what: &str, found: usize, maximum: usize) -> Self {
        Error::new(Code::OverLimit, format!("{found} {what} were found, maximum allowed is {maximum}."))
    }

    /// Refuses the value of a queue attribute.
    pub fn invalid_attribute_value(name: &str) -> Self {
        Error::new(Code::InvalidAttributeValue, format!("Invalid value for the parameter {name}."))
    }

    /// Refuses because there is no such queue. The Query protocol words it differently; its codec sees to that.
    pub fn no_such_queue() -> Self {
        Error::new(Code::QueueDoesNotExist, "The specified queue does not exist.")
    }

    /// Refuses a receipt handle that this server did not issue for this queue.
    pub fn invalid_handle(handle: &str) -> Self {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Error::new(Code::ReceiptHandleIsInvalid, message)
    }

    /// Refuses a receipt handle that was issued for another queue.
    pub fn handle_of_another_queue(handle: &str) -> Self {
        let message = format!("The receipt handle \"{handle}\" is not valid for this queue.");
        Error::new(Code::ReceiptHandleIsInvalid, message)
    }

    /// Refuses a receipt handle whose time is over.
    pub fn expired_handle(handle: &str) -> Self {
        Error::invalid_value(handle, "ReceiptHandle", "The receipt handle has expired.")
    }

    /// Refuses a parameter that this kind of queue (standard or FIFO) does not take.
    pub fn wrong_queue_type(value: impl fmt::Display, parameter: &str) -> Self {
        Error::invalid_value(value, parameter, &format!("{WRONG_QUEUE_TYPE}."))
    }

    /// Refuses a message that is larger than its queue takes.
    pub fn message_too_long(limit: u32) -> Self {
        Error::invalid_parameter(format!("{TOO_LONG} Reason: Message must be shorter than {limit} bytes."))
    }

    /// Returns the refusal in the words that the service has for an entry of a batch, which differ from those for a
    /// message that is sent alone when it is too long or has a parameter that this kind of queue does not take.
    pub fn of_batch_entry(self) -> Self {
        if let Some(reason) = self.message.strip_prefix(TOO_LONG) {
            return Error::new(self.code, format!("{TOO_LONG_IN_BATCH}{reason}"));
        }
        if self.message.trim_end_matches('.').ends_with(WRONG_QUEUE_TYPE) {
            return Error::new(self.code, WRONG_QUEUE_TYPE);
        }
        self
    }

    /// Refuses a message for a FIFO queue that has no deduplication id and whose queue computes none.
    pub fn missing_deduplication_id() -> Self {
        Error::invalid_parameter(
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        )
    }

    /// Reports a breakage of the server; the text names an id that the log explains.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(Code::InternalFailure, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_refusals_have_other_words_in_a_batch() {
        for (alone, in_batch) in [
            (
                Error::message_too_long(2048),
                "One or more parameters cannot be validated. Reason: Message must be shorter than 2048 bytes.",
            ),
            (
                Error::wrong_queue_type(5, "DelaySeconds"),
                "The request include parameter that is not valid for this queue type",
            ),
            (Error::missing_parameter("MessageBody"), "The request must contain the parameter MessageBody."),
        ] {
            assert_eq!(alone.clone().of_batch_entry(), Error::new(alone.code, in_batch));
        }
    }
}
