//! One line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stanchion_broker::Carried;
use stanchion_engine::queue::listing::Standing;
use stanchion_types::message::{AttributeValue, NewMessage, SystemAttribute};
use stanchion_types::request::{CreateQueue, Request};
use stanchion_types::{MessageId, QueueArn, QueueName, Timestamp};
use stanchion_wire::Head;

/// Most receives that a message can have had: beyond this a count says nothing and could overflow.
const RECEIVES_MAX: u32 = 1_000_000_000;
/// Longest sender id in characters: more than the longest of the service, a role with the name of its session.
const SENDER_ID_MAX: usize = 256;
/// Names among the attributes of a queue that `GetQueueAttributes` answers and nobody can set.
const ANSWERED_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// A queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct QueueLine {
    pub(crate) queue_name: String,
    /// As the server called it that the line comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) queue_arn: Option<String>,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// A message.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct MessageLine {
    pub(crate) queue_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    body: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<String, Value>,
    /// System attributes, in the service's words.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    state: StateName,
    /// When a hidden message becomes visible, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    visible_timestamp: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StateName {
    #[default]
    Visible,
    Delayed,
    InFlight,
}

/// A line of either kind.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Queue(QueueLine),
    Message(MessageLine),
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn read(text: &str) -> Result<Line, String> {
        /// What only a message has.
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Kind {
            body: Option<serde::de::IgnoredAny>,
        }
        let words = |error: serde_json::Error| error.to_string();
        let kind: Kind = serde_json::from_str(text).map_err(words)?;
        match kind.body {
            Some(_) => serde_json::from_str(text).map(Line::Message).map_err(words),
            None => serde_json::from_str(text).map(Line::Queue).map_err(words),
        }
    }
}

impl QueueLine {
    /// Returns the request that creates the queue, without what depends on other queues, and its redrive policy. What
    /// names queues of the home it comes from names those of `home` afterwards.
    ///
    /// # Errors
    /// The refusal of the service.
    pub(crate) fn request(&self, home: &QueueArn) -> Result<(CreateQueue, Option<String>), String> {
        let mut attributes: BTreeMap<_, _> =
            self.attributes.iter().map(|(name, value)| (name.clone(), self.rehome(value, home))).collect();
        for name in ANSWERED_ONLY {
            attributes.remove(name);
        }
        let redrive_policy = attributes.remove("RedrivePolicy");
        let body = json!({ "QueueName": self.queue_name, "Attributes": attributes, "tags": self.tags });
        match decode("AmazonSQS.CreateQueue", None, &body)? {
            Request::CreateQueue(request) => Ok((request, redrive_policy)),
            _ => Err("the line is no queue".to_owned()),
        }
    }

    /// Replaces region and account of the server that the line comes from in the ARNs of a document.
    fn rehome(&self, text: &str, home: &QueueArn) -> String {
        let Some(arn) = self.queue_arn.as_deref().and_then(QueueArn::parse) else { return text.to_owned() };
        let prefix = |arn: &QueueArn| format!("arn:aws:sqs:{}:{}:", arn.region, arn.account);
        text.replace(&prefix(&arn), &prefix(home))
    }
}

impl MessageLine {
    /// Writes a message.
    pub(crate) fn new(queue: &QueueName, carried: &Carried) -> MessageLine {
        let message = &carried.message;
        let mut attributes = BTreeMap::new();
        let mut put = |name: SystemAttribute, value: Option<String>| {
            attributes.extend(value.map(|value| (name.name().to_owned(), value)));
        };
        put(SystemAttribute::SenderId, carried.sender_id.clone());
        put(SystemAttribute::SentTimestamp, Some(carried.sent_at.millis().to_string()));
        put(SystemAttribute::ApproximateReceiveCount, Some(carried.receive_count.to_string()));
        let first = (carried.receive_count > 0).then(|| carried.first_received_at.millis().to_string());
        put(SystemAttribute::ApproximateFirstReceiveTimestamp, first);
        put(SystemAttribute::SequenceNumber, carried.sequence_number.map(|number| number.to_string()));
        put(SystemAttribute::MessageDeduplicationId, message.deduplication_id.clone());
        put(SystemAttribute::MessageGroupId, message.group_id.clone());
        put(SystemAttribute::AWSTraceHeader, message.trace_header.clone());
        put(SystemAttribute::DeadLetterQueueSourceArn, carried.source.as_ref().map(QueueArn::to_string));
        let message_attributes = message.attributes.iter().map(|attribute| {
            let value = match &attribute.value {
                AttributeValue::Text(text) => json!({ "DataType": attribute.data_type, "StringValue": text }),
                AttributeValue::Binary(bytes) => {
                    let encoded = data_encoding::BASE64.encode(bytes);
                    json!({ "DataType": attribute.data_type, "BinaryValue": encoded })
                }
            };
            (attribute.name.clone(), value)
        });
        let (state, visible) = match carried.standing {
            Standing::Visible => (StateName::Visible, None),
            Standing::Delayed { until } => (StateName::Delayed, Some(until.millis())),
            Standing::InFlight { until } => (StateName::InFlight, Some(until.millis())),
        };
        MessageLine {
            queue_name: queue.as_str().to_owned(),
            message_id: carried.id.map(|id| id.to_string()),
            body: message.body.clone(),
            message_attributes: message_attributes.collect(),
            attributes,
            state,
            visible_timestamp: visible,
        }
    }

