//! A JSON object as a view: parsed once into one flat list of nodes that borrow from the body.

use std::borrow::Cow;
use std::fmt;

use data_encoding::BASE64;
use memchr::memchr;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use stanchion_types::{Code, Error};

use crate::choices;
use crate::fields::{Fields, MapName, Name, keep_last};

mod plain;

/// Most values in a request: far more than any request needs, few enough that a hostile one stays cheap.
const NODES_MAX: usize = 20_000;

/// A value. What belongs to a list or an object follows it, so that `len` nodes further comes the next sibling.
#[derive(Debug)]
enum Node<'j> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A number that is no 64-bit integer.
    Decimal(f64),
    Text(Cow<'j, str>),
    List {
        len: usize,
    },
    /// Keys, as text, and values in turn.
    Object {
        len: usize,
    },
}

/// A parsed body.
#[derive(Debug)]
pub(crate) struct Document<'j> {
    nodes: Vec<Node<'j>>,
}

impl<'j> Document<'j> {
    /// Parses a body; an empty one counts as `{}`.
    ///
    /// # Errors
    /// `SerializationException` if the body is not one JSON object in UTF-8, is nested too deeply (128 levels) or has
    /// too many values.
    pub(crate) fn parse(body: &'j [u8]) -> Result<Self, Error> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Document { nodes: vec![Node::Object { len: 0 }] });
        }
        let nodes = match plain::parse(body) {
            Some(nodes) => nodes,
            None => parse_any(body)
                .map_err(|error| serialization(format!("The request body is not valid JSON: {error}")))?,
        };
        match nodes[0] {
            Node::Object { .. } => Ok(Document { nodes }),
            _ => Err(serialization("The request body is not a JSON object")),
        }
    }

    /// Returns the members of the whole.
    pub(crate) fn members(&self) -> JsonFields<'_> {
        JsonFields::new(&self.nodes[1..])
    }
}

/// Parses whatever is JSON.
fn parse_any(body: &[u8]) -> Result<Vec<Node<'_>>, serde_json::Error> {
    let mut nodes = Vec::with_capacity(16);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Append(&mut nodes).deserialize(&mut deserializer).and_then(|()| deserializer.end())?;
    Ok(nodes)
}

/// Returns the body with every unpaired surrogate escape turned into `\ufffe`, `None` if it has no such escape.
///
/// JSON's grammar admits them and no text in memory can hold them. U+FFFE is as illegal as they are, so the rule on
/// characters refuses the member, in the service's words, instead of the parser the whole request.
pub(crate) fn without_unpaired_surrogates(body: &[u8]) -> Option<Vec<u8>> {
    let mut repaired = None;
    let mut at = 0;
    while let Some(found) = memchr(b'\\', &body[at..]) {
        at += found;
        let Some(unit) = utf16_escape(&body[at..]) else {
            at = (at + 2).min(body.len());
            continue;
        };
        let is_pair = (0xd800..0xdc00).contains(&unit)
            && utf16_escape(&body[at + 6..]).is_some_and(|low| (0xdc00..0xe000).contains(&low));
        if !is_pair && (0xd800..0xe000).contains(&unit) {
            let repaired = repaired.get_or_insert_with(|| body.to_vec());
            repaired[at + 2..at + 6].copy_from_slice(b"fffe");
        }
        at += if is_pair { 12 } else { 6 };
    }
    repaired
}

/// Reads the escape at the beginning of a text: `\u` and four hexadecimal digits.
fn utf16_escape(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

/// Appends one value, and what belongs to it, to the list.
struct Append<'n, 'j>(&'n mut Vec<Node<'j>>);

impl<'j> Append<'_, 'j> {
    fn push<E: serde::de::Error>(self, node: Node<'j>) -> Result<(), E> {
        if self.0.len() == NODES_MAX {
            return Err(E::custom(format_args!("more than {NODES_MAX} values")));
        }
        self.0.push(node);
        Ok(())
    }
}

