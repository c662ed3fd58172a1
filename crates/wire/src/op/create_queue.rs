use stanchion_types::attributes::{AttributeChange, AttributeName};
use stanchion_types::request::CreateQueue;
use stanchion_types::{Error, QueueName};

use crate::fields::{Fields, MapName, Name};
use crate::op::{ATTRIBUTES, Checked};
use crate::{attributes, tags};

const QUEUE_NAME: Name = Name::same("QueueName");
const TAGS: MapName = MapName::tags("tags");
/// A parameter from before there were attributes; some clients of the Query protocol still send it.
const DEFAULT_VISIBILITY: Name = Name::new("", "DefaultVisibilityTimeout");

const BAD_NAME: &str = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
const BAD_FIFO_NAME: &str = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
    underscores, must end with .fifo suffix and be 1 to 80 in length";

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let name = fields.text(QUEUE_NAME)?.ok_or_else(|| Error::missing_parameter(QUEUE_NAME.json))?;
    let mut pairs = fields.pairs(ATTRIBUTES)?;
    let tags = fields.pairs(TAGS)?;
    let visibility = AttributeName::VisibilityTimeout.name();
    if let Some(legacy) = fields.text(DEFAULT_VISIBILITY)?
        && pairs.iter().all(|(name, _)| *name != visibility)
    {
        pairs.push((visibility, legacy));
    }
    Ok(check(name, &pairs, tags).map(Into::into))
}

fn check(name: &str, pairs: &[(&str, &str)], tags: Vec<(&str, &str)>) -> Result<CreateQueue, Error> {
    let fifo = pairs.iter().find(|(name, _)| *name == AttributeName::FifoQueue.name());
    let fifo = fifo.is_some_and(|(_, value)| *value == "true");
    let name = match QueueName::new(name) {
        Some(name) if name.is_fifo() == fifo => name,
        _ if fifo => return Err(Error::invalid_parameter(BAD_FIFO_NAME)),
        _ => return Err(Error::invalid_parameter(BAD_NAME)),
    };
    let mut attributes = attributes::parse_all(pairs)?;
    attributes::check_new_queue(fifo, &attributes)?;
    attributes.retain(|change| !removes(change));
    let tags = tags::check(tags)?;
    tags::check_count(&tags, &name)?;
    Ok(CreateQueue { name, attributes, tags })
}

/// Tells whether an attribute was given as empty, which for a new queue means not given.
const fn removes(change: &AttributeChange) -> bool {
    matches!(
        change,
        AttributeChange::Policy(None)
            | AttributeChange::RedrivePolicy(None)
            | AttributeChange::RedriveAllowPolicy(None)
            | AttributeChange::KmsMasterKeyId(None)
    )
}
