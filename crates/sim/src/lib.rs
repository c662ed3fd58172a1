//! A simulator of one shard, with a judge that knows what the service promises.
//!
//! A seed says what clients ask, how time passes, when the disk is slow, when it fails and when the power goes. The
//! judge keeps a naive model, the shadow, and checks every record, every answer and every counter against it: whatever
//! a real client could notice is noticed here, with the seed that shows it again.
//!
//! What this crate deliberately does not know: sockets, files and the real clock. It drives a shard through the surface
//! that the server uses, over a journal that is only a list, or over the real one on a simulated disk ([`disk`]).
//!
//! Start with [`run::run`], then [`oracle`], then [`shadow`].

pub mod bugs;
pub mod chance;
pub mod coverage;
pub mod disk;
pub mod exhaustive;
pub mod generate;
pub mod habits;
pub mod journal;
pub mod layout;
pub mod oracle;
pub mod run;
pub mod sabotage;
pub mod shadow;
pub mod shrink;
pub mod world;
