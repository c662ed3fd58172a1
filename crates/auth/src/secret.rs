//! The secret half of an access key.

use std::fmt;

use zeroize::Zeroizing;

/// A secret. It is wiped from memory when it is dropped, and shows itself in no log.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret over.
    pub fn new(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }

    /// Returns the text. Whoever prints it tells it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
