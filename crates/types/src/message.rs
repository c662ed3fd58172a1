//! What a message carries.

/// An MD5 digest; clients read it as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Md5(pub [u8; 16]);

/// The value of a message attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// Text, of the types `String` and `Number`: UTF-8.
    Text(String),
    /// Bytes, of the type `Binary`.
    Binary(Vec<u8>),
}

impl AttributeValue {
    /// Returns the bytes that count towards size and digest.
    pub fn bytes(&self) -> &[u8] {
        match self {
            AttributeValue::Text(text) => text.as_bytes(),
            AttributeValue::Binary(bytes) => bytes,
        }
    }
}

/// A message attribute: checked name, data type with its label (`Number.int`), and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageAttribute {
    /// Name: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// `String`, `Number` or `Binary`, with an optional label after a dot.
    pub data_type: String,
    /// Value; its kind agrees with the data type.
    pub value: AttributeValue,
}

/// Everything a sender says of a message, its parts checked one by one; what depends on the queue is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Body: at least one character, only legal ones.
    pub body: String,
    /// Message attributes in ascending order of name, at most 10.
    pub attributes: Vec<MessageAttribute>,
    /// Digest of the message attributes, if there are any.
    pub attributes_md5: Option<Md5>,
    /// The system attribute `AWSTraceHeader`, from the message or from the HTTP header of that purpose.
    pub trace_header: Option<String>,
    /// Digest of the system attributes, if the message had any.
    pub system_attributes_md5: Option<Md5>,
    /// `DelaySeconds` of the message, 0 to 900; 0 differs from none.
    pub delay_seconds: Option<u32>,
    /// `MessageGroupId`.
    pub group_id: Option<String>,
    /// `MessageDeduplicationId`.
    pub deduplication_id: Option<String>,
}

impl NewMessage {
    /// Returns the size that the limits speak of: body, and name, type and value of every message attribute, in bytes.
    pub fn size(&self) -> usize {
        let attribute = |a: &MessageAttribute| a.name.len() + a.data_type.len() + a.value.bytes().len();
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }
}

/// A name that a receive can ask for in `MessageSystemAttributeNames`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SystemAttribute {
    /// Who sent the message.
    SenderId,
    /// When the message arrived, epoch milliseconds.
    SentTimestamp,
    /// How often the message was received, in all queues together.
    ApproximateReceiveCount,
    /// When the message was first received, epoch milliseconds.
    ApproximateFirstReceiveTimestamp,
    /// Number of a FIFO message, growing within its group.
    SequenceNumber,
    /// Deduplication id of a FIFO message, given or computed.
    MessageDeduplicationId,
    /// Group of the message, if it has one.
    MessageGroupId,
    /// Trace header of the sender, if there was one.
    AWSTraceHeader,
    /// The queue whose dead-letter policy moved the message here.
    DeadLetterQueueSourceArn,
}

impl SystemAttribute {
    /// Every system attribute, in the order in which answers list them.
    pub const ALL: [SystemAttribute; 9] = [
        SystemAttribute::SenderId,
        SystemAttribute::SentTimestamp,
        SystemAttribute::ApproximateReceiveCount,
        SystemAttribute::ApproximateFirstReceiveTimestamp,
        SystemAttribute::SequenceNumber,
        SystemAttribute::MessageDeduplicationId,
        SystemAttribute::MessageGroupId,
        SystemAttribute::AWSTraceHeader,
        SystemAttribute::DeadLetterQueueSourceArn,
    ];

    /// Returns the name used on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            SystemAttribute::SenderId => "SenderId",
            SystemAttribute::SentTimestamp => "SentTimestamp",
            SystemAttribute::ApproximateReceiveCount => "ApproximateReceiveCount",
            SystemAttribute::ApproximateFirstReceiveTimestamp => "ApproximateFirstReceiveTimestamp",
            SystemAttribute::SequenceNumber => "SequenceNumber",
            SystemAttribute::MessageDeduplicationId => "MessageDeduplicationId",
            SystemAttribute::MessageGroupId => "MessageGroupId",
            SystemAttribute::AWSTraceHeader => "AWSTraceHeader",
            SystemAttribute::DeadLetterQueueSourceArn => "DeadLetterQueueSourceArn",
        }
    }

    /// Reads a name from the wire; `None` if there is no such attribute.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.name() == name)
    }

    /// Returns the bit that stands for this attribute in a [`SystemAttributes`] set.
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of system attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemAttributes(u16);

impl SystemAttributes {
    /// The set that `All` stands for.
    pub const ALL: SystemAttributes = SystemAttributes((1 << SystemAttribute::ALL.len()) - 1);

    /// Adds an attribute.
    pub fn insert(&mut self, attribute: SystemAttribute) {
        self.0 |= attribute.bit();
    }

    /// Adds all attributes of another set.
    pub fn extend(&mut self, other: SystemAttributes) {
        self.0 |= other.0;
    }

    /// Tells whether an attribute is in the set.
    pub const fn contains(self, attribute: SystemAttribute) -> bool {
        self.0 & attribute.bit() != 0
    }
}

/// One element of `MessageAttributeNames`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameFilter {
    /// `All`, `.*` or `*`.
    All,
    /// `prefix.*`: every name that starts with the prefix.
    Prefix(String),
    /// Exactly this name.
    Exact(String),
}

impl NameFilter {
    /// Makes a filter from an element of the request.
    pub fn new(text: &str) -> Self {
        match text {
            "All" | ".*" | "*" => NameFilter::All,
            _ => match text.strip_suffix(".*") {
                Some(prefix) => NameFilter::Prefix(prefix.to_owned()),
                None => NameFilter::Exact(text.to_owned()),
            },
        }
    }

    /// Tells whether a message attribute of this name is asked for.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            NameFilter::All => true,
            NameFilter::Prefix(prefix) => name.starts_with(prefix.as_str()),
            NameFilter::Exact(exact) => name == exact,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_filter_matches_names_with_and_without_the_dot() {
        let filter = NameFilter::new("foo.*");
        for name in ["foo", "foobar", "foo.bar"] {
            assert!(filter.matches(name), "{name}");
        }
        assert!(!filter.matches("fo"));
        assert!(NameFilter::new("All").matches("x") && NameFilter::new(".*").matches("x"));
        assert!(!NameFilter::new("x").matches("xy"));
    }

    #[test]
    fn every_system_attribute_reads_back_from_its_name() {
        for attribute in SystemAttribute::ALL {
            assert_eq!(SystemAttribute::from_name(attribute.name()), Some(attribute));
            assert!(SystemAttributes::ALL.contains(attribute));
            assert!(!SystemAttributes::default().contains(attribute));
        }
    }

    #[test]
    fn size_counts_names_types_and_values_of_attributes() {
        let message = NewMessage {
            body: "é".into(),
            attributes: vec![MessageAttribute {
                name: "ab".into(),
                data_type: "Binary.png".into(),
                value: AttributeValue::Binary(vec![0; 5]),
            }],
            attributes_md5: None,
            trace_header: Some("not counted".into()),
            system_attributes_md5: None,
            delay_seconds: None,
            group_id: Some("not counted".into()),
            deduplication_id: None,
        };
        assert_eq!(message.size(), 2 + 2 + 10 + 5);
    }
}
