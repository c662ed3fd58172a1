//! Checks what the workspace is built from with cargo-deny: licences, sources, known vulnerabilities.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::arguments::Arguments;
use crate::process;

/// The release of cargo-deny that `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// How long building cargo-deny may take.
const BUILD_BOUND: Duration = Duration::from_secs(1200);

/// This function checks licences, sources and banned packages, then known vulnerabilities; `false` when something
/// was found. Where the database of vulnerabilities cannot be reached it says so and leaves that part out.
///
/// # Errors
///
/// A sentence when cargo-deny cannot be installed or run.
pub(crate) fn check(_: &Arguments) -> Result<bool, String> {
    let tool = install()?;
    let deny = |checks: &[&str]| {
        let mut command = Command::new(&tool);
        command.current_dir(process::root()).args(["--log-level", "error", "check", "--hide-inclusion-graph"]);
        command.args(checks);
        command
    };
    let kept = deny(&["bans", "licenses", "sources"]).status().map_err(|source| format!("cargo-deny: {source}"))?;
    let advisories = deny(&["advisories"]).stdin(Stdio::null()).output();
    let advisories = advisories.map_err(|source| format!("cargo-deny: {source}"))?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    let unreachable = !advisories.status.success() && said.contains("failed to fetch advisory database");
    if unreachable {
        println!("left out: the database of known vulnerabilities (RustSec) cannot be reached from here");
    } else {
        print!("{}{said}", String::from_utf8_lossy(&advisories.stdout));
    }
    Ok(kept.success() && (advisories.status.success() || unreachable))
}

/// Builds cargo-deny below the target directory, unless it is there.
fn install() -> Result<PathBuf, String> {
    let root = process::target().join("tools");
    let tool = root.join("bin").join("cargo-deny");
    let there = Command::new(&tool).arg("--version").output();
    let fits = |text: &[u8]| String::from_utf8_lossy(text).trim_end().ends_with(VERSION);
    if there.is_ok_and(|output| fits(&output.stdout)) {
        return Ok(tool);
    }
    println!("building cargo-deny {VERSION}, once, which takes some minutes");
    let mut command = process::cargo();
    command
        .args(["install", "--quiet", "--locked", "--force", "--version", VERSION, "cargo-deny", "--root"])
        .arg(&root);
    process::run(command, BUILD_BOUND)?;
    Ok(tool)
}
