//! Queue attributes as text: reading them from requests and configuration files, and writing them back.

use stanchion_types::attributes::{
    AttributeChange, AttributeName, DeduplicationScope, QueueAttributes, ThroughputLimit,
};
use stanchion_types::limits;
use stanchion_types::{Code, Error};

mod redrive;

/// Longest `KmsMasterKeyId` in characters, as in the API of the key service.
const KMS_KEY_CHARS_MAX: usize = 2048;

/// Reads one attribute as a client gives it; an empty value removes those that can be removed.
///
/// What depends on the queue (`FifoQueue` and the attributes of FIFO queues, whether the target of a redrive policy
/// exists) is not checked.
///
/// # Errors
/// `InvalidAttributeName` if there is no such attribute or it cannot be set, `InvalidAttributeValue` for a bad value
/// (`InvalidParameterValue` for a bad redrive policy), `OverLimit` for a policy beyond its quotas.
pub fn parse(name: &str, text: &str) -> Result<AttributeChange, Error> {
    let Some(attribute) = AttributeName::from_name(name) else { return Err(Error::unknown_attribute(name)) };
    let number = |low: u32, high: u32| number(attribute, text, low, high);
    Ok(match attribute {
        AttributeName::DelaySeconds => AttributeChange::DelaySeconds(number(0, limits::DELAY_SECONDS_MAX)?),
        AttributeName::MaximumMessageSize => {
            AttributeChange::MaximumMessageSize(number(limits::MESSAGE_BYTES_MAX_LOWEST, limits::MESSAGE_BYTES_MAX)?)
        }
        AttributeName::MessageRetentionPeriod => AttributeChange::MessageRetentionPeriod(number(
            limits::RETENTION_SECONDS_MIN,
            limits::RETENTION_SECONDS_MAX,
        )?),
        AttributeName::ReceiveMessageWaitTimeSeconds => {
            AttributeChange::ReceiveMessageWaitTimeSeconds(number(0, limits::WAIT_SECONDS_MAX)?)
        }
        AttributeName::VisibilityTimeout => {
            AttributeChange::VisibilityTimeout(number(0, limits::VISIBILITY_SECONDS_MAX)?)
        }
        AttributeName::Policy => AttributeChange::Policy(unless_empty(text, stanchion_policy::parse)?),
        AttributeName::RedrivePolicy => AttributeChange::RedrivePolicy(unless_empty(text, redrive::parse)?),
        AttributeName::RedriveAllowPolicy => {
            AttributeChange::RedriveAllowPolicy(unless_empty(text, redrive::parse_allow)?)
        }
        AttributeName::KmsMasterKeyId => AttributeChange::KmsMasterKeyId(unless_empty(text, kms_key)?),
        AttributeName::KmsDataKeyReusePeriodSeconds => AttributeChange::KmsDataKeyReusePeriodSeconds(number(
            limits::KMS_REUSE_SECONDS_MIN,
            limits::KMS_REUSE_SECONDS_MAX,
        )?),
        AttributeName::SqsManagedSseEnabled => AttributeChange::SqsManagedSseEnabled(boolean(attribute, text)?),
        AttributeName::FifoQueue => AttributeChange::FifoQueue(boolean(attribute, text)?),
        AttributeName::ContentBasedDeduplication => {
            AttributeChange::ContentBasedDeduplication(boolean(attribute, text)?)
        }
        AttributeName::DeduplicationScope => AttributeChange::DeduplicationScope(match text {
            "queue" => DeduplicationScope::Queue,
            "messageGroup" => DeduplicationScope::MessageGroup,
            _ => return Err(Error::invalid_attribute_value(name)),
        }),
        AttributeName::FifoThroughputLimit => AttributeChange::FifoThroughputLimit(match text {
            "perQueue" => ThroughputLimit::PerQueue,
            "perMessageGroupId" => ThroughputLimit::PerMessageGroupId,
            _ => return Err(Error::invalid_attribute_value(name)),
        }),
        AttributeName::ApproximateNumberOfMessages
        | AttributeName::ApproximateNumberOfMessagesNotVisible
        | AttributeName::ApproximateNumberOfMessagesDelayed
        | AttributeName::CreatedTimestamp
        | AttributeName::LastModifiedTimestamp
        | AttributeName::QueueArn => return Err(Error::unknown_attribute(name)),
    })
}

/// Reads the attributes of one request and refuses those that exclude each other.
///
/// # Errors
/// Those of [`parse`] for the first bad one; `InvalidAttributeValue` for both kinds of encryption at once.
pub fn parse_all(pairs: &[(&str, &str)]) -> Result<Vec<AttributeChange>, Error> {
    let changes = pairs.iter().map(|(name, text)| parse(name, text)).collect::<Result<Vec<_>, _>>()?;
    let with_key = changes.iter().any(|change| matches!(change, AttributeChange::KmsMasterKeyId(Some(_))));
    if with_key && changes.contains(&AttributeChange::SqsManagedSseEnabled(true)) {
        return Err(Error::new(
            Code::InvalidAttributeValue,
            "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
        ));
    }
    Ok(changes)
}

