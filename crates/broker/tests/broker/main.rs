//! The broker over a journal in memory: what callers see, whatever befalls them or the journal.

mod callers;
mod failures;
mod harness;
mod keys;
mod messages;
mod permissions;
mod retention;
mod room;
mod secrecy;
mod space;
mod stragglers;
mod waiting;
