//! The binary as a person runs it: start, stop, restart, settings, declared queues, and clients that misbehave.

mod audit;
mod bad_input;
mod clocks;
mod declared;
mod harness;
mod idle;
mod inspect;
mod life;
mod memory;
mod overload;
mod settings;
mod signed;