impl<'j> DeserializeSeed<'j> for Append<'_, 'j> {
    type Value = ();

    fn deserialize<D: Deserializer<'j>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'j> Visitor<'j> for Append<'_, 'j> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.push(Node::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.push(Node::Boolean(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.push(Node::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.push(i64::try_from(value).map_or(Node::Decimal(value as f64), Node::Integer))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.push(Node::Decimal(value))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'j str) -> Result<(), E> {
        self.push(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.push(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'j>>(self, mut elements: A) -> Result<(), A::Error> {
        let nodes = self.0;
        let at = nodes.len();
        Append(nodes).push::<A::Error>(Node::List { len: 0 })?;
        while elements.next_element_seed(Append(nodes))?.is_some() {}
        nodes[at] = Node::List { len: nodes.len() - at - 1 };
        Ok(())
    }

    fn visit_map<A: MapAccess<'j>>(self, mut members: A) -> Result<(), A::Error> {
        let nodes = self.0;
        let at = nodes.len();
        Append(nodes).push::<A::Error>(Node::Object { len: 0 })?;
        while members.next_key_seed(Append(nodes))?.is_some() {
            members.next_value_seed(Append(nodes))?;
        }
        nodes[at] = Node::Object { len: nodes.len() - at - 1 };
        Ok(())
    }
}

/// The members of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonFields<'t> {
    /// Keys and values in turn.
    members: &'t [Node<'t>],
    /// A bit for each length that a key has. Most names that are looked for are not there, and have a length of their own.
    lengths: u64,
}

/// A value with what belongs to it; never empty.
type Value<'t> = &'t [Node<'t>];

/// Cuts the first value off a run of values.
fn split_value<'t>(nodes: &'t [Node<'t>]) -> Option<(Value<'t>, &'t [Node<'t>])> {
    let len = match nodes.first()? {
        Node::List { len } | Node::Object { len } => 1 + len,
        _ => 1,
    };
    nodes.split_at_checked(len)
}

/// Walks the keys and values of an object.
fn members<'t>(mut nodes: &'t [Node<'t>]) -> impl Iterator<Item = (&'t str, Value<'t>)> {
    std::iter::from_fn(move || {
        let (Node::Text(key), rest) = nodes.split_first()? else {
            unreachable!("keys and values alternate, and a key is text");
        };
        let (value, rest) = split_value(rest)?;
        nodes = rest;
        Some((&**key, value))
    })
}

/// Walks the elements of a list.
fn elements<'t>(mut nodes: &'t [Node<'t>]) -> impl Iterator<Item = Value<'t>> {
    std::iter::from_fn(move || {
        let (value, rest) = split_value(nodes)?;
        nodes = rest;
        Some(value)
    })
}

/// Returns the bit that stands for a length.
const fn length_bit(length: usize) -> u64 {
    1 << (length % u64::BITS as usize)
}

impl<'t> JsonFields<'t> {
    fn new(members: &'t [Node<'t>]) -> Self {
        let (mut rest, mut lengths) = (members, 0);
        while let [Node::Text(key), after @ ..] = rest {
            lengths |= length_bit(key.len());
            rest = split_value(after).map_or(&[], |(_, others)| others);
        }
        JsonFields { members, lengths }
    }

    /// Finds a member that is not null; if it comes twice, the last counts.
    #[inline]
    fn find(self, name: Name) -> Option<Value<'t>> {
        if self.lengths & length_bit(name.json.len()) == 0 { None } else { self.look_for(name) }
    }

    fn look_for(self, name: Name) -> Option<Value<'t>> {
        let (mut rest, mut found) = (self.members, None);
        while let [Node::Text(key), after @ ..] = rest {
            let (value, others) = split_value(after)?;
            if **key == *name.json {
                found = Some(value);
            }
            rest = others;
        }
        found.filter(|value| !matches!(value[0], Node::Null))
    }

    /// Returns the elements of a list, nulls left out.
    #[inline]
    fn list(self, name: Name) -> Result<impl Iterator<Item = Value<'t>>, Error> {
        let nodes = match self.find(name) {
            None => &[],
            Some([Node::List { .. }, elements @ ..]) => elements,
            Some(other) => return Err(mismatch(other, "List")),
        };
        Ok(elements(nodes).filter(|value| !matches!(value[0], Node::Null)))
    }

    /// Returns the keys and values of a map, nulls left out, each key once.
    #[inline]
    fn object(self, name: Name) -> Result<Vec<(&'t str, Value<'t>)>, Error> {
        let nodes = match self.find(name) {
            None => return Ok(Vec::new()),
            Some([Node::Object { .. }, members @ ..]) => members,
            Some(other) => return Err(mismatch(other, "Map")),
        };
        Ok(keep_last(members(nodes).filter(|(_, value)| !matches!(value[0], Node::Null)).collect()))
    }
}