    /// Reads the message, checked as one that is sent. `now` stands in for a moment that is not given.
    ///
    /// # Errors
    /// The refusal of a send, or which system attribute is wrong.
    pub(crate) fn carried(&self, now: Timestamp) -> Result<Carried, String> {
        for name in self.attributes.keys() {
            if SystemAttribute::from_name(name).is_none() {
                return Err(format!("Attributes: there is no system attribute {name}"));
            }
        }
        let text = |name: SystemAttribute| self.attributes.get(name.name()).cloned();
        let number = |name: SystemAttribute| match text(name) {
            None => Ok(None),
            Some(value) => {
                value.parse::<u64>().map(Some).map_err(|_| format!("{} is no number: {value:?}", name.name()))
            }
        };
        let sender_id = text(SystemAttribute::SenderId);
        if sender_id.as_deref().is_some_and(|id| !is_sender_id(id)) {
            return Err(format!("SenderId has 1 to {SENDER_ID_MAX} visible ASCII characters"));
        }
        let moment = |name| Ok::<_, String>(number(name)?.map(Timestamp::from_millis));
        let sent_at = moment(SystemAttribute::SentTimestamp)?.unwrap_or(now);
        let receives = number(SystemAttribute::ApproximateReceiveCount)?.unwrap_or(0);
        let receive_count = u32::try_from(receives).ok().filter(|count| *count <= RECEIVES_MAX);
        let receive_count = receive_count.ok_or_else(|| format!("ApproximateReceiveCount is too large: {receives}"))?;
        let first = moment(SystemAttribute::ApproximateFirstReceiveTimestamp)?.unwrap_or(sent_at);
        let source = match text(SystemAttribute::DeadLetterQueueSourceArn) {
            None => None,
            Some(arn) => Some(
                QueueArn::parse(&arn)
                    .ok_or_else(|| format!("DeadLetterQueueSourceArn is no ARN of a queue: {arn:?}"))?,
            ),
        };
        let until = || {
            let at = self.visible_timestamp.ok_or("a message that is not visible needs VisibleTimestamp");
            at.map(Timestamp::from_millis)
        };
        let id = match &self.message_id {
            None => None,
            Some(text) => Some(read_id(text).ok_or_else(|| format!("MessageId is no UUID: {text:?}"))?),
        };
        Ok(Carried {
            id,
            message: self.message()?,
            sender_id,
            sent_at,
            receive_count,
            first_received_at: first,
            sequence_number: None,
            source,
            standing: match self.state {
                StateName::Visible => Standing::Visible,
                StateName::Delayed => Standing::Delayed { until: until()? },
                StateName::InFlight => Standing::InFlight { until: until()? },
            },
        })
    }

    /// Reads the sender's part by way of the request that would send it, so that the rules are the same.
    fn message(&self) -> Result<NewMessage, String> {
        let text = |name: SystemAttribute| self.attributes.get(name.name());
        let mut body = json!({ "QueueUrl": "any", "MessageBody": self.body });
        if !self.message_attributes.is_empty() {
            body["MessageAttributes"] = json!(self.message_attributes);
        }
        if let Some(id) = text(SystemAttribute::MessageGroupId) {
            body["MessageGroupId"] = json!(id);
        }
        if let Some(id) = text(SystemAttribute::MessageDeduplicationId) {
            body["MessageDeduplicationId"] = json!(id);
        }
        let trace_header = text(SystemAttribute::AWSTraceHeader).map(String::as_str);
        match decode("AmazonSQS.SendMessage", trace_header, &body)? {
            Request::SendMessage(request) => Ok(request.message),
            _ => Err("the line is no message".to_owned()),
        }
    }
}

fn decode(target: &str, trace_header: Option<&str>, body: &Value) -> Result<Request, String> {
    let json = Some("application/x-amz-json-1.0");
    let head = Head { method: "POST", path: "/", query: None, content_type: json, target: Some(target), trace_header };
    let envelope =
        stanchion_wire::decode(&head, body.to_string().as_bytes()).map_err(|error| error.message.to_string())?;
    envelope.request.map_err(|error| error.message.to_string())
}

/// Tells whether a text can be a sender id: receivers get it in every protocol, so it is nothing that XML cannot say.
fn is_sender_id(text: &str) -> bool {
    (1..=SENDER_ID_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads the text of a message id.
fn read_id(text: &str) -> Option<MessageId> {
    let digits: String = text.split('-').collect();
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?;
    let id = MessageId(bytes.try_into().ok()?);
    (text.len() == 36).then_some(id)
}

#[cfg(test)]
mod tests;
