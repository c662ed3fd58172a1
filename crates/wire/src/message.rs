//! A message to send, as a request of its own or as an entry of a batch.

use stanchion_types::limits::{ATTRIBUTE_NAME_CHARS_MAX, DELAY_SECONDS_MAX, MESSAGE_ATTRIBUTES_MAX};
use stanchion_types::message::{AttributeValue, MessageAttribute, NewMessage};
use stanchion_types::{Code, Error};

use crate::fields::{Fields, MapName, Name};
use crate::text::{ILLEGAL_CHARACTERS, is_legal, is_token};
use crate::{choices, digest};

mod number;

pub(crate) const BODY: Name = Name::same("MessageBody");
const DELAY: Name = Name::same("DelaySeconds");
const ATTRIBUTES: MapName = MapName::named("MessageAttributes", "MessageAttribute");
const SYSTEM_ATTRIBUTES: MapName = MapName::named("MessageSystemAttributes", "MessageSystemAttribute");
const GROUP: Name = Name::same("MessageGroupId");
const DEDUPLICATION: Name = Name::same("MessageDeduplicationId");
const DATA_TYPE: Name = Name::same("DataType");
const STRING_VALUE: Name = Name::same("StringValue");
const BINARY_VALUE: Name = Name::same("BinaryValue");
const STRING_LIST: Name = Name::new("StringListValues", "StringListValue");
const BINARY_LIST: Name = Name::new("BinaryListValues", "BinaryListValue");

/// The one system attribute that a sender can set.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// The members of a message as they came.
#[derive(Debug)]
pub(crate) struct RawMessage<'t> {
    pub(crate) body: Option<&'t str>,
    delay: Option<i32>,
    attributes: Vec<RawAttribute<'t>>,
    system_attributes: Vec<RawAttribute<'t>>,
    group: Option<&'t str>,
    deduplication: Option<&'t str>,
}

/// A message attribute as it came.
#[derive(Debug)]
struct RawAttribute<'t> {
    name: &'t str,
    data_type: Option<&'t str>,
    text: Option<&'t str>,
    binary: Option<Vec<u8>>,
    has_list: bool,
}

/// Reads the members of a message.
///
/// # Errors
/// Those of the protocol, for members of a wrong type.
pub(crate) fn read<'t>(fields: impl Fields<'t>) -> Result<RawMessage<'t>, Error> {
    Ok(RawMessage {
        body: fields.text(BODY)?.filter(|body| !body.is_empty()),
        delay: fields.integer(DELAY)?,
        attributes: read_attributes(fields, ATTRIBUTES)?,
        system_attributes: read_attributes(fields, SYSTEM_ATTRIBUTES)?,
        group: fields.text(GROUP)?,
        deduplication: fields.text(DEDUPLICATION)?,
    })
}

/// Reads a map of message attributes.
fn read_attributes<'t>(fields: impl Fields<'t>, name: MapName) -> Result<Vec<RawAttribute<'t>>, Error> {
    let found = fields.map(name)?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let read = |(name, value): (&'t str, _)| read_attribute(name, value);
    found.into_iter().map(read).collect()
}

fn read_attribute<'t>(name: &'t str, value: impl Fields<'t>) -> Result<RawAttribute<'t>, Error> {
    Ok(RawAttribute {
        name,
        data_type: value.text(DATA_TYPE)?,
        text: value.text(STRING_VALUE)?,
        binary: value.blob(BINARY_VALUE)?,
        has_list: !value.texts(STRING_LIST)?.is_empty() || !value.texts(BINARY_LIST)?.is_empty(),
    })
}

