//! The broker: the queue API as a function of a caller and a request.
//!
//! Everybody who wants something of a queue comes through [`Broker::call`]: the HTTP edge today, services inside the
//! server later, so that one place checks what a caller may do. Behind it are the loop around each shard, the
//! receipt handles, and the bytes in which a message's content is stored.
//!
//! It deliberately knows no protocol and no socket: requests arrive as types and answers leave as types.
//!
//! Start with [`Broker::call`], then `driver`, the loop around a shard.

mod admission;
mod attributes;
mod audit;
mod broker;
mod call;
mod caller;
mod carried;
mod clock;
mod content;
mod digests;
mod driver;
mod entropy;
mod failure;
mod handles;
mod md5;
mod policies;
mod repair;
mod restore;
mod room;
mod sealing;
mod secret;
mod snapshots;

pub use audit::{Audit, Found, Part, Unreadable, audit};
pub use broker::{Broker, Options};
pub use caller::{Authority, Caller};
pub use carried::Carried;
pub use failure::Failure;
pub use repair::{Loss, Saved, repair};
pub use restore::{OpenError, Restored, restore, restore_archive, restore_image};
pub use sealing::{KeyBounds, Sealing};
pub use secret::Secret;
