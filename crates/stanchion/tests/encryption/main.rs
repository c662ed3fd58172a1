//! Encryption at rest, by the binary: nothing of a message can be read from the disk, and nothing works without the keys.

#[path = "../serve/harness.rs"]
#[allow(dead_code, reason = "it is shared with other tests")]
mod harness;

mod keys;
mod manual;
mod plaintext;
mod queues;

use std::path::Path;

use harness::{run, stanchion};

/// Runs a command that must succeed; returns its standard output.
fn ok(arguments: &[&str]) -> String {
    let (code, out, error) = run(stanchion(arguments));
    assert_eq!(code, 0, "{arguments:?}: {out} {error}");
    out
}

/// Runs a command that must fail; returns what it said.
fn refused(arguments: &[&str]) -> String {
    let (code, out, error) = run(stanchion(arguments));
    assert_eq!(code, 1, "{arguments:?}: {out} {error}");
    out + &error
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
