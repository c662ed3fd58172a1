use stanchion_types::Error;
use stanchion_types::ids::uuid_text;
use stanchion_types::limits::{RECEIVE_MESSAGES_MAX, VISIBILITY_SECONDS_MAX, WAIT_SECONDS_MAX};
use stanchion_types::message::{AttributeValue, NameFilter, SystemAttribute, SystemAttributes};
use stanchion_types::request::ReceiveMessage;
use stanchion_types::response::ReceivedMessage;

use crate::fields::{Fields, MapName, Name};
use crate::message::check_token;
use crate::op::{ATTRIBUTES, Checked, RECEIPT_HANDLE, VISIBILITY_TIMEOUT};
use crate::writer::Writer;
use crate::{choices, digest};

/// How many messages are received unless the client asks for more.
const MAX_MESSAGES_DEFAULT: i32 = 1;

const MAX_MESSAGES: Name = Name::same("MaxNumberOfMessages");
const WAIT: Name = Name::same("WaitTimeSeconds");
const SYSTEM_NAMES: Name = Name::new("MessageSystemAttributeNames", "MessageSystemAttributeName");
/// The older spelling of the same list.
const OLDER_NAMES: Name = Name::new("AttributeNames", "AttributeName");
const MESSAGE_NAMES: Name = Name::new("MessageAttributeNames", "MessageAttributeName");
const ATTEMPT_ID: Name = Name::same("ReceiveRequestAttemptId");

const MESSAGES: Name = Name::new("Messages", "Message");
const MESSAGE_ID: Name = Name::same("MessageId");
const BODY_MD5: Name = Name::same("MD5OfBody");
const BODY: Name = Name::same("Body");
const ATTRIBUTES_MD5: Name = Name::same("MD5OfMessageAttributes");
const MESSAGE_ATTRIBUTES: MapName = MapName::named("MessageAttributes", "MessageAttribute");
const STRING_VALUE: Name = Name::same("StringValue");
const BINARY_VALUE: Name = Name::same("BinaryValue");
const DATA_TYPE: Name = Name::same("DataType");

/// The members of the request as they came.
struct Raw<'t> {
    max_messages: Option<i32>,
    visibility: Option<i32>,
    wait: Option<i32>,
    system_names: Vec<&'t str>,
    older_names: Vec<&'t str>,
    message_names: Vec<&'t str>,
    attempt_id: Option<&'t str>,
}

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let raw = Raw {
        max_messages: fields.integer(MAX_MESSAGES)?,
        visibility: fields.integer(VISIBILITY_TIMEOUT)?,
        wait: fields.integer(WAIT)?,
        system_names: fields.texts(SYSTEM_NAMES)?,
        older_names: fields.texts(OLDER_NAMES)?,
        message_names: fields.texts(MESSAGE_NAMES)?,
        attempt_id: fields.text(ATTEMPT_ID)?,
    };
    Ok(raw.check().map(Into::into))
}

impl Raw<'_> {
    fn check(self) -> Result<ReceiveMessage, Error> {
        let count = self.max_messages.unwrap_or(MAX_MESSAGES_DEFAULT);
        let max_messages = u32::try_from(count).ok().filter(|count| (1..=RECEIVE_MESSAGES_MAX).contains(count));
        let max_messages = max_messages.ok_or_else(|| {
            let reason = format!("Must be between 1 and {RECEIVE_MESSAGES_MAX}, if provided.");
            Error::invalid_value(count, MAX_MESSAGES.json, &reason)
        })?;
        let visibility_seconds =
            self.visibility.map(|value| seconds(value, VISIBILITY_TIMEOUT, VISIBILITY_SECONDS_MAX)).transpose()?;
        let wait_seconds = self.wait.map(|value| seconds(value, WAIT, WAIT_SECONDS_MAX)).transpose()?;
        let mut system_attributes = system_attributes(&self.system_names, choices::REFUSES_UNKNOWN_SYSTEM_ATTRIBUTES)?;
        system_attributes.extend(self::system_attributes(&self.older_names, false)?);
        let attempt_id = self.attempt_id.map(|id| check_token(id, ATTEMPT_ID.json));
        Ok(ReceiveMessage {
            max_messages,
            visibility_seconds,
            wait_seconds,
            system_attributes,
            message_attributes: self.message_names.into_iter().map(NameFilter::new).collect(),
            attempt_id,
        })
    }
}

fn seconds(value: i32, name: Name, maximum: u32) -> Result<u32, Error> {
    let seconds = u32::try_from(value).ok().filter(|seconds| *seconds <= maximum);
    seconds
        .ok_or_else(|| Error::invalid_value(value, name.json, &format!("Must be >= 0 and <= {maximum}, if provided.")))
}

fn system_attributes(names: &[&str], refuse_unknown: bool) -> Result<SystemAttributes, Error> {
    let mut attributes = SystemAttributes::default();
    for name in names {
        match SystemAttribute::from_name(name) {
            Some(attribute) => attributes.insert(attribute),
            None if *name == "All" => attributes.extend(SystemAttributes::ALL),
            None if refuse_unknown => return Err(Error::unknown_attribute(name)),
            None => {}
        }
    }
    Ok(attributes)
}

pub(super) fn encode<W: Writer>(writer: &mut W, messages: &[ReceivedMessage]) {
    writer.list(MESSAGES, messages.iter(), |writer, message| {
        writer.plain(MESSAGE_ID, &uuid_text(&message.message_id.0));
        writer.text(RECEIPT_HANDLE, &message.receipt_handle);
        writer.plain(BODY_MD5, &digest::md5_ascii(&message.body_md5));
        writer.text(BODY, &message.body);
        let system_attributes = &message.system_attributes;
        writer.pairs(ATTRIBUTES, system_attributes.iter().map(|(name, value)| (name.name(), value.as_str())));
        if let Some(md5) = digest::md5_of_attributes(&message.attributes) {
            writer.plain(ATTRIBUTES_MD5, &digest::md5_ascii(&md5));
        }
        let attributes = message.attributes.iter().map(|attribute| (attribute.name.as_str(), attribute));
        writer.map(MESSAGE_ATTRIBUTES, attributes, |writer, attribute| {
            match &attribute.value {
                AttributeValue::Text(text) => writer.text(STRING_VALUE, text),
                AttributeValue::Binary(bytes) => writer.blob(BINARY_VALUE, bytes),
            }
            writer.text(DATA_TYPE, &attribute.data_type);
        });
    });
}
