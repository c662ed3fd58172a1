//! Logs, on standard error: standard output belongs to the lines that tools read.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use crate::settings::LogFormat;

/// Starts logging, for the life of the process.
pub(crate) fn start(filter: &EnvFilter, format: LogFormat) {
    let builder = Subscriber::builder()
        .with_env_filter(filter.clone())
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
