//! The long measurement: deep backlogs.

use std::process::Command;
use std::time::Duration;

use crate::process;

/// How long a build may take.
const BUILD: Duration = Duration::from_secs(1800);
/// How long the benchmark may take at its full size.
const DEPTH: Duration = Duration::from_secs(12 * 3600);

/// This function builds the release binary and lets it measure what depth costs.
///
/// # Errors
///
/// A sentence when it cannot be built, or the benchmark fails.
pub(crate) fn depth(words: &[String]) -> Result<bool, String> {
    let mut build = process::cargo();
    build.args(["build", "--release", "--quiet", "--package", "stanchion"]);
    process::run(build, BUILD)?;
    let mut command = Command::new(process::target().join("release").join("stanchion"));
    command.arg("depth").args(words);
    process::run(command, DEPTH).map(|()| true)
}
