//! What a message carries, as the bytes that the engine keeps without looking inside.
//!
//! The content of a queue with a key of its own is [sealed]: that is version 2. Version 1, in this order; lengths and counts are LEB128 numbers, texts are UTF-8:
//!
//! ```text
//! version  u8       1
//! flags    u8       bit 0 group id, bit 1 deduplication id, bit 2 trace header
//! digest   16 bytes MD5 of the body
//! sender   length, text
//! group id, deduplication id, trace header: each length, text; only with its flag
//! count of message attributes, then for each
//!     name, data type: each length, text
//!     kind u8       0 text, 1 binary
//!     value         length, bytes
//! body     length, text
//! ```

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use stanchion_types::message::{AttributeValue, Md5, MessageAttribute, NewMessage};

use crate::md5::md5_of_each;

pub(crate) mod sealed;

const VERSION: u8 = 1;
/// Where the digest stands.
const DIGEST: Range<usize> = 2..18;

const HAS_GROUP: u8 = 1;
const HAS_DEDUPLICATION: u8 = 2;
const HAS_TRACE: u8 = 4;
const FLAGS: u8 = HAS_GROUP | HAS_DEDUPLICATION | HAS_TRACE;

const TEXT: u8 = 0;
const BINARY: u8 = 1;

/// The content of a stored message; everything borrows from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content<'a> {
    /// Who sent the message.
    pub(crate) sender_id: &'a str,
    /// Group of the message.
    pub(crate) group_id: Option<&'a str>,
    /// Deduplication id, given or computed.
    pub(crate) deduplication_id: Option<&'a str>,
    /// Trace header of the sender.
    pub(crate) trace_header: Option<&'a str>,
    /// Message attributes, ascending by name.
    pub(crate) attributes: Vec<Attribute<'a>>,
    /// Digest of the body.
    pub(crate) body_md5: Md5,
    /// Body.
    pub(crate) body: &'a str,
}

/// A message attribute inside a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    /// Name.
    pub(crate) name: &'a str,
    /// Data type with its label.
    pub(crate) data_type: &'a str,
    /// Value.
    pub(crate) value: Value<'a>,
}

/// The value of a message attribute inside a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl Attribute<'_> {
    /// Returns the attribute as an answer carries it.
    pub(crate) fn to_owned(self) -> MessageAttribute {
        let value = match self.value {
            Value::Text(text) => AttributeValue::Text(text.to_owned()),
            Value::Binary(bytes) => AttributeValue::Binary(bytes.to_owned()),
        };
        MessageAttribute { name: self.name.to_owned(), data_type: self.data_type.to_owned(), value }
    }
}

/// The bytes are no content of a known version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// What could not be read.
    pub(crate) what: &'static str,
    /// How many bytes were left at that point.
    pub(crate) left: usize,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message content: {} is wrong, {} bytes before the end", self.what, self.left)
    }
}

impl std::error::Error for Damage {}

/// The content of a message that lacks the digest of its body. To compute the digests of several is hardly more work than
/// that of one.
#[derive(Debug)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
    /// Where the body begins.
    body: usize,
}

impl Draft {
    /// Writes the content of a message. The deduplication id is an argument because it may be computed from the body.
    pub(crate) fn new(message: &NewMessage, sender_id: &str, deduplication_id: Option<&str>) -> Draft {
        // The lengths of texts take at most five bytes each; one allocation serves them all.
        let optional = [message.group_id.as_deref(), deduplication_id, message.trace_header.as_deref()];
        let texts: usize = optional.iter().flatten().map(|text| text.len() + 5).sum();
        let attributes: usize = message.attributes.iter().map(|a| a.name.len() + a.data_type.len() + 16).sum();
        let mut out = Vec::with_capacity(64 + message.size() + attributes + texts + sender_id.len());
        let flag = |present: bool, bit: u8| if present { bit } else { 0 };
        out.push(VERSION);
        out.push(
            flag(message.group_id.is_some(), HAS_GROUP)
                | flag(deduplication_id.is_some(), HAS_DEDUPLICATION)
                | flag(message.trace_header.is_some(), HAS_TRACE),
        );
        out.extend_from_slice(&[0; DIGEST.end - DIGEST.start]);
        put_bytes(&mut out, sender_id.as_bytes());
        for text in optional.into_iter().flatten() {
            put_bytes(&mut out, text.as_bytes());
        }
        put_number(&mut out, message.attributes.len());
        for attribute in &message.attributes {
            put_bytes(&mut out, attribute.name.as_bytes());
            put_bytes(&mut out, attribute.data_type.as_bytes());
            out.push(match attribute.value {
                AttributeValue::Text(_) => TEXT,
                AttributeValue::Binary(_) => BINARY,
            });
            put_bytes(&mut out, attribute.value.bytes());
        }
        put_bytes(&mut out, message.body.as_bytes());
        Draft { body: out.len() - message.body.len(), bytes: out }
    }

