//! What a change of attributes should come to.

use stanchion_types::attributes::{AttributeChange, DeduplicationScope, QueueAttributes, ThroughputLimit};
use stanchion_types::{Code, QueueArn};

use super::Shadow;

impl Shadow {
    /// Returns a queue's attributes after some changes, or how they are refused.
    pub(super) fn changed(
        &self,
        arn: &QueueArn,
        before: &QueueAttributes,
        changes: &[AttributeChange],
    ) -> Result<QueueAttributes, Code> {
        let mut after = before.clone();
        for change in changes {
            match change {
                AttributeChange::DelaySeconds(seconds) => after.delay_seconds = *seconds,
                AttributeChange::MaximumMessageSize(bytes) => after.message_bytes_max = *bytes,
                AttributeChange::MessageRetentionPeriod(seconds) => after.retention_seconds = *seconds,
                AttributeChange::ReceiveMessageWaitTimeSeconds(seconds) => after.wait_seconds = *seconds,
                AttributeChange::VisibilityTimeout(seconds) => after.visibility_seconds = *seconds,
                AttributeChange::RedrivePolicy(policy) => {
                    if let Some(policy) = policy {
                        let target = self.queues.values().find(|queue| queue.arn == policy.target);
                        let accepted = target.is_some_and(|target| {
                            let allow = target.attributes.redrive_allow_policy.as_ref();
                            target.arn != *arn
                                && target.is_fifo() == arn.name.is_fifo()
                                && allow.is_none_or(|allow| allow.accepts(arn))
                        });
                        if !accepted {
                            return Err(Code::InvalidParameterValue);
                        }
                    }
                    after.redrive_policy = policy.clone();
                }
                AttributeChange::RedriveAllowPolicy(policy) => after.redrive_allow_policy = policy.clone(),
                AttributeChange::ContentBasedDeduplication(enabled) => match &mut after.fifo {
                    Some(fifo) => fifo.content_based_deduplication = *enabled,
                    None => return Err(Code::InvalidAttributeName),
                },
                AttributeChange::DeduplicationScope(scope) => match &mut after.fifo {
                    Some(fifo) => fifo.deduplication_scope = *scope,
                    None => return Err(Code::InvalidAttributeName),
                },
                AttributeChange::FifoThroughputLimit(limit) => match &mut after.fifo {
                    Some(fifo) => fifo.throughput_limit = *limit,
                    None => return Err(Code::InvalidAttributeName),
                },
                other => panic!("the simulation does not know {other:?}"),
            }
        }
        let high = after.fifo.is_some_and(|fifo| {
            fifo.throughput_limit == ThroughputLimit::PerMessageGroupId
                && fifo.deduplication_scope == DeduplicationScope::Queue
        });
        if high { Err(Code::InvalidAttributeValue) } else { Ok(after) }
    }
}