impl<'t> Fields<'t> for JsonFields<'t> {
    #[inline]
    fn text(self, name: Name) -> Result<Option<&'t str>, Error> {
        self.find(name).map(text).transpose()
    }

    #[inline]
    fn integer(self, name: Name) -> Result<Option<i32>, Error> {
        self.find(name).map(integer).transpose()
    }

    fn blob(self, name: Name) -> Result<Option<Vec<u8>>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map(Some).map_err(|error| serialization(format!("{} is not valid Base64: {error}", name.json)))
    }

    #[inline]
    fn texts(self, name: Name) -> Result<Vec<&'t str>, Error> {
        let mut texts = Vec::new();
        for value in self.list(name)? {
            texts.push(text(value)?);
        }
        Ok(texts)
    }

    fn objects(self, name: Name) -> Result<Vec<Self>, Error> {
        self.list(name)?.map(structure).collect()
    }

    fn pairs(self, name: MapName) -> Result<Vec<(&'t str, &'t str)>, Error> {
        self.object(name.name)?.into_iter().map(|(key, value)| Ok((key, text(value)?))).collect()
    }

    #[inline]
    fn map(self, name: MapName) -> Result<Vec<(&'t str, Self)>, Error> {
        let found = self.object(name.name)?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        found.into_iter().map(|(key, value)| Ok((key, structure(value)?))).collect()
    }
}

fn integer(value: Value<'_>) -> Result<i32, Error> {
    let integer = match value[0] {
        Node::Integer(integer) => i32::try_from(integer).ok(),
        Node::Decimal(decimal) => choices::integer_from_decimal(decimal),
        _ => None,
    };
    integer.ok_or_else(|| mismatch(value, "Integer"))
}

fn text<'t>(value: Value<'t>) -> Result<&'t str, Error> {
    match &value[0] {
        Node::Text(text) => Ok(text),
        _ => Err(mismatch(value, "String")),
    }
}

fn structure<'t>(value: Value<'t>) -> Result<JsonFields<'t>, Error> {
    match value {
        [Node::Object { .. }, members @ ..] => Ok(JsonFields::new(members)),
        _ => Err(mismatch(value, "Structure")),
    }
}

/// Refuses a value of another type in the words of the service's front end.
fn mismatch(value: Value, wanted: &str) -> Error {
    serialization(match value[0] {
        Node::Null => format!("NULL_VALUE cannot be converted to {wanted}"),
        Node::Boolean(true) => format!("TRUE_VALUE cannot be converted to {wanted}"),
        Node::Boolean(false) => format!("FALSE_VALUE cannot be converted to {wanted}"),
        Node::Integer(_) => format!("NUMBER_VALUE cannot be converted to {wanted}"),
        Node::Decimal(_) => format!("DECIMAL_VALUE cannot be converted to {wanted}"),
        Node::Text(_) => format!("STRING_VALUE cannot be converted to {wanted}"),
        Node::List { .. } => "Start of list found where not expected".to_owned(),
        Node::Object { .. } => "Start of structure or map found where not expected.".to_owned(),
    })
}

fn serialization(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Code::SerializationException, message)
}

#[cfg(test)]
mod tests;
