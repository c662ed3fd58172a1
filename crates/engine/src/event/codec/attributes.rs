//! A queue's attributes as bytes.

use stanchion_types::QueueArn;
use stanchion_types::attributes::{
    DeduplicationScope, Document, FifoAttributes, QueueAttributes, RedriveAllowPolicy, RedrivePermission,
    RedrivePolicy, ThroughputLimit,
};

use super::{Damage, Get, Put};

/// Appends all attributes.
pub(crate) fn put_attributes(attributes: &QueueAttributes, out: &mut Vec<u8>) {
    out.u64(u64::from(attributes.delay_seconds));
    out.u64(u64::from(attributes.message_bytes_max));
    out.u64(u64::from(attributes.retention_seconds));
    out.u64(u64::from(attributes.wait_seconds));
    out.u64(u64::from(attributes.visibility_seconds));
    out.option(attributes.policy.as_ref(), |out, policy| {
        out.text(&policy.text);
        out.text(&policy.canonical);
    });
    out.option(attributes.redrive_policy.as_ref(), |out, policy| {
        out.arn(&policy.target);
        out.u64(u64::from(policy.max_receive_count));
        out.text(&policy.text);
    });
    out.option(attributes.redrive_allow_policy.as_ref(), |out, policy| {
        match &policy.permission {
            RedrivePermission::AllowAll => out.u8(0),
            RedrivePermission::DenyAll => out.u8(1),
            RedrivePermission::ByQueue(sources) => {
                out.u8(2);
                out.list(sources, |out, arn: &QueueArn| out.arn(arn));
            }
        }
        out.text(&policy.text);
    });
    out.option(attributes.kms_key.as_ref(), |out, key| out.text(key));
    out.u64(u64::from(attributes.kms_reuse_seconds));
    out.bool(attributes.managed_encryption);
    out.option(attributes.fifo.as_ref(), |out, fifo| {
        out.bool(fifo.content_based_deduplication);
        out.bool(fifo.deduplication_scope == DeduplicationScope::MessageGroup);
        out.bool(fifo.throughput_limit == ThroughputLimit::PerMessageGroupId);
    });
}

/// Reads all attributes.
pub(crate) fn get_attributes(input: &mut Get<'_>) -> Result<QueueAttributes, Damage> {
    Ok(QueueAttributes {
        delay_seconds: input.u32("delay")?,
        message_bytes_max: input.u32("maximum size")?,
        retention_seconds: input.u32("retention")?,
        wait_seconds: input.u32("wait")?,
        visibility_seconds: input.u32("visibility timeout")?,
        policy: input.option(|input| Ok(Document { text: input.text()?, canonical: input.text()? }))?,
        redrive_policy: input.option(|input| {
            Ok(RedrivePolicy {
                target: input.arn()?,
                max_receive_count: input.u32("receive count")?,
                text: input.text()?,
                given: String::new(),
            })
        })?,
        redrive_allow_policy: input.option(|input| {
            let permission = match input.u8("redrive permission")? {
                0 => RedrivePermission::AllowAll,
                1 => RedrivePermission::DenyAll,
                2 => RedrivePermission::ByQueue(input.list(Get::arn)?),
                _ => return Err(input.damage("redrive permission")),
            };
            Ok(RedriveAllowPolicy { permission, text: input.text()? })
        })?,
        kms_key: input.option(Get::text)?,
        kms_reuse_seconds: input.u32("key reuse")?,
        managed_encryption: input.bool()?,
        fifo: input.option(|input| {
            Ok(FifoAttributes {
                content_based_deduplication: input.bool()?,
                deduplication_scope: match input.bool()? {
                    true => DeduplicationScope::MessageGroup,
                    false => DeduplicationScope::Queue,
                },
                throughput_limit: match input.bool()? {
                    true => ThroughputLimit::PerMessageGroupId,
                    false => ThroughputLimit::PerQueue,
                },
            })
        })?,
    })
}
