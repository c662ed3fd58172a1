//! The whole binary on broken data directories: what `serve` refuses, what `check` finds, what `check --repair` saves.
//!
//! That nothing wrong is ever served whatever byte is flipped is shown one ring further in, by the `faults` of the broker.

#[path = "../serve/harness.rs"]
#[allow(dead_code, reason = "shared with the tests of `serve`, which use all of it")]
mod harness;

mod at_rest;
mod directory;
mod full_disk;
mod repair;
mod running;
