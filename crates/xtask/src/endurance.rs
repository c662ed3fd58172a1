//! The long measurements: deep backlogs, the server beside the yardstick, and hours of load.

use std::process::Command;
use std::time::Duration;

use crate::{peers, process};

/// How long a soak takes when nobody says: enough rounds for a judgement on both of its halves.
pub(crate) const SOAK_MINUTES: u64 = 20;
/// How long a build may take.
const BUILD: Duration = Duration::from_secs(1800);
/// How long the benchmark may take at its full size.
const DEPTH: Duration = Duration::from_secs(12 * 3600);
/// How long the report may take, however many rounds.
const REPORT: Duration = Duration::from_secs(12 * 3600);
/// What a soak takes besides its minutes: the build, the last drain.
const SOAK_MORE: Duration = Duration::from_secs(2400);

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

/// This function builds the release binary and the yardstick, and lets the latter measure the former. With `--peers`
/// among the words, it installs other servers before and has them measured too.
///
/// # Errors
///
/// A sentence when they cannot be built, or the measurement fails.
pub(crate) fn bench_report(words: &[String]) -> Result<bool, String> {
    // One after the other: together, the features that the yardstick wants of a library would be the server's too.
    for package in ["stanchion", "stanchion-yardstick"] {
        let mut build = process::cargo();
        build.args(["build", "--release", "--quiet", "--package", package]);
        process::run(build, BUILD)?;
    }
    let release = process::target().join("release");
    let mut command = Command::new(release.join("yardstick"));
    command.arg("report").arg("--server").arg(release.join("stanchion")).current_dir(process::root());
    for word in words {
        command.arg(word);
        if word == peers::WORD {
            command.arg(peers::install()?);
        }
    }
    process::run(command, REPORT).map(|()| true)
}

/// This function runs the soak test against the release binary.
///
/// # Errors
///
/// A sentence when it cannot be built, or finds something.
pub(crate) fn soak(minutes: u64) -> Result<bool, String> {
    let mut command = process::cargo();
    command.args(["test", "--release", "--quiet", "--package", "stanchion", "--test", "crash", "--"]);
    command.args(["--exact", "soak::memory_and_disk_stay_flat_under_load_with_restarts", "--nocapture"]);
    command.env("STANCHION_SOAK_MINUTES", minutes.to_string());
    process::run(command, Duration::from_secs(60 * minutes) + SOAK_MORE).map(|()| true)
}
