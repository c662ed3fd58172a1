//! The digests that clients compare with their own.

use md5::{Digest as _, Md5 as Md5Hasher};
use stanchion_types::ids::hex_text;
use stanchion_types::message::{AttributeValue, Md5, MessageAttribute};

/// Transport type of text in the digest of attributes.
const TEXT: u8 = 1;
/// Transport type of bytes in the digest of attributes.
const BINARY: u8 = 2;

/// Returns the MD5 of message attributes, `None` if there are none. They must be in ascending order of name.
///
/// Each contributes the length and bytes of name, data type and value; lengths are 32 bits, big-endian, and a byte
/// before the value tells text from binary. The value is hashed as it was sent: SDKs hash what they sent.
pub fn md5_of_attributes<'a>(attributes: impl IntoIterator<Item = &'a MessageAttribute>) -> Option<Md5> {
    let mut attributes = attributes.into_iter().peekable();
    attributes.peek()?;
    let mut hasher = Md5Hasher::new();
    for attribute in attributes {
        update(&mut hasher, attribute.name.as_bytes());
        update(&mut hasher, attribute.data_type.as_bytes());
        match &attribute.value {
            AttributeValue::Text(_) => hasher.update([TEXT]),
            AttributeValue::Binary(_) => hasher.update([BINARY]),
        }
        update(&mut hasher, attribute.value.bytes());
    }
    Some(Md5(hasher.finalize().into()))
}

/// Feeds a part with its length in front.
fn update(hasher: &mut Md5Hasher, part: &[u8]) {
    let length = u32::try_from(part.len()).expect("a request is shorter than 4 GiB");
    hasher.update(length.to_be_bytes());
    hasher.update(part);
}

/// Returns an MD5 as clients read it: 32 lower-case hexadecimal digits.
pub fn md5_text(digest: &Md5) -> String {
    md5_ascii(digest).into_iter().map(char::from).collect()
}

/// Returns the bytes of what [`md5_text`] returns.
pub(crate) fn md5_ascii(digest: &Md5) -> [u8; 32] {
    hex_text(&digest.0)
}

#[cfg(test)]
mod tests;
