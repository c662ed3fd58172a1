//! A load generator for any endpoint that speaks the Amazon SQS API.
//!
//! It answers three questions about a queue server: how much CPU a message
//! costs, how long a request takes, and whether everything that was
//! acknowledged really arrives, once and in order. Because the first answer is
//! only worth something when the generator is cheaper than the server, it has
//! an HTTP client of its own that does one `write` and one `read` a request,
//! on threads that share nothing.
//!
//! What it deliberately does not know: anything of the server's insides. It
//! shares no code with it and talks to it only through a socket (and through
//! `/proc` when it is told the server's process id). It does not speak TLS.
//!
//! Where to start reading: [`Options`] says what can be asked for, `run` sets
//! the queues up and takes them down, `fleet` owns the threads, and each
//! workload has a file under `workload`. [`depth`] is a benchmark of its own: it
//! starts servers and measures what a deep backlog costs.

mod client;
pub mod depth;
mod duration;
mod error;
mod fleet;
mod http;
mod ledger;
mod options;
mod pacer;
mod payload;
pub mod process;
mod progress;
mod protocol;
mod report;
mod run;
pub mod server;
mod tally;
mod workload;

pub use error::Error;
pub use options::{Credentials, JsonTarget, Options, Protocol, WorkloadKind};
pub use report::{Latency, Report, Row, Section, Verification};
pub use run::{conduct, run};
