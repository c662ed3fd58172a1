//! The vocabulary of the codec: how single values are written and read.

use stanchion_types::{AccountId, MessageId, QueueArn, QueueName, Region, Timestamp};

use super::Damage;
use crate::ids::MessageKey;

/// Writing: an extension of byte vectors.
pub(crate) trait Put {
    /// Appends a byte.
    fn u8(&mut self, value: u8);
    /// Appends a number in as few bytes as it needs.
    fn u64(&mut self, value: u64);
    /// Appends bytes as they are.
    fn raw(&mut self, bytes: &[u8]);

    /// Appends a truth value.
    fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Appends eight bytes: for digests, which have no small values.
    fn fixed64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends sixteen bytes.
    fn fixed128(&mut self, value: u128) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends a message id.
    fn id(&mut self, id: &MessageId) {
        self.raw(&id.0);
    }

    /// Appends a moment.
    fn time(&mut self, at: Timestamp) {
        self.u64(at.millis());
    }

    /// Appends text.
    fn text(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.raw(text.as_bytes());
    }

    /// Appends an ARN.
    fn arn(&mut self, arn: &QueueArn) {
        self.text(arn.region.as_str());
        self.text(arn.account.as_str());
        self.text(arn.name.as_str());
    }

    /// Appends a value that may be absent.
    fn option<T>(&mut self, value: Option<&T>, put: impl FnOnce(&mut Self, &T))
    where
        Self: Sized,
    {
        self.bool(value.is_some());
        if let Some(value) = value {
            put(self, value);
        }
    }

    /// Appends a list.
    fn list<T>(&mut self, items: &[T], mut put: impl FnMut(&mut Self, &T))
    where
        Self: Sized,
    {
        self.u64(items.len() as u64);
        for item in items {
            put(self, item);
        }
    }

    /// Appends message keys.
    fn keys(&mut self, keys: &[MessageKey])
    where
        Self: Sized,
    {
        self.list(keys, |out, key| out.u64(key.0));
    }

    /// Appends pairs of text.
    fn pairs(&mut self, pairs: &[(String, String)])
    where
        Self: Sized,
    {
        self.list(pairs, |out, (key, value)| {
            out.text(key);
            out.text(value);
        });
    }
}

impl Put for Vec<u8> {
    fn u8(&mut self, value: u8) {
        self.push(value);
    }

    fn u64(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Reading: a cursor that never goes past the end.
pub(crate) struct Get<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Get<'a> {
    /// Starts at the first of these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Get { bytes, at: 0 }
    }

    /// Returns how far the cursor is.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Tells whether everything was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Reports that the bytes make no sense.
    pub(crate) fn damage(&self, what: &'static str) -> Damage {
        Damage { what, left: self.bytes.len() - self.at }
    }

    fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Damage> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or_else(|| self.damage(what))?;
        self.at += length;
        Ok(taken)
    }

    /// Passes over bytes.
    pub(crate) fn skip(&mut self, length: usize) -> Result<(), Damage> {
        self.take(length, "content").map(|_| ())
    }

    /// Reads a byte.
    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Damage> {
        Ok(self.take(1, what)?[0])
    }

    /// Reads a number.
    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Damage> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(what)?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(self.damage(what));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damage(what))
    }

    /// Reads a number of 32 bits.
    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Damage> {
        let value = self.u64(what)?;
        u32::try_from(value).map_err(|_| self.damage(what))
    }

    /// Reads a truth value.
    pub(crate) fn bool(&mut self) -> Result<bool, Damage> {
        match self.u8("truth value")? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damage("truth value")),
        }
    }

    /// Reads eight bytes.
    pub(crate) fn fixed64(&mut self) -> Result<u64, Damage> {
        let bytes = self.take(8, "digest")?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    /// Reads sixteen bytes.
    pub(crate) fn fixed128(&mut self) -> Result<u128, Damage> {
        let bytes = self.take(16, "digest")?;
        Ok(u128::from_le_bytes(bytes.try_into().expect("sixteen bytes were taken")))
    }

    /// Reads a message id.
    pub(crate) fn id(&mut self) -> Result<MessageId, Damage> {
        let bytes = self.take(16, "message id")?;
        Ok(MessageId(bytes.try_into().expect("sixteen bytes were taken")))
    }

    /// Reads a moment.
    pub(crate) fn time(&mut self) -> Result<Timestamp, Damage> {
        Ok(Timestamp::from_millis(self.u64("time")?))
    }

    /// Reads a length that the remaining bytes can hold.
    pub(crate) fn length(&mut self) -> Result<usize, Damage> {
        let length = self.u64("length")?;
        let left = self.bytes.len() - self.at;
        usize::try_from(length).ok().filter(|&length| length <= left).ok_or_else(|| self.damage("length"))
    }

    /// Reads text.
    pub(crate) fn text(&mut self) -> Result<String, Damage> {
        let length = self.length()?;
        let bytes = self.take(length, "text")?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| self.damage("text"))
    }

    /// Reads an ARN.
    pub(crate) fn arn(&mut self) -> Result<QueueArn, Damage> {
        let (region, account, name) = (self.text()?, self.text()?, self.text()?);
        let parts = (Region::new(&region), AccountId::new(&account), QueueName::new(&name));
        let (Some(region), Some(account), Some(name)) = parts else { return Err(self.damage("queue name")) };
        Ok(QueueArn { region, account, name })
    }

    /// Reads a value that may be absent.
    pub(crate) fn option<T>(&mut self, get: impl FnOnce(&mut Self) -> Result<T, Damage>) -> Result<Option<T>, Damage> {
        if self.bool()? { get(self).map(Some) } else { Ok(None) }
    }

    /// Reads a list.
    pub(crate) fn list<T>(&mut self, mut get: impl FnMut(&mut Self) -> Result<T, Damage>) -> Result<Vec<T>, Damage> {
        // Every item takes at least a byte, so a length beyond the rest is damage, not a reason to reserve memory.
        let length = self.length()?;
        let mut items = Vec::with_capacity(length.min(4096));
        for _ in 0..length {
            items.push(get(self)?);
        }
        Ok(items)
    }

    /// Reads message keys.
    pub(crate) fn keys(&mut self) -> Result<Vec<MessageKey>, Damage> {
        self.list(|input| Ok(MessageKey(input.u64("key")?)))
    }

    /// Reads pairs of text.
    pub(crate) fn pairs(&mut self) -> Result<Vec<(String, String)>, Damage> {
        self.list(|input| Ok((input.text()?, input.text()?)))
    }
}
