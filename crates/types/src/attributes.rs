//! The attributes of a queue: names, values, and how a change applies.

use crate::ids::QueueArn;
use crate::limits;

/// A JSON document that a client stored: returned as it came, compared by meaning.
#[derive(Clone, Debug)]
pub struct Document {
    /// The text to return.
    pub text: String,
    /// The same document with sorted keys and no blanks: two documents mean the same if these are equal.
    pub canonical: String,
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Document {}

/// Where a queue's unprocessable messages go, and when.
#[derive(Clone, Debug)]
pub struct RedrivePolicy {
    /// The dead-letter queue.
    pub target: QueueArn,
    /// A message received this often moves on the next attempt; 1 to 1000.
    pub max_receive_count: u32,
    /// The document to return: compact, keys in the order given, the count a number.
    pub text: String,
    /// The document as a client wrote it, for the words of a refusal; empty once a queue has the policy.
    pub given: String,
}

impl PartialEq for RedrivePolicy {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target && self.max_receive_count == other.max_receive_count
    }
}

impl Eq for RedrivePolicy {}

/// Which queues a dead-letter queue accepts as sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedrivePermission {
    /// Any queue.
    AllowAll,
    /// No queue.
    DenyAll,
    /// These queues only, 1 to 10.
    ByQueue(Vec<QueueArn>),
}

/// The attribute `RedriveAllowPolicy`.
#[derive(Clone, Debug)]
pub struct RedriveAllowPolicy {
    /// What it permits.
    pub permission: RedrivePermission,
    /// The document to return.
    pub text: String,
}

impl PartialEq for RedriveAllowPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.permission == other.permission
    }
}

impl Eq for RedriveAllowPolicy {}

impl RedriveAllowPolicy {
    /// Tells whether the policy accepts this queue as a source.
    pub fn accepts(&self, source: &QueueArn) -> bool {
        match &self.permission {
            RedrivePermission::AllowAll => true,
            RedrivePermission::DenyAll => false,
            RedrivePermission::ByQueue(sources) => sources.contains(source),
        }
    }
}

/// Among which messages a deduplication id is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeduplicationScope {
    /// All messages of the queue.
    Queue,
    /// The messages of the same group.
    MessageGroup,
}

/// What the throughput quota of a FIFO queue applies to; accepted and returned, not enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThroughputLimit {
    /// The whole queue.
    PerQueue,
    /// Each message group; needs [`DeduplicationScope::MessageGroup`].
    PerMessageGroupId,
}

/// The attributes that only FIFO queues have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FifoAttributes {
    /// Whether a message without deduplication id gets the SHA-256 of its body as id.
    pub content_based_deduplication: bool,
    /// Among which messages ids are unique.
    pub deduplication_scope: DeduplicationScope,
    /// What the throughput quota applies to.
    pub throughput_limit: ThroughputLimit,
}

impl Default for FifoAttributes {
    fn default() -> Self {
        FifoAttributes {
            content_based_deduplication: false,
            deduplication_scope: DeduplicationScope::Queue,
            throughput_limit: ThroughputLimit::PerQueue,
        }
    }
}

/// All attributes of a queue that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueAttributes {
    /// `DelaySeconds`, 0 to 900.
    pub delay_seconds: u32,
    /// `MaximumMessageSize` in bytes, 1,024 to 1,048,576.
    pub message_bytes_max: u32,
    /// `MessageRetentionPeriod`, 60 to 1,209,600 seconds.
    pub retention_seconds: u32,
    /// `ReceiveMessageWaitTimeSeconds`, 0 to 20.
    pub wait_seconds: u32,
    /// `VisibilityTimeout`, 0 to 43,200 seconds.
    pub visibility_seconds: u32,
    /// `Policy`.
    pub policy: Option<Document>,
    /// `RedrivePolicy`.
    pub redrive_policy: Option<RedrivePolicy>,
    /// `RedriveAllowPolicy`.
    pub redrive_allow_policy: Option<RedriveAllowPolicy>,
    /// `KmsMasterKeyId`, as it was given.
    pub kms_key: Option<String>,
    /// `KmsDataKeyReusePeriodSeconds`, 60 to 86,400; shown only with a key.
    pub kms_reuse_seconds: u32,
    /// `SqsManagedSseEnabled`; false whenever there is a KMS key.
    pub managed_encryption: bool,
    /// The attributes of a FIFO queue; `None` on a standard queue.
    pub fifo: Option<FifoAttributes>,
}

impl QueueAttributes {
    /// Returns the defaults of a new queue.
    pub fn new(fifo: bool) -> Self {
        QueueAttributes {
            delay_seconds: 0,
            message_bytes_max: limits::MESSAGE_BYTES_MAX,
            retention_seconds: limits::RETENTION_SECONDS_DEFAULT,
            wait_seconds: 0,
            visibility_seconds: limits::VISIBILITY_SECONDS_DEFAULT,
            policy: None,
            redrive_policy: None,
            redrive_allow_policy: None,
            kms_key: None,
            kms_reuse_seconds: limits::KMS_REUSE_SECONDS_DEFAULT,
            managed_encryption: true,
            fifo: fifo.then(FifoAttributes::default),
        }
    }
}

