//! The documents that say where unprocessable messages go, and who may send them there.

use serde_json::{Map, Value};
use stanchion_types::attributes::{RedriveAllowPolicy, RedrivePermission, RedrivePolicy};
use stanchion_types::limits::{RECEIVE_COUNT_MAX, REDRIVE_SOURCES_MAX};
use stanchion_types::{Error, QueueArn};

const TARGET: &str = "deadLetterTargetArn";
const COUNT: &str = "maxReceiveCount";
const PERMISSION: &str = "redrivePermission";
const SOURCES: &str = "sourceQueueArns";

/// Reads a `RedrivePolicy`. The text to return is compact, its keys stay in the order given, its count is a number
/// even if it came as text: tools compare it with what they wrote.
///
/// # Errors
/// `InvalidParameterValue` with the service's reason.
pub(super) fn parse(text: &str) -> Result<RedrivePolicy, Error> {
    let refuse = |reason: &str| Error::invalid_value(text, "RedrivePolicy", reason);
    let mut document = map(text).ok_or_else(|| refuse("Redrive policy is not a valid JSON map."))?;
    let missing = |key: &str| refuse(&format!("Redrive policy does not contain mandatory attribute: {key}."));
    let target = match document.get(TARGET) {
        None | Some(Value::Null) => return Err(missing(TARGET)),
        Some(Value::String(target)) => target,
        Some(_) => return Err(refuse("Redrive policy is not a valid JSON map.")),
    };
    let target = QueueArn::parse(target);
    let count = match document.get(COUNT) {
        None | Some(Value::Null) => return Err(missing(COUNT)),
        Some(count) => receive_count(count).map_err(|found| {
            let range = format!("valid values are from 1 to {RECEIVE_COUNT_MAX} both inclusive.");
            refuse(&format!("Invalid value for maxReceiveCount: {found}, {range}"))
        })?,
    };
    let target = target.ok_or_else(|| refuse("Invalid value for deadLetterTargetArn."))?;
    document[COUNT] = count.into();
    let compact = Value::Object(document).to_string();
    Ok(RedrivePolicy { target, max_receive_count: count, text: compact, given: text.to_owned() })
}

/// Reads a count given as a number or as text; fails with what was found instead.
fn receive_count(value: &Value) -> Result<u32, String> {
    let (count, found) = match value {
        Value::String(text) => (text.parse().ok(), text.clone()),
        value => (value.as_u64(), value.to_string()),
    };
    let count = count.and_then(|count| u32::try_from(count).ok());
    count.filter(|count| (1..=RECEIVE_COUNT_MAX).contains(count)).ok_or(found)
}

/// Reads a `RedriveAllowPolicy`.
///
/// # Errors
/// `InvalidParameterValue` with a reason; the service's own words for these are not known.
pub(super) fn parse_allow(text: &str) -> Result<RedriveAllowPolicy, Error> {
    let refuse = |reason: &str| Error::invalid_value(text, "RedriveAllowPolicy", reason);
    let document = map(text).ok_or_else(|| refuse("Redrive allow policy is not a valid JSON map."))?;
    let sources = match document.get(SOURCES) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(sources)) => {
            let sources = sources.iter().map(|source| source.as_str().and_then(QueueArn::parse)).collect();
            let sources: Option<Vec<QueueArn>> = sources;
            sources.ok_or_else(|| refuse("Every one of sourceQueueArns must be the ARN of a queue."))?
        }
        Some(_) => return Err(refuse("sourceQueueArns must be a list.")),
    };
    let permission = match document.get(PERMISSION).and_then(Value::as_str) {
        Some("allowAll") => RedrivePermission::AllowAll,
        Some("denyAll") => RedrivePermission::DenyAll,
        Some("byQueue") if (1..=REDRIVE_SOURCES_MAX).contains(&sources.len()) => {
            let text = Value::Object(document).to_string();
            return Ok(RedriveAllowPolicy { permission: RedrivePermission::ByQueue(sources), text });
        }
        Some("byQueue") => return Err(refuse("byQueue needs 1 to 10 sourceQueueArns.")),
        _ => return Err(refuse("redrivePermission must be one of allowAll, denyAll and byQueue.")),
    };
    if !sources.is_empty() {
        return Err(refuse("sourceQueueArns can only be given with byQueue."));
    }
    Ok(RedriveAllowPolicy { permission, text: Value::Object(document).to_string() })
}

fn map(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(document)) => Some(document),
        _ => None,
    }
}
