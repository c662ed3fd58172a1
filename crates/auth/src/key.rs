//! Keys that sign, and how they are derived.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use stanchion_policy::Principal;
use stanchion_types::Region;
use zeroize::Zeroizing;

use crate::claim::Credential;
use crate::secret::Secret;

/// What an access key signs with on a day, in a region, for a service.
pub(crate) struct SigningKey {
    mac: Hmac<Sha256>,
    /// Whose it is.
    pub(crate) principal: Arc<Principal>,
    /// The region that requests of this scope mean.
    pub(crate) region: Region,
    /// What it is good for, if it is temporary.
    pub(crate) temporary: Option<Temporary>,
}

/// What a temporary key is good for.
#[derive(Debug)]
pub(crate) struct Temporary {
    /// The token that has to come along.
    pub(crate) token: Box<str>,
    /// The first second in which it is over.
    pub(crate) expires: u64,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("principal", &self.principal.arn).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Derives the key for a scope.
    pub(crate) fn derive(secret: &Secret, scope: &Credential<'_>, principal: Arc<Principal>, region: Region) -> Self {
        let mut first = Zeroizing::new(String::with_capacity(4 + secret.reveal().len()));
        first.push_str("AWS4");
        first.push_str(secret.reveal());
        let mut mac = keyed(first.as_bytes());
        for part in scope.scope.split('/') {
            mac.update(part.as_bytes());
            let next = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
            mac = keyed(&*next);
        }
        SigningKey { mac, principal, region, temporary: None }
    }

    /// Tells whether a request brings the session token along that belongs to the key, or none if none does.
    pub(crate) fn goes_with(&self, token: Option<&str>) -> bool {
        self.temporary.as_ref().map(|temporary| &*temporary.token) == token
    }

    /// Tells whether a signature is the one of these pieces, in a time that does not depend on where they differ.
    pub(crate) fn fits(&self, pieces: &[&[u8]], signature: &[u8; 32]) -> bool {
        let mut mac = self.mac.clone();
        pieces.iter().for_each(|piece| mac.update(piece));
        mac.verify_slice(signature).is_ok()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}