/// A queue attribute's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the service's own and say it")]
pub enum AttributeName {
    Policy,
    VisibilityTimeout,
    MaximumMessageSize,
    MessageRetentionPeriod,
    ApproximateNumberOfMessages,
    ApproximateNumberOfMessagesNotVisible,
    CreatedTimestamp,
    LastModifiedTimestamp,
    QueueArn,
    ApproximateNumberOfMessagesDelayed,
    DelaySeconds,
    ReceiveMessageWaitTimeSeconds,
    RedrivePolicy,
    FifoQueue,
    ContentBasedDeduplication,
    KmsMasterKeyId,
    KmsDataKeyReusePeriodSeconds,
    DeduplicationScope,
    FifoThroughputLimit,
    RedriveAllowPolicy,
    SqsManagedSseEnabled,
}

impl AttributeName {
    /// Every attribute, in the order of the service model.
    pub const ALL: [AttributeName; 21] = [
        AttributeName::Policy,
        AttributeName::VisibilityTimeout,
        AttributeName::MaximumMessageSize,
        AttributeName::MessageRetentionPeriod,
        AttributeName::ApproximateNumberOfMessages,
        AttributeName::ApproximateNumberOfMessagesNotVisible,
        AttributeName::CreatedTimestamp,
        AttributeName::LastModifiedTimestamp,
        AttributeName::QueueArn,
        AttributeName::ApproximateNumberOfMessagesDelayed,
        AttributeName::DelaySeconds,
        AttributeName::ReceiveMessageWaitTimeSeconds,
        AttributeName::RedrivePolicy,
        AttributeName::FifoQueue,
        AttributeName::ContentBasedDeduplication,
        AttributeName::KmsMasterKeyId,
        AttributeName::KmsDataKeyReusePeriodSeconds,
        AttributeName::DeduplicationScope,
        AttributeName::FifoThroughputLimit,
        AttributeName::RedriveAllowPolicy,
        AttributeName::SqsManagedSseEnabled,
    ];

    /// Returns the name used on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            AttributeName::Policy => "Policy",
            AttributeName::VisibilityTimeout => "VisibilityTimeout",
            AttributeName::MaximumMessageSize => "MaximumMessageSize",
            AttributeName::MessageRetentionPeriod => "MessageRetentionPeriod",
            AttributeName::ApproximateNumberOfMessages => "ApproximateNumberOfMessages",
            AttributeName::ApproximateNumberOfMessagesNotVisible => "ApproximateNumberOfMessagesNotVisible",
            AttributeName::CreatedTimestamp => "CreatedTimestamp",
            AttributeName::LastModifiedTimestamp => "LastModifiedTimestamp",
            AttributeName::QueueArn => "QueueArn",
            AttributeName::ApproximateNumberOfMessagesDelayed => "ApproximateNumberOfMessagesDelayed",
            AttributeName::DelaySeconds => "DelaySeconds",
            AttributeName::ReceiveMessageWaitTimeSeconds => "ReceiveMessageWaitTimeSeconds",
            AttributeName::RedrivePolicy => "RedrivePolicy",
            AttributeName::FifoQueue => "FifoQueue",
            AttributeName::ContentBasedDeduplication => "ContentBasedDeduplication",
            AttributeName::KmsMasterKeyId => "KmsMasterKeyId",
            AttributeName::KmsDataKeyReusePeriodSeconds => "KmsDataKeyReusePeriodSeconds",
            AttributeName::DeduplicationScope => "DeduplicationScope",
            AttributeName::FifoThroughputLimit => "FifoThroughputLimit",
            AttributeName::RedriveAllowPolicy => "RedriveAllowPolicy",
            AttributeName::SqsManagedSseEnabled => "SqsManagedSseEnabled",
        }
    }

    /// Reads a name from the wire; `None` if there is no such attribute (`All` is none).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.name() == name)
    }

    /// Tells whether only FIFO queues have this attribute.
    pub const fn is_fifo_only(self) -> bool {
        matches!(
            self,
            AttributeName::FifoQueue
                | AttributeName::ContentBasedDeduplication
                | AttributeName::DeduplicationScope
                | AttributeName::FifoThroughputLimit
        )
    }
}

/// One attribute with its new value, checked as far as that goes without knowing the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeChange {
    /// `DelaySeconds`.
    DelaySeconds(u32),
    /// `MaximumMessageSize`.
    MaximumMessageSize(u32),
    /// `MessageRetentionPeriod`.
    MessageRetentionPeriod(u32),
    /// `ReceiveMessageWaitTimeSeconds`.
    ReceiveMessageWaitTimeSeconds(u32),
    /// `VisibilityTimeout`.
    VisibilityTimeout(u32),
    /// `Policy`; `None` (an empty value) removes it.
    Policy(Option<Document>),
    /// `RedrivePolicy`; `None` removes it.
    RedrivePolicy(Option<RedrivePolicy>),
    /// `RedriveAllowPolicy`; `None` removes it.
    RedriveAllowPolicy(Option<RedriveAllowPolicy>),
    /// `KmsMasterKeyId`; `None` removes it.
    KmsMasterKeyId(Option<String>),
    /// `KmsDataKeyReusePeriodSeconds`.
    KmsDataKeyReusePeriodSeconds(u32),
    /// `SqsManagedSseEnabled`.
    SqsManagedSseEnabled(bool),
    /// `FifoQueue`.
    FifoQueue(bool),
    /// `ContentBasedDeduplication`.
    ContentBasedDeduplication(bool),
    /// `DeduplicationScope`.
    DeduplicationScope(DeduplicationScope),
    /// `FifoThroughputLimit`.
    FifoThroughputLimit(ThroughputLimit),
}

