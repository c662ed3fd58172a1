//! Durable queue logic: what every command means for queues and messages.
//!
//! A deterministic state machine. [`Engine::decide`] only reads: it answers with events and a reply, a refusal, or
//! the wish for something that is only on disk. [`Engine::apply`] is the only writer, live and at replay. It deliberately
//! knows neither clock, chance, files, threads nor bytes on a socket: time and entropy are arguments.
//!
//! Start with [`command::Command`], then [`event::Event`], then [`queue::Queue`].

pub mod command;
mod decide;
mod due;
mod engine;
pub mod event;
pub mod ids;
mod originals;
mod overflow;
pub mod queue;
mod room;
pub mod salvage;
mod snapshot;
mod survey;
mod survivors;
mod tasks;
pub mod usage;
mod warm;

pub use decide::{Decision, PageWish, Purpose, Wish};
pub use due::Due;
pub use engine::{At, Engine, Options};
pub use originals::{Blocks, ChunkPart, ChunkWish};
pub use queue::Queue;
pub use snapshot::Picture;
pub use survivors::Survivor;
pub use usage::Usage;
