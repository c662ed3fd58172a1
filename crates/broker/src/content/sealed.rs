//! A content that is sealed under a data key of the queue's own key, so that only who may use that key can read it.
//!
//! Version 2, in this order; lengths as in version 1:
//!
//! ```text
//! version  u8       2
//! context  length, text    the ARN of the queue that the message was sent to
//! wrapped  length, bytes   the data key, as the key management service opens it
//! number   u64 LE          the nonce; no other content under this data key has the same
//! content of version 1, encrypted
//! tag      16 bytes
//! ```
//!
//! The tag proves everything up to the wrapped key as well. It does not prove which message has the content: redrives give
//! messages new ids, and that blocks of the journal stay in their places is proved by the journal.

use bytes::Bytes;
use stanchion_keyring::{DataKey, NONCE_BYTES, TAG_BYTES};

use super::{Damage, Reader, put_bytes};

const VERSION: u8 = 2;
const NUMBER_BYTES: usize = 8;

/// A sealed content; everything borrows from its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed<'a> {
    /// From the version to the wrapped key: what all contents under one data key begin with.
    pub(crate) head: &'a [u8],
    /// What the data key is for.
    pub(crate) context: &'a str,
    /// The data key, wrapped.
    pub(crate) wrapped: &'a [u8],
    number: u64,
    sealed: &'a [u8],
}

/// Tells whether a content is sealed.
pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    bytes.first() == Some(&VERSION)
}

/// Writes what all contents under a data key begin with.
pub(crate) fn head(context: &str, wrapped: &[u8]) -> Bytes {
    let mut out = vec![VERSION];
    put_bytes(&mut out, context.as_bytes());
    put_bytes(&mut out, wrapped);
    out.into()
}

/// Seals a content. No two contents may have the same number under one key.
pub(crate) fn seal(head: &[u8], key: &DataKey, number: u64, content: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(head.len() + NUMBER_BYTES + content.len() + TAG_BYTES);
    out.extend_from_slice(head);
    out.extend_from_slice(&number.to_le_bytes());
    let start = out.len();
    out.extend_from_slice(content);
    let tag = key.seal(nonce(number), head, &mut out[start..]);
    out.extend_from_slice(&tag);
    out.into()
}

/// Reads a sealed content, as far as that goes without its key.
///
/// # Errors
/// [`Damage`] if the bytes were not written by [`seal`]; no input panics.
pub(crate) fn parse(bytes: &[u8]) -> Result<Sealed<'_>, Damage> {
    let mut reader = Reader { rest: bytes };
    if reader.byte("version")? != VERSION {
        return Err(reader.damage("version"));
    }
    let context = reader.text("context")?;
    let wrapped = reader.bytes("wrapped key")?;
    let head = &bytes[..bytes.len() - reader.rest.len()];
    let Some((number, sealed)) = reader.rest.split_first_chunk::<NUMBER_BYTES>() else {
        return Err(reader.damage("number"));
    };
    if sealed.len() < TAG_BYTES {
        return Err(reader.damage("tag"));
    }
    Ok(Sealed { head, context, wrapped, number: u64::from_le_bytes(*number), sealed })
}

impl Sealed<'_> {
    /// Opens the content; `None` if it is not as it was sealed, or the key is another one.
    pub(crate) fn open(&self, key: &DataKey) -> Option<Bytes> {
        let (sealed, tag) = self.sealed.split_at(self.sealed.len() - TAG_BYTES);
        let mut content = vec![0; sealed.len()];
        key.open(nonce(self.number), self.head, sealed, tag, &mut content).then(|| content.into())
    }
}

fn nonce(number: u64) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[..NUMBER_BYTES].copy_from_slice(&number.to_le_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> DataKey {
        DataKey::new([byte; 32].into())
    }

    #[test]
    fn what_was_sealed_opens_with_its_key_only() {
        let head = head("arn:aws:sqs:us-east-1:000000000000:q", b"wrapped");
        let bytes = seal(&head, &key(1), 7, b"content");
        assert!(is_sealed(&bytes));
        assert!(!bytes.windows(7).any(|window| window == b"content"));
        let sealed = parse(&bytes).expect("its own bytes");
        assert_eq!((sealed.head, sealed.wrapped), (&head[..], &b"wrapped"[..]));
        assert_eq!(sealed.context, "arn:aws:sqs:us-east-1:000000000000:q");
        assert_eq!(sealed.open(&key(1)).as_deref(), Some(&b"content"[..]));
        assert_eq!(sealed.open(&key(2)), None);
    }

    #[test]
    fn no_bit_can_be_changed_and_no_byte_left_out() {
        let bytes = seal(&head("q", b"wrapped"), &key(1), 7, b"content");
        let opens = |bytes: &[u8]| parse(bytes).ok().and_then(|sealed| sealed.open(&key(1)));
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opens(&changed), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(opens(&bytes[..length]), None, "{length} bytes");
        }
    }

    /// The bytes of version 2. A change of this test is a change of what servers have on their disks.
    #[test]
    fn the_format_is_what_it_was() {
        let hex = data_encoding::HEXLOWER.encode(&seal(&head("q", b"wr"), &key(0), 1, b"hi"));
        let (head, rest) = hex.split_at(2 * 14);
        assert_eq!(head, "02".to_owned() + "0171" + "027772" + "0100000000000000");
        assert_eq!(rest.len(), 2 * (2 + TAG_BYTES));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(sealed) = parse(&bytes) {
                prop_assert!(sealed.open(&key(1)).is_none());
            }
        }
    }
}
