//! Breakages: what the client is told, and where the log says more.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use stanchion_types::{Code, Error};

/// A breakage of the server, written to the log under an id that the client gets to see.
#[derive(Clone, Debug)]
pub struct Failure {
    id: Arc<str>,
    reason: Arc<str>,
}

impl Failure {
    /// Writes a breakage to the log and returns it.
    pub(crate) fn report(what: &str, reason: impl fmt::Display) -> Self {
        let mut bits = [0; 8];
        // An id of zeros still finds its line in the log: the text beside it tells breakages apart.
        let _ = getrandom::fill(&mut bits);
        let id: Arc<str> = HEXLOWER.encode(&bits).into();
        let reason = format!("{what}: {reason}");
        tracing::error!(fault = %id, "{reason}");
        Failure { id, reason: reason.into() }
    }

    /// Returns the answer to a request that the breakage met: whether it took effect is not known.
    pub(crate) fn internal(&self) -> Error {
        Error::internal(format!("The server could not complete the request. Its log explains fault {}.", self.id))
    }

    /// Returns the answer to a request that came after the breakage and was not tried.
    pub(crate) fn unavailable(&self) -> Error {
        let text = format!("The server has stopped serving queues. Its log explains fault {}.", self.id);
        Error::new(Code::ServiceUnavailable, text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}: {}", self.id, self.reason)
    }
}

impl std::error::Error for Failure {}
