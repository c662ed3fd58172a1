//! The services that signatures are made for.

/// A service that the server is to its clients. A signature is good for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Queues.
    Sqs,
    /// Temporary credentials.
    Sts,
}

impl Service {
    /// Returns the name that the scope of a signature must have.
    pub const fn name(self) -> &'static str {
        match self {
            Service::Sqs => "sqs",
            Service::Sts => "sts",
        }
    }
}
