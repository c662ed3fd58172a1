//! The audit trail: one JSON line for each call that somebody may later ask about, written beside the serving threads to
//! a file that rotates, or to standard output.
//!
//! The crate deliberately does not know which calls those are, nor anything of HTTP, policies or queues: whoever answers a
//! call fills in a [`Record`]. It never makes a caller wait: lines that cannot be kept up with are dropped, counted, and
//! the trail itself says how many.
//!
//! Where to begin: [`Record`] is a line, [`Audit`] takes them, `trail` is where they end up.

mod audit;
mod record;
mod trail;

pub use audit::{Audit, BYTES_MAX, LINES_MAX};
pub use record::{Moment, Record};
pub use trail::{Place, Rotation};
