//! A queue's attributes as the text that clients read.

use stanchion_engine::command::Description;
use stanchion_types::attributes::{AttributeName, DeduplicationScope, ThroughputLimit};
use stanchion_types::request::AttributeNames;
use stanchion_types::{Error, Timestamp};

/// Returns the attributes that were asked for and exist, with their values as text.
///
/// # Errors
/// `InvalidAttributeName` for a FIFO queue's attribute of a standard queue: there it does not exist.
pub(crate) fn render(queue: &Description, names: &AttributeNames) -> Result<Vec<(AttributeName, String)>, Error> {
    let listed = match names {
        AttributeNames::All => &AttributeName::ALL[..],
        AttributeNames::Listed(names) => {
            let standard = queue.attributes.fifo.is_none();
            if let Some(name) = names.iter().find(|name| standard && name.is_fifo_only()) {
                return Err(Error::unknown_attribute(name.name()));
            }
            names
        }
    };
    let mut rendered = Vec::with_capacity(listed.len());
    for &name in listed {
        let repeated = rendered.iter().any(|(earlier, _)| *earlier == name);
        if let Some(value) = value(queue, name).filter(|_| !repeated) {
            rendered.push((name, value));
        }
    }
    Ok(rendered)
}

/// Returns the text of one attribute, or nothing if the queue has no such value.
fn value(queue: &Description, name: AttributeName) -> Option<String> {
    let attributes = &queue.attributes;
    let seconds = |at: Timestamp| at.seconds().to_string();
    Some(match name {
        AttributeName::Policy => attributes.policy.as_ref()?.text.clone(),
        AttributeName::VisibilityTimeout => attributes.visibility_seconds.to_string(),
        AttributeName::MaximumMessageSize => attributes.message_bytes_max.to_string(),
        AttributeName::MessageRetentionPeriod => attributes.retention_seconds.to_string(),
        AttributeName::ApproximateNumberOfMessages => queue.counters.visible.to_string(),
        AttributeName::ApproximateNumberOfMessagesNotVisible => queue.counters.in_flight.to_string(),
        AttributeName::CreatedTimestamp => seconds(queue.created),
        AttributeName::LastModifiedTimestamp => seconds(queue.modified),
        AttributeName::QueueArn => queue.arn.to_string(),
        AttributeName::ApproximateNumberOfMessagesDelayed => queue.counters.delayed.to_string(),
        AttributeName::DelaySeconds => attributes.delay_seconds.to_string(),
        AttributeName::ReceiveMessageWaitTimeSeconds => attributes.wait_seconds.to_string(),
        AttributeName::RedrivePolicy => attributes.redrive_policy.as_ref()?.text.clone(),
        AttributeName::FifoQueue => attributes.fifo.map(|_| "true".to_owned())?,
        AttributeName::ContentBasedDeduplication => attributes.fifo?.content_based_deduplication.to_string(),
        AttributeName::KmsMasterKeyId => attributes.kms_key.clone()?,
        AttributeName::KmsDataKeyReusePeriodSeconds => {
            attributes.kms_key.as_ref().map(|_| attributes.kms_reuse_seconds.to_string())?
        }
        AttributeName::DeduplicationScope => match attributes.fifo?.deduplication_scope {
            DeduplicationScope::Queue => "queue".to_owned(),
            DeduplicationScope::MessageGroup => "messageGroup".to_owned(),
        },
        AttributeName::FifoThroughputLimit => match attributes.fifo?.throughput_limit {
            ThroughputLimit::PerQueue => "perQueue".to_owned(),
            ThroughputLimit::PerMessageGroupId => "perMessageGroupId".to_owned(),
        },
        AttributeName::RedriveAllowPolicy => attributes.redrive_allow_policy.as_ref()?.text.clone(),
        AttributeName::SqsManagedSseEnabled => attributes.managed_encryption.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use stanchion_types::QueueArn;
    use stanchion_types::attributes::{Counters, QueueAttributes};

    use super::*;

    fn queue(name: &str) -> Description {
        let arn = QueueArn::parse(&format!("arn:aws:sqs:us-east-1:000000000000:{name}")).unwrap();
        Description {
            attributes: QueueAttributes::new(arn.name.is_fifo()),
            arn,
            tags: Vec::new(),
            created: Timestamp::from_millis(1_700_000_000_999),
            modified: Timestamp::from_millis(1_700_000_001_000),
            counters: Counters { visible: 1, in_flight: 2, delayed: 3 },
        }
    }

    fn text(queue: &Description, names: &AttributeNames) -> String {
        let rendered = render(queue, names).unwrap();
        rendered.iter().map(|(name, value)| format!("{}={value}\n", name.name())).collect()
    }

    const ALWAYS: &str = "\
VisibilityTimeout=30
MaximumMessageSize=1048576
MessageRetentionPeriod=345600
ApproximateNumberOfMessages=1
ApproximateNumberOfMessagesNotVisible=2
CreatedTimestamp=1700000000
LastModifiedTimestamp=1700000001
QueueArn=arn:aws:sqs:us-east-1:000000000000:q
ApproximateNumberOfMessagesDelayed=3
DelaySeconds=0
ReceiveMessageWaitTimeSeconds=0
SqsManagedSseEnabled=true
";

    #[test]
    fn all_shows_what_a_new_standard_queue_has_and_nothing_else() {
        assert_eq!(text(&queue("q"), &AttributeNames::All), ALWAYS);
    }

    #[test]
    fn all_adds_the_four_attributes_of_a_fifo_queue() {
        let shown = text(&queue("q.fifo"), &AttributeNames::All);
        for line in [
            "FifoQueue=true",
            "ContentBasedDeduplication=false",
            "DeduplicationScope=queue",
            "FifoThroughputLimit=perQueue",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}");
        }
        assert_eq!(shown.lines().count(), ALWAYS.lines().count() + 4);
    }

    #[test]
    fn the_reuse_period_shows_only_with_a_key() {
        let mut queue = queue("q");
        queue.attributes.kms_key = Some("alias/k".into());
        queue.attributes.managed_encryption = false;
        let shown = text(&queue, &AttributeNames::All);
        assert!(shown.contains("KmsMasterKeyId=alias/k\nKmsDataKeyReusePeriodSeconds=300\n"), "{shown}");
        assert!(shown.contains("SqsManagedSseEnabled=false"));
    }

    #[test]
    fn a_listed_attribute_without_value_is_absent_and_a_repeated_one_shown_once() {
        let names = [AttributeName::Policy, AttributeName::DelaySeconds, AttributeName::DelaySeconds];
        assert_eq!(text(&queue("q"), &AttributeNames::Listed(names.to_vec())), "DelaySeconds=0\n");
        assert_eq!(text(&queue("q"), &AttributeNames::Listed(Vec::new())), "");
    }

    #[test]
    fn a_standard_queue_does_not_know_the_attributes_of_fifo_queues() {
        let names = AttributeNames::Listed(vec![AttributeName::FifoQueue]);
        assert_eq!(render(&queue("q"), &names), Err(Error::unknown_attribute("FifoQueue")));
        assert_eq!(text(&queue("q.fifo"), &names), "FifoQueue=true\n");
    }
}
