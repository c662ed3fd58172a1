//! The journal: numbered records of each shard, in one order, durable before anybody is told so.
//!
//! A shard appends records, one for each group of events it commits together, and hears when they are durable. After a
//! crash it loads its newest snapshot and replays the records after it. The journal is the only thing in Stanchion that
//! must survive; everything else is rebuilt from it.
//!
//! What this crate deliberately does not know: queues, messages, events. A payload is bytes with a checksum. It does
//! not read the clock for a record either: the time in a record is the writer's, so that replay is deterministic.
//!
//! Start with [`Journal`], whose documentation is the contract that every implementation keeps and that
//! [`conformance`] checks. [`Memory`] is the short implementation, for tests and for queues that may be lost; [`Local`]
//! keeps files in a data directory.

pub mod conformance;
mod fault;
mod ids;
pub mod inspect;
mod journal;
pub mod local;
mod memory;
mod record;

pub use fault::Fault;
pub use ids::{Address, Epoch, Position, ShardId};
pub use journal::{FetchDone, Journal, Listener, Room, Stats, Tenure};
pub use local::Local;
pub use memory::Memory;
pub use record::Record;