impl AttributeChange {
    /// Returns the attribute that changes.
    pub const fn name(&self) -> AttributeName {
        match self {
            AttributeChange::DelaySeconds(_) => AttributeName::DelaySeconds,
            AttributeChange::MaximumMessageSize(_) => AttributeName::MaximumMessageSize,
            AttributeChange::MessageRetentionPeriod(_) => AttributeName::MessageRetentionPeriod,
            AttributeChange::ReceiveMessageWaitTimeSeconds(_) => AttributeName::ReceiveMessageWaitTimeSeconds,
            AttributeChange::VisibilityTimeout(_) => AttributeName::VisibilityTimeout,
            AttributeChange::Policy(_) => AttributeName::Policy,
            AttributeChange::RedrivePolicy(_) => AttributeName::RedrivePolicy,
            AttributeChange::RedriveAllowPolicy(_) => AttributeName::RedriveAllowPolicy,
            AttributeChange::KmsMasterKeyId(_) => AttributeName::KmsMasterKeyId,
            AttributeChange::KmsDataKeyReusePeriodSeconds(_) => AttributeName::KmsDataKeyReusePeriodSeconds,
            AttributeChange::SqsManagedSseEnabled(_) => AttributeName::SqsManagedSseEnabled,
            AttributeChange::FifoQueue(_) => AttributeName::FifoQueue,
            AttributeChange::ContentBasedDeduplication(_) => AttributeName::ContentBasedDeduplication,
            AttributeChange::DeduplicationScope(_) => AttributeName::DeduplicationScope,
            AttributeChange::FifoThroughputLimit(_) => AttributeName::FifoThroughputLimit,
        }
    }

    /// Tells whether a queue has this value already; documents are compared by meaning.
    pub fn agrees_with(&self, attributes: &QueueAttributes) -> bool {
        let fifo = |agrees: &dyn Fn(&FifoAttributes) -> bool| attributes.fifo.as_ref().is_some_and(agrees);
        match self {
            AttributeChange::DelaySeconds(seconds) => attributes.delay_seconds == *seconds,
            AttributeChange::MaximumMessageSize(bytes) => attributes.message_bytes_max == *bytes,
            AttributeChange::MessageRetentionPeriod(seconds) => attributes.retention_seconds == *seconds,
            AttributeChange::ReceiveMessageWaitTimeSeconds(seconds) => attributes.wait_seconds == *seconds,
            AttributeChange::VisibilityTimeout(seconds) => attributes.visibility_seconds == *seconds,
            AttributeChange::Policy(policy) => attributes.policy == *policy,
            AttributeChange::RedrivePolicy(policy) => attributes.redrive_policy == *policy,
            AttributeChange::RedriveAllowPolicy(policy) => attributes.redrive_allow_policy == *policy,
            AttributeChange::KmsMasterKeyId(key) => attributes.kms_key == *key,
            AttributeChange::KmsDataKeyReusePeriodSeconds(seconds) => attributes.kms_reuse_seconds == *seconds,
            AttributeChange::SqsManagedSseEnabled(enabled) => attributes.managed_encryption == *enabled,
            AttributeChange::FifoQueue(is_fifo) => attributes.fifo.is_some() && *is_fifo,
            AttributeChange::ContentBasedDeduplication(enabled) => {
                fifo(&|fifo| fifo.content_based_deduplication == *enabled)
            }
            AttributeChange::DeduplicationScope(scope) => fifo(&|fifo| fifo.deduplication_scope == *scope),
            AttributeChange::FifoThroughputLimit(limit) => fifo(&|fifo| fifo.throughput_limit == *limit),
        }
    }
}

/// The three counters of a queue; every message is in exactly one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that a receive could return.
    pub visible: u64,
    /// Messages in flight.
    pub in_flight: u64,
    /// Messages whose delay is not over.
    pub delayed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_reads_back_from_its_name() {
        for attribute in AttributeName::ALL {
            assert_eq!(AttributeName::from_name(attribute.name()), Some(attribute));
        }
        assert_eq!(AttributeName::from_name("All"), None);
    }

    #[test]
    fn documents_are_compared_by_meaning() {
        let spaced = Document { text: "{ }".into(), canonical: "{}".into() };
        let tight = Document { text: "{}".into(), canonical: "{}".into() };
        assert_eq!(spaced, tight);
    }
}
