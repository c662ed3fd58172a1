//! The broker over a journal in memory: what callers see, whatever befalls them or the journal.

mod callers;
mod failures;
mod harness;
mod messages;
mod permissions;
mod retention;
mod room;
mod space;
mod stragglers;
mod waiting;
