//! What is wrong with a policy document.

use std::fmt;

/// Why a document is no policy, in words for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub(crate) String);

impl Fault {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Fault(text.into())
    }

    /// Says in which statement it is.
    pub(crate) fn within(self, statement: &str) -> Self {
        Fault(format!("{statement}: {}", self.0))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}
