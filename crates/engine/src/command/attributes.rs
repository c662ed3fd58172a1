//! What changes of attributes come to, with the rules that depend on other attributes and other queues.

use stanchion_types::attributes::{
    AttributeChange, AttributeName, DeduplicationScope, FifoAttributes, QueueAttributes, RedrivePolicy, ThroughputLimit,
};
use stanchion_types::{Code, Error, QueueArn};

use crate::engine::Engine;

impl Engine {
    /// Returns a queue's attributes after the changes, or why the changes are refused as a whole.
    pub(crate) fn changed_attributes(
        &self,
        queue: &QueueArn,
        before: &QueueAttributes,
        changes: &[AttributeChange],
    ) -> Result<QueueAttributes, Error> {
        let mut after = before.clone();
        for change in changes {
            if change.name().is_fifo_only() {
                change_fifo(after.fifo.as_mut(), change)?;
                continue;
            }
            match change.clone() {
                AttributeChange::DelaySeconds(seconds) => after.delay_seconds = seconds,
                AttributeChange::MaximumMessageSize(bytes) => after.message_bytes_max = bytes,
                AttributeChange::MessageRetentionPeriod(seconds) => after.retention_seconds = seconds,
                AttributeChange::ReceiveMessageWaitTimeSeconds(seconds) => after.wait_seconds = seconds,
                AttributeChange::VisibilityTimeout(seconds) => after.visibility_seconds = seconds,
                AttributeChange::Policy(policy) => after.policy = policy,
                AttributeChange::RedrivePolicy(policy) => {
                    if let Some(policy) = &policy {
                        self.check_redrive(queue, policy)?;
                    }
                    after.redrive_policy = policy.map(|policy| RedrivePolicy { given: String::new(), ..policy });
                }
                AttributeChange::RedriveAllowPolicy(policy) => after.redrive_allow_policy = policy,
                AttributeChange::KmsDataKeyReusePeriodSeconds(seconds) => after.kms_reuse_seconds = seconds,
                // A key ends managed encryption, and managed encryption ends the key; taking the key away
                // does not bring managed encryption back.
                AttributeChange::KmsMasterKeyId(key) => {
                    after.managed_encryption &= key.is_none();
                    after.kms_key = key;
                }
                AttributeChange::SqsManagedSseEnabled(enabled) => {
                    after.managed_encryption = enabled;
                    if enabled {
                        after.kms_key = None;
                    }
                }
                AttributeChange::FifoQueue(_)
                | AttributeChange::ContentBasedDeduplication(_)
                | AttributeChange::DeduplicationScope(_)
                | AttributeChange::FifoThroughputLimit(_) => unreachable!("changed above"),
            }
        }
        if after.fifo.is_some_and(|fifo| {
            fifo.throughput_limit == ThroughputLimit::PerMessageGroupId
                && fifo.deduplication_scope != DeduplicationScope::MessageGroup
        }) {
            let message = "The perMessageGroupId value for FifoThroughputLimit is allowed only when the value for \
                           DeduplicationScope is messageGroup.";
            return Err(Error::new(Code::InvalidAttributeValue, message));
        }
        Ok(after)
    }

    fn check_redrive(&self, source: &QueueArn, policy: &RedrivePolicy) -> Result<(), Error> {
        let refuse = |reason: &str| Err(Error::invalid_value(&policy.given, "RedrivePolicy", reason));
        let target = &policy.target;
        if target.account != source.account {
            return refuse("Dead letter target owner should be same as the source.");
        }
        if target.region != source.region {
            return refuse("Dead letter target should be in the same region as the source.");
        }
        if target == source {
            return refuse("Dead letter target should not be the source itself.");
        }
        let Some(queue) = self.find(target) else { return refuse("Dead letter target does not exist.") };
        if target.name.is_fifo() != source.name.is_fifo() {
            return refuse("Dead-letter queue must be same type of queue as the source.");
        }
        if queue.attributes.redrive_allow_policy.as_ref().is_some_and(|allow| !allow.accepts(source)) {
            return refuse("The redrive allow policy of the dead letter target does not permit this source.");
        }
        Ok(())
    }
}

/// Changes an attribute that only FIFO queues have.
fn change_fifo(fifo: Option<&mut FifoAttributes>, change: &AttributeChange) -> Result<(), Error> {
    let name = change.name();
    let Some(fifo) = fifo else {
        return Err(match name {
            AttributeName::FifoQueue if *change == AttributeChange::FifoQueue(true) => type_is_fixed(),
            _ => Error::fifo_only_attribute(name),
        });
    };
    match change {
        AttributeChange::FifoQueue(true) => {}
        AttributeChange::FifoQueue(false) => return Err(type_is_fixed()),
        AttributeChange::ContentBasedDeduplication(enabled) => fifo.content_based_deduplication = *enabled,
        AttributeChange::DeduplicationScope(scope) => fifo.deduplication_scope = *scope,
        AttributeChange::FifoThroughputLimit(limit) => fifo.throughput_limit = *limit,
        _ => unreachable!("{} is not one of the attributes of FIFO queues", name.name()),
    }
    Ok(())
}

fn type_is_fixed() -> Error {
    let message = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
    Error::new(Code::InvalidAttributeValue, message)
}
