//! Temporary credentials, which carry all that is known of them: nothing is stored for a session.
//!
//! ```text
//! session token, in base64:   version | salt | sealed: access key, secret, terms | tag
//!                             1         32                                         16 bytes
//! ```
//!
//! Every token is sealed under a key of its own, which is derived from the server's and the salt. So no two share a nonce,
//! however many there are.

use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE64};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize, Serializer};
use sha2::Sha256;
use stanchion_keyring::{DataKey, NONCE_BYTES};
use stanchion_types::AccountId;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// How many random bytes a session is made of.
pub const SESSION_RANDOM_BYTES: usize = SALT_BYTES + KEY_BYTES + SECRET_BYTES;

const VERSION: u8 = 1;
const SALT_BYTES: usize = 32;
const KEY_BYTES: usize = 10;
const SECRET_BYTES: usize = 30;
/// The longest token that is looked at. The largest session makes one of less than half of this.
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// What the keys of tokens are derived for.
const PURPOSE: &[u8] = b"stanchion session token";

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bearer {
    /// The account itself.
    Root,
    /// A user, by name.
    User(String),
    /// Whoever has assumed a role.
    Role {
        /// Name of the role.
        role: String,
        /// Name of the session.
        session: String,
    },
}

/// What a session is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Account of the bearer.
    #[serde(with = "account")]
    pub account: AccountId,
    /// Whose session it is.
    pub bearer: Bearer,
    /// When it began, in seconds since 1970.
    pub issued: u64,
    /// The first second in which it is over.
    pub expires: u64,
    /// A policy that it must keep within.
    pub policy: Option<String>,
    /// Names of further such policies. What one of them allows is enough.
    pub policy_names: Vec<String>,
    /// Tags of the session.
    pub tags: Vec<(String, String)>,
    /// Keys of the tags that sessions have which are begun from this one.
    pub passed_on: Vec<String>,
    /// Who is behind it.
    pub source_identity: Option<String>,
}

/// Temporary credentials that were just made.
#[derive(Debug)]
pub struct Issued {
    /// The public half: `ASIA` and 16 capital letters and digits.
    pub access_key: String,
    /// The secret half: 40 characters of base64.
    pub secret: Secret,
    /// What has to come along with every request.
    pub token: String,
}

/// The key that session tokens are sealed under. Whoever has it can be anybody.
pub struct SessionKey(Zeroizing<[u8; SessionKey::BYTES]>);

/// A token that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) access_key: String,
    pub(crate) secret: Secret,
    pub(crate) terms: Terms,
}

#[derive(Serialize, Deserialize)]
struct Content {
    access_key: String,
    #[serde(serialize_with = "reveal")]
    secret: Secret,
    terms: Terms,
}

impl SessionKey {
    /// How long it is.
    pub const BYTES: usize = 32;

    /// Takes a key over.
    pub fn new(bytes: Zeroizing<[u8; SessionKey::BYTES]>) -> Self {
        SessionKey(bytes)
    }

    /// Makes credentials out of random bytes.
    pub(crate) fn issue(&self, terms: Terms, random: &[u8; SESSION_RANDOM_BYTES]) -> Issued {
        let (salt, rest) = random.split_at(SALT_BYTES);
        let (key, secret) = rest.split_at(KEY_BYTES);
        let access_key = format!("ASIA{}", BASE32_NOPAD.encode(key));
        let secret = Secret::new(BASE64.encode(secret));
        let content = Content { access_key, secret, terms };
        let mut bytes = Zeroizing::new(serde_json::to_vec(&content).expect("texts and numbers can be written"));
        let tag = self.derive(salt).seal([0; NONCE_BYTES], &[VERSION], &mut bytes);
        let token = BASE64.encode(&[&[VERSION], salt, &bytes, &tag].concat());
        let Content { access_key, secret, .. } = content;
        Issued { access_key, secret, token }
    }

    /// Opens a token; `None` if it was not sealed under this key, or was changed.
    pub(crate) fn open(&self, token: &str) -> Option<Opened> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let mut bytes = Zeroizing::new(BASE64.decode(token.as_bytes()).ok()?);
        let (head, sealed) = bytes.split_at_mut_checked(1 + SALT_BYTES)?;
        if head[0] != VERSION {
            return None;
        }
        let length = self.derive(&head[1..]).open_in_place([0; NONCE_BYTES], &[VERSION], sealed)?;
        let Content { access_key, secret, terms } = serde_json::from_slice(&sealed[..length]).ok()?;
        Some(Opened { access_key, secret, terms })
    }

    fn derive(&self, salt: &[u8]) -> DataKey {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        mac.update(PURPOSE);
        mac.update(salt);
        DataKey::new(Zeroizing::new(mac.finalize().into_bytes().into()))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey")
    }
}

fn reveal<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.reveal())
}

mod account {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use stanchion_types::AccountId;

    pub(super) fn serialize<S: Serializer>(account: &AccountId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(account.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<AccountId, D::Error> {
        let text = String::deserialize(from)?;
        AccountId::new(&text).ok_or_else(|| de::Error::custom("no account"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SessionKey {
        SessionKey::new(Zeroizing::new([byte; SessionKey::BYTES]))
    }

    fn terms() -> Terms {
        Terms {
            account: AccountId::new("111122223333").expect("an account"),
            bearer: Bearer::Role { role: "worker".into(), session: "s1".into() },
            issued: 1,
            expires: 2,
            policy: Some("{}".into()),
            policy_names: vec!["p".into()],
            tags: vec![("team".into(), "red".into())],
            passed_on: vec!["team".into()],
            source_identity: Some("carl".into()),
        }
    }

    #[test]
    fn a_token_opens_to_what_was_sealed() {
        let issued = key(1).issue(terms(), &[7; SESSION_RANDOM_BYTES]);
        assert_eq!((issued.access_key.len(), &issued.access_key[..4]), (20, "ASIA"));
        assert_eq!(issued.secret.reveal().len(), 40);
        let opened = key(1).open(&issued.token).expect("it opens");
        assert_eq!((opened.access_key, opened.terms), (issued.access_key, terms()));
        assert_eq!(opened.secret.reveal(), issued.secret.reveal());
        assert!(key(2).open(&issued.token).is_none(), "under another key");
    }

    #[test]
    fn a_changed_token_opens_to_nothing() {
        let issued = key(1).issue(terms(), &[7; SESSION_RANDOM_BYTES]);
        let bytes = BASE64.decode(issued.token.as_bytes()).expect("base64");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key(1).open(&BASE64.encode(&changed)).is_none(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(key(1).open(&BASE64.encode(&bytes[..length])).is_none(), "{length} bytes");
        }
        for text in ["", "token", "é", &"A".repeat(TOKEN_BYTES_MAX + 4)] {
            assert!(key(1).open(text).is_none());
        }
    }

    #[test]
    fn nothing_of_a_session_can_be_read_in_its_token() {
        let issued = key(1).issue(terms(), &std::array::from_fn(|at| at as u8));
        let bytes = BASE64.decode(issued.token.as_bytes()).expect("base64");
        for hidden in [issued.secret.reveal(), "worker", "carl", issued.access_key.as_str()] {
            assert!(!bytes.windows(hidden.len()).any(|window| window == hidden.as_bytes()), "{hidden}");
            assert!(!issued.token.contains(hidden));
        }
        assert!(!format!("{issued:?} {:?}", key(1)).contains(issued.secret.reveal()));
    }
}
