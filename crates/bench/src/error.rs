//! Why a run could not be made at all.

use std::fmt;

/// What stopped a run before it could report anything.
///
/// A request that fails during a run is no such error: it is counted in the
/// report.
#[derive(Debug)]
pub enum Error {
    /// An option has a value that cannot be used; the text names the option.
    Option(String),
    /// The endpoint cannot be reached, or refused a request that the run needs
    /// to begin with (creating a queue); the text says which.
    Endpoint(String),
    /// The figures of the process named by `--server-pid` cannot be read.
    Process(String),
    /// The JSON report could not be written.
    Output(std::io::Error),
    /// A thread of the generator could not be started, or ended early.
    Thread(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(text) | Self::Endpoint(text) | Self::Process(text) | Self::Thread(text) => f.write_str(text),
            Self::Output(source) => write!(f, "writing the report: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Output(source) => Some(source),
            _ => None,
        }
    }
}
