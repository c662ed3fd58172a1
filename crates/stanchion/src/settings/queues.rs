//! Queues that the settings file declares.

use std::collections::HashMap;

use serde_json::json;
use stanchion_types::attributes::AttributeChange;
use stanchion_types::limits::{RECEIVE_COUNT_MAX, TAGS_MAX};
use stanchion_types::{AccountId, QueueArn, QueueName, Region};
use toml::{Table, Value};

use super::file::{scalar, unknown};

const KEYS: [&str; 4] = ["name", "attributes", "tags", "dead_letter"];
const DEAD_LETTER_KEYS: [&str; 2] = ["queue", "max_receive_count"];

/// A queue that exists once the server has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeclaredQueue {
    /// Name.
    pub(crate) name: QueueName,
    /// Attributes, the redrive policy included.
    pub(crate) attributes: Vec<AttributeChange>,
    /// Tags, ascending by key.
    pub(crate) tags: Vec<(String, String)>,
    /// Where messages go that were received too often, and how often that is.
    dead_letter: Option<(QueueName, u32)>,
}

/// Reads the list of queues.
///
/// # Errors
/// Names the queue and the part that is wrong.
pub(crate) fn parse(value: Value) -> Result<Vec<DeclaredQueue>, String> {
    let Value::Array(entries) = value else {
        return Err("queue: must be a list, each queue under [[queue]]".to_owned());
    };
    let mut queues: Vec<DeclaredQueue> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let Value::Table(table) = entry else {
            return Err(format!("queue {}: must be a table", index + 1));
        };
        let queue = parse_queue(index, &table)?;
        if queues.iter().any(|earlier| earlier.name == queue.name) {
            return Err(format!("queue {}: is declared twice", queue.name));
        }
        queues.push(queue);
    }
    Ok(queues)
}

fn parse_queue(index: usize, table: &Table) -> Result<DeclaredQueue, String> {
    let Some(name) = table.get("name").and_then(Value::as_str) else {
        return Err(format!("queue {}: has no name", index + 1));
    };
    let at = |why: String| format!("queue {name}: {why}");
    let parsed = QueueName::new(name).ok_or_else(|| {
        at("the name must be 1 to 80 letters, digits, hyphens and underscores, with .fifo at the end of a FIFO queue's"
            .to_owned())
    })?;
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(at(unknown(&format!("there is no {key}"), key, KEYS)));
    }
    let mut attributes = attributes(table.get("attributes")).map_err(at)?;
    if parsed.is_fifo() && !attributes.contains(&AttributeChange::FifoQueue(true)) {
        attributes.insert(0, AttributeChange::FifoQueue(true));
    }
    Ok(DeclaredQueue {
        attributes,
        tags: tags(table.get("tags")).map_err(at)?,
        dead_letter: dead_letter(table.get("dead_letter")).map_err(at)?,
        name: parsed,
    })
}

fn attributes(value: Option<&Value>) -> Result<Vec<AttributeChange>, String> {
    let mut pairs = Vec::new();
    for (name, value) in table("attributes", value)? {
        // A policy is a JSON document; nobody should have to write that as text within TOML.
        let text = match value {
            Value::Table(_) | Value::Array(_) => json_text(value)?,
            value => scalar(value).ok_or_else(|| format!("attribute {name}: must be text, a number or a table"))?,
        };
        pairs.push((name.as_str(), text));
    }
    let pairs: Vec<_> = pairs.iter().map(|(name, text)| (*name, text.as_str())).collect();
    stanchion_wire::attributes::parse_all(&pairs).map_err(|error| error.message.into_owned())
}

fn json_text(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::Table(table) => {
            let members = table.iter().map(|(key, value)| Ok(format!("{}:{}", json!(key), json_text(value)?)));
            format!("{{{}}}", members.collect::<Result<Vec<_>, String>>()?.join(","))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(json_text).collect::<Result<Vec<_>, _>>()?.join(","))
        }
        Value::String(text) => json!(text).to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Float(_) | Value::Datetime(_) => {
            return Err("JSON documents here hold no fractions and dates".to_owned());
        }
    })
}

