//! Identifiers and names, checked where they are made.

use std::fmt;
use std::sync::Arc;

use crate::limits::{FIFO_SUFFIX, QUEUE_NAME_CHARS_MAX};

/// An account: exactly 12 decimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId([u8; 12]);

impl AccountId {
    /// The account of a server that was told no other.
    pub const DEFAULT: AccountId = AccountId(*b"000000000000");

    /// Makes an account id from its text; `None` unless that is 12 digits.
    pub fn new(text: &str) -> Option<Self> {
        let digits: [u8; 12] = text.as_bytes().try_into().ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(AccountId(digits))
    }

    /// Returns the 12 digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an account id is ASCII digits")
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A region such as `us-east-1`: 1 to 32 lower-case letters, digits and hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

impl Region {
    /// Makes a region from its name; `None` if the name has another shape.
    pub fn new(text: &str) -> Option<Self> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        ((1..=32).contains(&text.len()) && text.bytes().all(legal)).then(|| Region(text.into()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a queue: 1 to 80 letters, digits, hyphens and underscores; a FIFO queue's ends in `.fifo` besides.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// Makes a queue name from text; `None` if the text breaks the rule.
    pub fn new(text: &str) -> Option<Self> {
        let stem = text.strip_suffix(FIFO_SUFFIX).unwrap_or(text);
        let legal = |b: u8| b.is_ascii_alphanumeric() | (b == b'-') | (b == b'_');
        let fits = !stem.is_empty() && text.len() <= QUEUE_NAME_CHARS_MAX;
        // Every request names a queue, and without an early exit this compiles to vector code.
        (fits && stem.bytes().fold(true, |all, b| all & legal(b))).then(|| QueueName(text.into()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether this is the name of a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(FIFO_SUFFIX)
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What identifies a queue on a server, written `arn:aws:sqs:<region>:<account>:<name>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueArn {
    /// Region of the queue.
    pub region: Region,
    /// Account that owns the queue.
    pub account: AccountId,
    /// Name of the queue.
    pub name: QueueName,
}

impl QueueArn {
    /// Reads an ARN of any partition; `None` unless it is a well-formed ARN of a queue.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next();
        let (arn, partition, service) = (next()?, next()?, next()?);
        let (region, account, name) = (next()?, next()?, next()?);
        (arn == "arn" && partition.starts_with("aws") && service == "sqs").then_some(())?;
        Some(QueueArn { region: Region::new(region)?, account: AccountId::new(account)?, name: QueueName::new(name)? })
    }
}

impl fmt::Display for QueueArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:aws:sqs:{}:{}:{}", self.region, self.account, self.name)
    }
}

impl fmt::Debug for QueueArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// How a request names its queue: the end of a queue URL, or a bare name that means the caller's own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLocator {
    /// Owner of the queue; `None` stands for the caller's account.
    pub account: Option<AccountId>,
    /// Name of the queue.
    pub name: QueueName,
}

/// A message's id: 128 bits, written as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

/// A request's id: 128 bits, written as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub [u8; 16]);

/// Turns 128 random bits into a version 4 UUID (RFC 9562, section 5.4).
pub const fn uuid_v4(mut bits: [u8; 16]) -> [u8; 16] {
    bits[6] = bits[6] & 0x0f | 0x40;
    bits[8] = bits[8] & 0x3f | 0x80;
    bits
}

/// The two lower-case hexadecimal digits of each byte.
const HEX_PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// Returns the 32 hexadecimal digits of 16 bytes, lower-case.
pub fn hex_text(bits: &[u8; 16]) -> [u8; 32] {
    let mut text = [0; 32];
    for (byte, pair) in bits.iter().zip(text.as_chunks_mut::<2>().0) {
        *pair = HEX_PAIRS[usize::from(*byte)];
    }
    text
}

/// Returns the 36 characters of a UUID, lower-case.
pub fn uuid_text(bits: &[u8; 16]) -> [u8; 36] {
    let digits = hex_text(bits);
    let mut text = [b'-'; 36];
    text[..8].copy_from_slice(&digits[..8]);
    text[9..13].copy_from_slice(&digits[8..12]);
    text[14..18].copy_from_slice(&digits[12..16]);
    text[19..23].copy_from_slice(&digits[16..20]);
    text[24..].copy_from_slice(&digits[20..]);
    text
}

fn write_uuid(bits: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = uuid_text(bits);
    f.write_str(std::str::from_utf8(&text).expect("a UUID is ASCII"))
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(&self.0, f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(&self.0, f)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(&self.0, f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(&self.0, f)
    }
}

#[cfg(test)]
mod tests;
