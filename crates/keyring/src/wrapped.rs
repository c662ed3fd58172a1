//! A data key as it is stored.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

use crate::{KEY_BYTES, NONCE_BYTES, TAG_BYTES};

/// Bytes of a wrapped key: nonce, encrypted key, tag.
pub(crate) const WRAPPED_BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// A data key, encrypted under a key of a keyring. As text: the name of that key, a colon, and base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    pub(crate) under: String,
    pub(crate) bytes: [u8; WRAPPED_BYTES],
}

impl Wrapped {
    /// Returns the name of the key that it is wrapped under.
    pub fn under(&self) -> &str {
        &self.under
    }
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.under, BASE64.encode(&self.bytes))
    }
}

impl FromStr for Wrapped {
    type Err = ();

    fn from_str(text: &str) -> Result<Wrapped, ()> {
        let (under, bytes) = text.split_once(':').ok_or(())?;
        let bytes = BASE64.decode(bytes.as_bytes()).map_err(|_| ())?;
        Ok(Wrapped { under: under.to_owned(), bytes: bytes.try_into().map_err(|_| ())? })
    }
}
