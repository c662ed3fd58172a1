//! The keyring as a key management service.

use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Answer, Generated, KeyService, Reason, Refusal};
use crate::{DataKey, Keyring, UnwrapError, Wrapped};

/// The keys of a keyring by their names. A queue names one as `NAME`, as `alias/NAME`, or by an ARN that ends in
/// `:key/NAME` or `:alias/NAME`.
#[derive(Debug)]
pub struct LocalKeys {
    keyring: RwLock<Arc<Keyring>>,
}

impl LocalKeys {
    /// Makes the service.
    pub fn new(keyring: Arc<Keyring>) -> LocalKeys {
        LocalKeys { keyring: RwLock::new(keyring) }
    }

    /// Goes over to another keyring. Data keys that are wrapped under a key it does not have cannot be opened any more.
    pub fn replace(&self, keyring: Arc<Keyring>) {
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring;
    }

    fn keyring(&self) -> Arc<Keyring> {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn generate_now(&self, id: &str, context: &str) -> Result<Generated, Refusal> {
        let unavailable = |error: std::io::Error| Refusal::new(Reason::Unavailable, error.to_string());
        let key = DataKey::draw().map_err(unavailable)?;
        let wrapped = self.keyring().wrap_under(name_of(id), &key, &purpose(context)).map_err(unavailable)?;
        match wrapped {
            Some(wrapped) => Ok(Generated { key, wrapped: wrapped.to_string().into_bytes() }),
            None => Err(Refusal::new(Reason::NotFound, format!("Key '{id}' does not exist"))),
        }
    }

    fn open_now(&self, wrapped: &[u8], context: &str) -> Result<DataKey, Refusal> {
        let text = std::str::from_utf8(wrapped).ok();
        let Some(wrapped) = text.and_then(|text| Wrapped::from_str(text).ok()) else {
            return Err(Refusal::new(Reason::Damaged, "this is no wrapped data key"));
        };
        self.keyring().unwrap(&wrapped, &purpose(context)).map_err(|error| match &error {
            UnwrapError::Unknown(name) => Refusal::new(Reason::NotFound, format!("Key '{name}' does not exist")),
            UnwrapError::Wrong(_) => Refusal::new(Reason::Damaged, error.to_string()),
        })
    }
}

impl KeyService for LocalKeys {
    fn generate<'a>(&'a self, key: &'a str, context: &'a str) -> Answer<'a, Generated> {
        Box::pin(std::future::ready(self.generate_now(key, context)))
    }

    fn open<'a>(&'a self, wrapped: &'a [u8], context: &'a str) -> Answer<'a, DataKey> {
        Box::pin(std::future::ready(self.open_now(wrapped, context)))
    }
}

/// Returns the name of a key in the keyring.
fn name_of(id: &str) -> &str {
    let id = match id.strip_prefix("arn:") {
        Some(arn) => arn.rsplit(':').next().unwrap_or_default(),
        None => id,
    };
    id.strip_prefix("alias/").or_else(|| id.strip_prefix("key/")).unwrap_or(id)
}

fn purpose(context: &str) -> Vec<u8> {
    [b"stanchion queue key ", context.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> LocalKeys {
        let mut keyring = Keyring::draw("old").expect("drawn");
        keyring.add("new").expect("drawn");
        LocalKeys::new(Arc::new(keyring))
    }

    #[test]
    fn a_key_of_the_keyring_has_several_names_and_any_other_is_not_found() {
        let keys = keys();
        for id in ["old", "alias/old", "arn:aws:kms:us-east-1:1:key/old", "arn:aws:kms:us-east-1:1:alias/old", "new"] {
            let made = keys.generate_now(id, "q").expect(id);
            let opened = keys.open_now(&made.wrapped, "q").expect(id);
            assert_eq!(opened.secret(), made.key.secret());
        }
        for id in ["", "older", "alias/", "arn:", "alias/alias/old", "arn:aws:kms:us-east-1:1:alias/x"] {
            assert_eq!(keys.generate_now(id, "q").expect_err(id).reason, Reason::NotFound, "{id}");
        }
    }

    #[test]
    fn a_data_key_opens_for_its_own_purpose_only() {
        let keys = keys();
        let made = keys.generate_now("old", "q").expect("made");
        assert_eq!(keys.open_now(&made.wrapped, "r").expect_err("another").reason, Reason::Damaged);
        for damaged in [&b""[..], b"old", b"old:x", b"\xff", &made.wrapped[1..], &made.wrapped[..9]] {
            let refusal = keys.open_now(damaged, "q").expect_err("damaged");
            assert!(matches!(refusal.reason, Reason::Damaged | Reason::NotFound), "{refusal}");
        }
    }

    #[test]
    fn a_key_that_left_the_keyring_is_not_found() {
        let keys = keys();
        let made = keys.generate_now("old", "q").expect("made");
        keys.replace(Arc::new(Keyring::draw("other").expect("drawn")));
        assert_eq!(keys.open_now(&made.wrapped, "q").expect_err("gone").reason, Reason::NotFound);
        assert_eq!(keys.generate_now("old", "q").expect_err("gone").reason, Reason::NotFound);
    }
}