    /// Returns how long the content is, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the contents, and with each the MD5 of its body, which clients compare with their own: over its UTF-8 bytes.
    pub(crate) fn complete(drafts: Vec<Draft>) -> impl Iterator<Item = (Bytes, Md5)> {
        let digests = md5_of_each(&drafts.iter().map(|draft| &draft.bytes[draft.body..]).collect::<Vec<_>>());
        drafts.into_iter().zip(digests).map(|(draft, digest)| (draft.with(&digest), digest))
    }

    fn with(mut self, digest: &Md5) -> Bytes {
        self.bytes[DIGEST].copy_from_slice(&digest.0);
        self.bytes.into()
    }
}

/// Reads the content of a message.
///
/// # Errors
/// [`Damage`] if the bytes are no [`Draft`] that was completed; no input panics.
pub(crate) fn decode(bytes: &[u8]) -> Result<Content<'_>, Damage> {
    let mut reader = Reader { rest: bytes };
    if reader.byte("version")? != VERSION {
        return Err(reader.damage("version"));
    }
    let flags = reader.byte("flags")?;
    if flags & !FLAGS != 0 {
        return Err(reader.damage("flags"));
    }
    let Some((digest, rest)) = reader.rest.split_first_chunk::<16>() else {
        return Err(reader.damage("digest"));
    };
    reader.rest = rest;
    let sender_id = reader.text("sender")?;
    let mut optional = |bit: u8, what| (flags & bit != 0).then(|| reader.text(what)).transpose();
    let group_id = optional(HAS_GROUP, "group id")?;
    let deduplication_id = optional(HAS_DEDUPLICATION, "deduplication id")?;
    let trace_header = optional(HAS_TRACE, "trace header")?;
    let mut attributes = Vec::new();
    for _ in 0..reader.number("count of attributes")? {
        attributes.push(Attribute {
            name: reader.text("attribute name")?,
            data_type: reader.text("attribute type")?,
            value: match reader.byte("attribute kind")? {
                TEXT => Value::Text(reader.text("attribute value")?),
                BINARY => Value::Binary(reader.bytes("attribute value")?),
                _ => return Err(reader.damage("attribute kind")),
            },
        });
    }
    let body = reader.text("body")?;
    if !reader.rest.is_empty() {
        return Err(reader.damage("end"));
    }
    Ok(Content { sender_id, group_id, deduplication_id, trace_header, attributes, body_md5: Md5(*digest), body })
}

/// Makes sure that bytes are a content, sealed or not, as far as that goes without a key.
///
/// # Errors
/// [`Damage`] if they are not.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Damage> {
    if sealed::is_sealed(bytes) { sealed::parse(bytes).map(|_| ()) } else { decode(bytes).map(|_| ()) }
}

fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len());
    out.extend_from_slice(bytes);
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn damage(&self, what: &'static str) -> Damage {
        Damage { what, left: self.rest.len() }
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, Damage> {
        let (&first, rest) = self.rest.split_first().ok_or(self.damage(what))?;
        self.rest = rest;
        Ok(first)
    }

    /// Reads a number below 2^35: more than any length that fits into a record.
    fn number(&mut self, what: &'static str) -> Result<u64, Damage> {
        let mut number = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte(what)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.damage(what))
    }

    fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], Damage> {
        let length = usize::try_from(self.number(what)?).map_err(|_| self.damage(what))?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(self.damage(what))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self, what: &'static str) -> Result<&'a str, Damage> {
        std::str::from_utf8(self.bytes(what)?).map_err(|_| self.damage(what))
    }
}

#[cfg(test)]
mod tests;
