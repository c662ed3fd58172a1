//! Stories of queues, one line a step:
//!
//!     time  command  arguments  => what the caller hears, then what parked receives (w1, w2, ..) hear
//!
//! A story is played through a shard whose journal is durable at once. Stories without parked receives are played
//! again with a restart after every step, from a snapshot or by replay in turns, and have to come out the same.

mod driven;
mod look_ups;
mod script;
mod stories_fifo;
mod stories_given_back;
mod stories_import;
mod stories_memory;
mod stories_moves;
mod stories_originals;
mod stories_queues;
mod stories_standard;
mod sweeps;
mod turns;