fn tags(value: Option<&Value>) -> Result<Vec<(String, String)>, String> {
    let mut tags = Vec::new();
    for (key, value) in table("tags", value)? {
        let value = scalar(value).ok_or_else(|| format!("tag {key}: must be text"))?;
        tags.push((key.clone(), value));
    }
    if tags.len() > TAGS_MAX {
        return Err(format!("has {} tags; {TAGS_MAX} is the most", tags.len()));
    }
    tags.sort();
    Ok(tags)
}

fn dead_letter(value: Option<&Value>) -> Result<Option<(QueueName, u32)>, String> {
    let table = match value {
        None => return Ok(None),
        Some(Value::Table(table)) => table,
        Some(_) => return Err("dead_letter: must be a table with queue and max_receive_count".to_owned()),
    };
    if let Some(key) = table.keys().find(|key| !DEAD_LETTER_KEYS.contains(&key.as_str())) {
        return Err(unknown(&format!("dead_letter: there is no {key}"), key, DEAD_LETTER_KEYS));
    }
    let queue = table.get("queue").and_then(Value::as_str).and_then(QueueName::new);
    let queue = queue.ok_or("dead_letter: queue must be the name of a queue")?;
    let count = table.get("max_receive_count").and_then(Value::as_integer);
    let count =
        count.and_then(|count| u32::try_from(count).ok()).filter(|count| (1..=RECEIVE_COUNT_MAX).contains(count));
    let count = count.ok_or_else(|| format!("dead_letter: max_receive_count must be 1 to {RECEIVE_COUNT_MAX}"))?;
    Ok(Some((queue, count)))
}

fn table<'a>(what: &str, value: Option<&'a Value>) -> Result<Vec<(&'a String, &'a Value)>, String> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Table(table)) => Ok(table.iter().collect()),
        Some(_) => Err(format!("{what}: must be a table")),
    }
}

/// Puts dead-letter queues before the queues whose messages they take, and turns the links into redrive policies.
///
/// # Errors
/// Names a queue that would be its own dead-letter queue, directly or in a circle.
pub(crate) fn order(
    queues: Vec<DeclaredQueue>,
    account: AccountId,
    region: &Region,
) -> Result<Vec<DeclaredQueue>, String> {
    let mut waiting: HashMap<QueueName, DeclaredQueue> =
        queues.iter().map(|queue| (queue.name.clone(), queue.clone())).collect();
    let mut ordered = Vec::with_capacity(queues.len());
    for queue in queues {
        // Follow the links from here to the last one that is not placed yet, then place them backwards.
        let mut chain = Vec::new();
        let mut next = Some(queue.name);
        while let Some(declared) = next.and_then(|name| waiting.remove(&name)) {
            next = declared.dead_letter.as_ref().map(|(target, _)| target.clone());
            if let Some(target) = next.as_ref().filter(|target| is_in(&chain, &declared, target)) {
                return Err(format!("queue {target}: its dead letters come back to itself"));
            }
            chain.push(declared);
        }
        ordered.extend(chain.into_iter().rev());
    }
    for queue in &mut ordered {
        let Some((target, count)) = &queue.dead_letter else { continue };
        let target = QueueArn { region: region.clone(), account, name: target.clone() };
        let policy = json!({ "deadLetterTargetArn": target.to_string(), "maxReceiveCount": count }).to_string();
        let change = stanchion_wire::attributes::parse("RedrivePolicy", &policy)
            .map_err(|error| format!("queue {}: {}", queue.name, error.message))?;
        queue.attributes.retain(|earlier| earlier.name() != change.name());
        queue.attributes.push(change);
    }
    Ok(ordered)
}

fn is_in(chain: &[DeclaredQueue], last: &DeclaredQueue, name: &QueueName) -> bool {
    chain.iter().chain([last]).any(|queue| queue.name == *name)
}
