//! Key management services: they keep keys that never leave them, and hand out data keys wrapped under those.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::DataKey;

mod local;

pub use local::LocalKeys;

/// What becomes of a question to a service.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send + 'a>>;

/// A key management service.
///
/// `context` says what a data key is for. It is no secret; who opens the key must give the same.
pub trait KeyService: Send + Sync + fmt::Debug {
    /// Draws a data key and wraps it under a key of the service, which is named by its id, its ARN, or an alias.
    fn generate<'a>(&'a self, key: &'a str, context: &'a str) -> Answer<'a, Generated>;

    /// Opens a data key. What is wrapped says under which key.
    fn open<'a>(&'a self, wrapped: &'a [u8], context: &'a str) -> Answer<'a, DataKey>;
}

/// A new data key.
#[derive(Debug)]
pub struct Generated {
    /// The key.
    pub key: DataKey,
    /// The key as the service opens it again.
    pub wrapped: Vec<u8>,
}

/// Why there is no data key to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of refusal it is.
    pub reason: Reason,
    /// The words of the service.
    pub text: String,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(reason: Reason, text: impl Into<String>) -> Refusal {
        Refusal { reason, text: text.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.name(), self.text)
    }
}

impl std::error::Error for Refusal {}

/// A kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Whoever asks may not use the key.
    AccessDenied,
    /// The key is disabled.
    Disabled,
    /// The key is not one that encrypts data keys, or not the one that the data key is wrapped under.
    InvalidKeyUsage,
    /// The key is about to be deleted, or not yet there.
    InvalidState,
    /// There is no such key.
    NotFound,
    /// The account has not subscribed to the service.
    OptInRequired,
    /// The service is asked too often.
    Throttled,
    /// The service gives no answer, or one that makes no sense. It may do so later.
    Unavailable,
    /// What is wrapped was changed, or is for another purpose.
    Damaged,
}

impl Reason {
    /// Returns the words for a log.
    pub fn name(self) -> &'static str {
        match self {
            Reason::AccessDenied => "access denied",
            Reason::Disabled => "disabled",
            Reason::InvalidKeyUsage => "invalid key usage",
            Reason::InvalidState => "invalid state",
            Reason::NotFound => "not found",
            Reason::OptInRequired => "not subscribed",
            Reason::Throttled => "throttled",
            Reason::Unavailable => "unavailable",
            Reason::Damaged => "damaged",
        }
    }
}
