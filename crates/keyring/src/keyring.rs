//! The keys that wrap data keys.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use crate::wrapped::WRAPPED_BYTES;
use crate::{DataKey, KEY_BYTES, NONCE_BYTES, Wrapped};

/// The longest name of a key, in bytes.
const NAME_MAX: usize = 64;

/// Named keys, one of which is the primary: new data keys are wrapped under it, older ones are opened with whichever key
/// they were wrapped under.
///
/// As text it is TOML:
///
/// ```toml
/// primary = "2026-11"
///
/// [keys]
/// 2026-05 = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
/// 2026-11 = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="
/// ```
pub struct Keyring {
    primary: String,
    keys: BTreeMap<String, DataKey>,
}

/// Why a text is no keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringError(String);

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyringError {}

/// Why a keyring does not open a data key. Each names the key that would have to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnwrapError {
    /// It has no key of this name.
    Unknown(String),
    /// Its key of this name is another one, or what is stored was changed.
    Wrong(String),
}

impl fmt::Display for UnwrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnwrapError::Unknown(name) => {
                write!(f, "it is wrapped under key {name:?}, which the keyring does not have")
            }
            UnwrapError::Wrong(name) => {
                write!(f, "it is wrapped under key {name:?}, and the keyring's key of that name does not open it")
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    primary: String,
    keys: BTreeMap<String, String>,
}

impl Keyring {
    /// Draws a keyring of one key.
    ///
    /// # Errors
    /// The system's, if it has no random numbers.
    pub fn draw(name: &str) -> std::io::Result<Keyring> {
        assert!(is_name(name), "names of keys are letters, digits and a few signs");
        Ok(Keyring { primary: name.to_owned(), keys: BTreeMap::from([(name.to_owned(), DataKey::draw()?)]) })
    }

    /// Returns the keyring of one key with some bytes, for tests and for whoever has a key from elsewhere.
    pub fn of(name: &str, secret: Zeroizing<[u8; KEY_BYTES]>) -> Keyring {
        assert!(is_name(name), "names of keys are letters, digits and a few signs");
        Keyring { primary: name.to_owned(), keys: BTreeMap::from([(name.to_owned(), DataKey::new(secret))]) }
    }

    /// Returns the name of the primary key.
    pub fn primary(&self) -> &str {
        &self.primary
    }

    /// Returns the names of all keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Draws a key and makes it the primary one. The others stay, to open what they have wrapped.
    ///
    /// # Errors
    /// The system's, if it has no random numbers.
    pub fn add(&mut self, name: &str) -> std::io::Result<()> {
        assert!(is_name(name), "names of keys are letters, digits and a few signs");
        assert!(!self.keys.contains_key(name), "a key is never replaced by another of its name");
        self.keys.insert(name.to_owned(), DataKey::draw()?);
        self.primary = name.to_owned();
        Ok(())
    }

    /// Returns the text of the keyring.
    pub fn print(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(format!("primary = \"{}\"\n\n[keys]\n", self.primary));
        for (name, key) in &self.keys {
            let secret = Zeroizing::new(BASE64.encode(key.secret()));
            // A dot in a bare key would begin a table.
            *text += &format!("\"{name}\" = \"");
            *text += &secret;
            *text += "\"\n";
        }
        text
    }

    /// Wraps a data key under the primary key. What the data key is for is bound to it: `purpose` must be the same to
    /// open it.
    ///
    /// # Errors
    /// The system's, if it has no random numbers.
    pub fn wrap(&self, key: &DataKey, purpose: &[u8]) -> std::io::Result<Wrapped> {
        Ok(self.wrap_under(&self.primary, key, purpose)?.expect("a keyring has its primary key"))
    }

    /// Wraps a data key as [`wrap`](Keyring::wrap) does, under the key of some name; `None` if there is none.
    ///
    /// # Errors
    /// The system's, if it has no random numbers.
    pub fn wrap_under(&self, name: &str, key: &DataKey, purpose: &[u8]) -> std::io::Result<Option<Wrapped>> {
        let Some(outer) = self.keys.get(name) else { return Ok(None) };
        let mut bytes = [0; WRAPPED_BYTES];
        let (nonce, rest) = bytes.split_at_mut(NONCE_BYTES);
        // A random nonce: a keyring wraps a few thousand keys in its life, and 2^32 would be too many.
        getrandom::fill(nonce).map_err(|error| std::io::Error::other(error.to_string()))?;
        let (sealed, tag) = rest.split_at_mut(KEY_BYTES);
        sealed.copy_from_slice(key.secret());
        let nonce = nonce.try_into().expect("as long as a nonce");
        tag.copy_from_slice(&outer.seal(nonce, purpose, sealed));
        Ok(Some(Wrapped { under: name.to_owned(), bytes }))
    }

    /// Opens a wrapped data key.
    ///
    /// # Errors
    /// That the keyring has not the key that it is wrapped under.
    pub fn unwrap(&self, wrapped: &Wrapped, purpose: &[u8]) -> Result<DataKey, UnwrapError> {
        let key = self.keys.get(&wrapped.under).ok_or_else(|| UnwrapError::Unknown(wrapped.under.clone()))?;
        let (nonce, rest) = wrapped.bytes.split_at(NONCE_BYTES);
        let (sealed, tag) = rest.split_at(KEY_BYTES);
        let nonce = nonce.try_into().expect("as long as a nonce");
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        if !key.open(nonce, purpose, sealed, tag, &mut *secret) {
            return Err(UnwrapError::Wrong(wrapped.under.clone()));
        }
        Ok(DataKey::new(secret))
    }
}

impl FromStr for Keyring {
    type Err = KeyringError;

    /// Reads the text of a keyring. No error shows a part of it but names.
    fn from_str(text: &str) -> Result<Keyring, KeyringError> {
        // The parser's own message would quote the line, which may hold a key.
        let Text { primary, keys: texts } = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            KeyringError(format!(
                "line {line} is not what a keyring has: `primary = \"NAME\"`, and `[keys]` with lines \
                                  `NAME = \"32 bytes in base64\"`"
            ))
        })?;
        let mut keys = BTreeMap::new();
        for (name, mut text) in texts {
            let secret = decode(&text);
            text.zeroize();
            if !is_name(&name) {
                let rule = "1 to 64 letters, digits, dots, hyphens and underscores";
                return Err(KeyringError(format!("{name:?} is no name of a key: {rule}")));
            }
            let secret = secret.ok_or_else(|| KeyringError(format!("key {name:?} must be 32 bytes in base64")))?;
            keys.insert(name, DataKey::new(secret));
        }
        if !keys.contains_key(&primary) {
            return Err(KeyringError(format!("the primary key {primary:?} is not among the keys")));
        }
        Ok(Keyring { primary, keys })
    }
}

fn decode(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).ok()?);
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    if bytes.len() != KEY_BYTES {
        return None;
    }
    secret.copy_from_slice(&bytes);
    Some(secret)
}

fn is_name(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(fine)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().collect();
        f.debug_struct("Keyring").field("primary", &self.primary).field("names", &names).finish()
    }
}

#[cfg(test)]
mod tests;
