//! Backup, restore, export and import, by the binary on data directories of its own.

#[path = "../serve/harness.rs"]
#[allow(dead_code, reason = "it is shared with other tests")]
mod harness;

mod carry;
mod control;
mod copies;
mod load;
mod manual;

use std::path::Path;

use harness::{run, stanchion};
use serde_json::Value;

/// Runs a command that must succeed; returns its standard output.
fn ok(arguments: &[&str]) -> String {
    let (code, out, error) = run(stanchion(arguments));
    assert_eq!(code, 0, "{arguments:?}: {error}");
    if let ["restore", "--from", vault, .., copy] = arguments {
        carry_keyring(Path::new(vault), Path::new(copy));
    }
    out
}

/// Gives a restored directory the keyring of the original, which is no part of a backup.
fn carry_keyring(vault: &Path, copy: &Path) {
    let original = vault.with_file_name("data").join("keyring");
    std::fs::copy(&original, copy.join("keyring")).unwrap_or_else(|error| panic!("{}: {error}", original.display()));
}

/// Runs a command that must fail; returns its standard error.
fn refused(arguments: &[&str]) -> String {
    let (code, out, error) = run(stanchion(arguments));
    assert_eq!(code, 1, "{arguments:?}: {out} {error}");
    error
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Exports everything that a data directory holds.
fn export(data: &Path) -> Vec<String> {
    ok(&["export", "--all", "--plain", "--data-dir", text(data)]).lines().map(str::to_owned).collect()
}

/// Returns the lines of messages.
fn messages(lines: &[String]) -> Vec<Value> {
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    lines.filter(|line| line.get("Body").is_some()).collect()
}