impl RawMessage<'_> {
    /// Returns the size that the limits speak of, in bytes, whether or not the values are right.
    pub(crate) fn size(&self) -> usize {
        self.body.map_or(0, str::len) + self.attributes.iter().map(RawAttribute::size).sum::<usize>()
    }

    /// Checks the values and computes the digests of the attributes. The trace header of the HTTP request counts if the
    /// message has none itself.
    ///
    /// # Errors
    /// The service's own for the first fault.
    pub(crate) fn check(self, http_trace_header: Option<&str>) -> Result<NewMessage, Error> {
        let body = self.body.ok_or_else(|| Error::missing_parameter(BODY.json))?;
        if !is_legal(body) {
            return Err(Error::new(Code::InvalidMessageContents, ILLEGAL_CHARACTERS));
        }
        let delay_seconds = self.delay.map(check_delay).transpose()?;
        let attributes = check_attributes(self.attributes)?;
        let system_attribute = check_system_attributes(self.system_attributes)?;
        let group_id = self.group.map(|id| check_token(id, GROUP.json)).transpose()?;
        let deduplication_id = self.deduplication.map(|id| check_token(id, DEDUPLICATION.json)).transpose()?;

        let attributes_md5 = digest::md5_of_attributes(&attributes);
        let system_attributes_md5 = digest::md5_of_attributes(&system_attribute);
        let given = system_attribute.map(|attribute| match attribute.value {
            AttributeValue::Text(text) => text,
            AttributeValue::Binary(_) => unreachable!("the trace header was checked to be text"),
        });
        let from_http = || http_trace_header.filter(|text| !text.is_empty() && is_legal(text)).map(str::to_owned);
        Ok(NewMessage {
            body: body.to_owned(),
            attributes,
            attributes_md5,
            trace_header: given.or_else(from_http),
            system_attributes_md5,
            delay_seconds,
            group_id,
            deduplication_id,
        })
    }
}

fn check_delay(delay: i32) -> Result<u32, Error> {
    let checked = u32::try_from(delay).ok().filter(|delay| *delay <= DELAY_SECONDS_MAX);
    checked.ok_or_else(|| {
        Error::invalid_value(delay, DELAY.json, &format!("DelaySeconds must be >= 0 and <= {DELAY_SECONDS_MAX}."))
    })
}

/// Checks a group, deduplication or attempt id.
///
/// # Errors
/// `InvalidParameterValue` unless it has 1 to 128 letters, digits and punctuation characters.
pub(crate) fn check_token(id: &str, name: &str) -> Result<String, Error> {
    if is_token(id) {
        return Ok(id.to_owned());
    }
    let reason = format!("{name} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
    Err(Error::invalid_value(id, name, &reason))
}

/// Checks message attributes and sorts them by name.
fn check_attributes(raw: Vec<RawAttribute>) -> Result<Vec<MessageAttribute>, Error> {
    if raw.is_empty() {
        return Ok(Vec::new());
    }
    if raw.len() > MESSAGE_ATTRIBUTES_MAX {
        let found = raw.len();
        return Err(Error::invalid_parameter(format!(
            "Number of message attributes [{found}] exceeds the allowed maximum [{MESSAGE_ATTRIBUTES_MAX}]."
        )));
    }
    let mut attributes = raw.into_iter().map(RawAttribute::check).collect::<Result<Vec<_>, _>>()?;
    attributes.sort_by(|one, other| one.name.cmp(&other.name));
    match attributes.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(choices::repeated_attribute(&pair[0].name)),
        None => Ok(attributes),
    }
}

/// Checks message system attributes: at most the trace header, which is text.
fn check_system_attributes(raw: Vec<RawAttribute>) -> Result<Option<MessageAttribute>, Error> {
    let mut header = None;
    for attribute in raw {
        if attribute.name != TRACE_HEADER {
            return Err(choices::unknown_system_attribute(attribute.name));
        }
        if header.is_some() {
            return Err(choices::repeated_attribute(attribute.name));
        }
        let attribute = attribute.check_value()?;
        if attribute.data_type != "String" {
            return Err(choices::trace_header_type(&attribute.data_type));
        }
        header = Some(attribute);
    }
    Ok(header)
}

/// The kind of value that a data type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    String,
    Number,
    Binary,
}

impl Kind {
    /// Reads a data type: a kind, and perhaps a label after a dot.
    fn of(data_type: &str) -> Option<Kind> {
        let (kind, label) = data_type.split_once('.').map_or((data_type, None), |(kind, label)| (kind, Some(label)));
        if label.is_some_and(str::is_empty) || data_type.chars().count() > ATTRIBUTE_NAME_CHARS_MAX {
            return None;
        }
        match kind {
            "String" => Some(Kind::String),
            "Number" => Some(Kind::Number),
            "Binary" => Some(Kind::Binary),
            _ => None,
        }
    }

