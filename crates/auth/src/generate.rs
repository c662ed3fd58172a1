//! New access keys.

use data_encoding::{BASE32_NOPAD, BASE64};

use crate::secret::Secret;

/// How many random bytes a key is made of.
pub const RANDOM_BYTES: usize = 40;

/// An access key that nobody has yet.
#[derive(Debug)]
pub struct NewKey {
    /// The public half: `AKIA` and 16 capital letters and digits.
    pub id: String,
    /// The secret half: 40 characters of Base64.
    pub secret: Secret,
}

impl NewKey {
    /// Makes a key out of random bytes.
    pub fn generate(random: &[u8; RANDOM_BYTES]) -> Self {
        let (id, secret) = random.split_at(10);
        NewKey { id: format!("AKIA{}", BASE32_NOPAD.encode(id)), secret: Secret::new(BASE64.encode(secret)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_form_that_clients_know() {
        let key = NewKey::generate(&[7; RANDOM_BYTES]);
        assert_eq!((key.id.len(), key.secret.reveal().len()), (20, 40));
        assert!(key.id.starts_with("AKIA"));
    }
}