/// Checks the attributes of a new queue against its kind.
///
/// # Errors
/// `InvalidAttributeName` for an attribute that only FIFO queues have, on another queue: `FifoQueue` is one, since it
/// exists only as `true`.
pub fn check_new_queue(fifo: bool, changes: &[AttributeChange]) -> Result<(), Error> {
    if fifo {
        return Ok(());
    }
    let stranger = changes.iter().map(AttributeChange::name).find(|name| name.is_fifo_only());
    stranger.map_or(Ok(()), |name| Err(Error::fifo_only_attribute(name)))
}

/// Writes the attributes that can be set, in the order of the service model; those that are not set are left out.
/// Counters, timestamps and the ARN are the caller's to add.
pub fn render(attributes: &QueueAttributes) -> Vec<(AttributeName, String)> {
    let QueueAttributes {
        delay_seconds,
        message_bytes_max,
        retention_seconds,
        wait_seconds,
        visibility_seconds,
        policy,
        redrive_policy,
        redrive_allow_policy,
        kms_key,
        kms_reuse_seconds,
        managed_encryption,
        fifo,
    } = attributes;
    let pairs = [
        (AttributeName::Policy, policy.as_ref().map(|policy| policy.text.clone())),
        (AttributeName::VisibilityTimeout, Some(visibility_seconds.to_string())),
        (AttributeName::MaximumMessageSize, Some(message_bytes_max.to_string())),
        (AttributeName::MessageRetentionPeriod, Some(retention_seconds.to_string())),
        (AttributeName::DelaySeconds, Some(delay_seconds.to_string())),
        (AttributeName::ReceiveMessageWaitTimeSeconds, Some(wait_seconds.to_string())),
        (AttributeName::RedrivePolicy, redrive_policy.as_ref().map(|policy| policy.text.clone())),
        (AttributeName::FifoQueue, fifo.map(|_| true.to_string())),
        (AttributeName::ContentBasedDeduplication, fifo.map(|fifo| fifo.content_based_deduplication.to_string())),
        (AttributeName::KmsMasterKeyId, kms_key.clone()),
        (AttributeName::KmsDataKeyReusePeriodSeconds, kms_key.as_ref().map(|_| kms_reuse_seconds.to_string())),
        (AttributeName::DeduplicationScope, fifo.map(|fifo| scope_text(fifo.deduplication_scope).to_owned())),
        (AttributeName::FifoThroughputLimit, fifo.map(|fifo| limit_text(fifo.throughput_limit).to_owned())),
        (AttributeName::RedriveAllowPolicy, redrive_allow_policy.as_ref().map(|policy| policy.text.clone())),
        (AttributeName::SqsManagedSseEnabled, Some(managed_encryption.to_string())),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Writes the value that a change gives to its attribute, as a client would; empty if it removes the attribute.
pub fn render_change(change: &AttributeChange) -> String {
    match change {
        AttributeChange::DelaySeconds(number)
        | AttributeChange::MaximumMessageSize(number)
        | AttributeChange::MessageRetentionPeriod(number)
        | AttributeChange::ReceiveMessageWaitTimeSeconds(number)
        | AttributeChange::VisibilityTimeout(number)
        | AttributeChange::KmsDataKeyReusePeriodSeconds(number) => number.to_string(),
        AttributeChange::SqsManagedSseEnabled(on)
        | AttributeChange::FifoQueue(on)
        | AttributeChange::ContentBasedDeduplication(on) => on.to_string(),
        AttributeChange::Policy(policy) => policy.as_ref().map(|policy| policy.text.clone()).unwrap_or_default(),
        AttributeChange::RedrivePolicy(policy) => policy.as_ref().map(|policy| policy.text.clone()).unwrap_or_default(),
        AttributeChange::RedriveAllowPolicy(policy) => {
            policy.as_ref().map(|policy| policy.text.clone()).unwrap_or_default()
        }
        AttributeChange::KmsMasterKeyId(key) => key.clone().unwrap_or_default(),
        AttributeChange::DeduplicationScope(scope) => scope_text(*scope).to_owned(),
        AttributeChange::FifoThroughputLimit(limit) => limit_text(*limit).to_owned(),
    }
}

const fn scope_text(scope: DeduplicationScope) -> &'static str {
    match scope {
        DeduplicationScope::Queue => "queue",
        DeduplicationScope::MessageGroup => "messageGroup",
    }
}

const fn limit_text(limit: ThroughputLimit) -> &'static str {
    match limit {
        ThroughputLimit::PerQueue => "perQueue",
        ThroughputLimit::PerMessageGroupId => "perMessageGroupId",
    }
}

/// Reads a value unless it is empty.
fn unless_empty<T>(text: &str, read: impl Fn(&str) -> Result<T, Error>) -> Result<Option<T>, Error> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

/// Reads decimal digits in a range.
fn number(name: AttributeName, text: &str, low: u32, high: u32) -> Result<u32, Error> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    let number = number.filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| Error::invalid_attribute_value(name.name()))
}

fn boolean(name: AttributeName, text: &str) -> Result<bool, Error> {
    text.parse().map_err(|_| Error::invalid_attribute_value(name.name()))
}

/// Reads a key's id, ARN or alias: which of them exist is the key service's business.
fn kms_key(text: &str) -> Result<String, Error> {
    let legal = text.len() <= KMS_KEY_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    legal.then(|| text.to_owned()).ok_or_else(|| Error::invalid_attribute_value(AttributeName::KmsMasterKeyId.name()))
}

#[cfg(test)]
mod tests;