    /// Returns the name of the kind, and of the member that holds its value.
    const fn name(self) -> &'static str {
        match self {
            Kind::String => "String",
            Kind::Number => "Number",
            Kind::Binary => "Binary",
        }
    }

    /// Returns the member that holds a value of this kind, without its suffix `Value`.
    const fn member(self) -> &'static str {
        match self {
            Kind::String | Kind::Number => "String",
            Kind::Binary => "Binary",
        }
    }
}

impl RawAttribute<'_> {
    fn size(&self) -> usize {
        let value = self.text.map_or(0, str::len) + self.binary.as_ref().map_or(0, Vec::len);
        self.name.len() + self.data_type.map_or(0, str::len) + value
    }

    /// Checks name, type and value.
    fn check(self) -> Result<MessageAttribute, Error> {
        check_name(self.name)?;
        self.check_value()
    }

    /// Checks type and value.
    fn check_value(self) -> Result<MessageAttribute, Error> {
        let RawAttribute { name, data_type, text, binary, has_list } = self;
        let data_type = data_type.filter(|data_type| !data_type.is_empty());
        let data_type = data_type.ok_or_else(|| Error::invalid_parameter("Missing required parameter DataType"))?;
        let kind = Kind::of(data_type).ok_or_else(|| {
            Error::invalid_parameter(format!(
                "Type for parameter MessageAttributes.Attribute_name.DataType must be prefixed with \
                 \"String\", \"Binary\", or \"Number\", but was: {data_type}"
            ))
        })?;
        if !is_legal(data_type) {
            return Err(Error::invalid_parameter(ILLEGAL_CHARACTERS));
        }
        if has_list {
            return Err(choices::list_value(name));
        }
        let value = check_content(name, kind, text, binary)?;
        Ok(MessageAttribute { name: name.to_owned(), data_type: data_type.to_owned(), value })
    }
}

/// Checks that the value is there, in the member that its type asks for, and right for the type.
fn check_content(name: &str, kind: Kind, text: Option<&str>, binary: Option<Vec<u8>>) -> Result<AttributeValue, Error> {
    let text = text.filter(|text| !text.is_empty());
    let binary = binary.filter(|bytes| !bytes.is_empty());
    let misplaced = match kind {
        Kind::Binary => text.is_some(),
        Kind::String | Kind::Number => binary.is_some(),
    };
    if misplaced {
        let (kind, member) = (kind.name(), kind.member());
        let message = format!("The message attribute '{name}' with type '{kind}' must use field '{member}'.");
        return Err(Error::invalid_parameter(message));
    }
    let empty = || {
        let kind = kind.name();
        Error::invalid_parameter(format!(
            "Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
        ))
    };
    match kind {
        Kind::Binary => binary.map(AttributeValue::Binary).ok_or_else(empty),
        Kind::String | Kind::Number => {
            let text = text.ok_or_else(empty)?;
            if !is_legal(text) {
                return Err(Error::invalid_parameter(ILLEGAL_CHARACTERS));
            }
            if kind == Kind::Number && !number::is_number(text) {
                let message = format!("Can't cast the value of message (user) attribute '{name}' to a number.");
                return Err(Error::invalid_parameter(message));
            }
            Ok(AttributeValue::Text(text.to_owned()))
        }
    }
}

/// Checks the name of a message attribute.
fn check_name(name: &str) -> Result<(), Error> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.chars().count() > ATTRIBUTE_NAME_CHARS_MAX {
        return Err(Error::invalid_parameter("Message (user) attribute names must be shorter than 256 Bytes"));
    }
    if name.is_empty() || !name.bytes().all(legal) {
        return Err(Error::invalid_parameter(
            "Message (user) attributes name can only contain upper and lower score characters, digits, periods, \
             hyphens and underscores. ",
        ));
    }
    let starts_with = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let reserved = starts_with("AWS.") || starts_with("Amazon.");
    if reserved || name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return Err(Error::invalid_parameter(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. \
             These strings are reserved for internal use. Additionally, they cannot start or end with '.'.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
