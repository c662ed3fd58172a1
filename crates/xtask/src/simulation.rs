//! The simulator: fresh seeds, and the proof that it sees.

use std::time::Duration;

use crate::arguments::Arguments;
use crate::process;

/// How long one of its programs may take unless a person has asked for more.
const BOUND: Duration = Duration::from_secs(1800);
/// How long a person may ask for.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the build machine runs: every short sequence, fresh seeds, fresh power cuts, and a few of the planted bugs. That
/// all of them compile is seen before, or one that a change of the sources has broken waits until it is drawn.
const CHECKS: &[(&str, &[&str])] = &[
    ("stanchion-sim", &["exhaustive", "--length", "6"]),
    ("stanchion-sim", &["--seconds", "90", "--start", "fresh"]),
    ("stanchion-sim", &["power-cuts", "--seconds", "30", "--start", "fresh"]),
    ("planted-bugs", &["--check"]),
    // Each is found in seconds where there is nothing else to do.
    ("planted-bugs", &["--sample", "4", "--seconds", "300"]),
];

/// This function runs fresh seeds, by default for ten minutes; the words of the user come last, so they win.
///
/// # Errors
///
/// A sentence when a rule was broken; the simulator has told which.
pub(crate) fn seeds(arguments: &Arguments) -> Result<bool, String> {
    // What is to be run comes before its options.
    let (mode, options): (Vec<_>, Vec<_>) = arguments.passed_on.iter().partition(|word| is_mode(word));
    let sets = |name: &str| options.iter().any(|word| *word == name);
    let mut words: Vec<&str> = mode.into_iter().map(String::as_str).collect();
    if !sets("--start") {
        words.extend(["--start", "fresh"]);
    }
    if !["--seeds", "--seconds", "--minutes", "--length"].into_iter().any(sets) {
        words.extend(["--minutes", "10"]);
    }
    words.extend(options.into_iter().map(String::as_str));
    run("stanchion-sim", &words, PATIENCE)
}

/// This function plants bugs.
///
/// # Errors
///
/// A sentence when one was not found.
pub(crate) fn bugs(arguments: &Arguments) -> Result<bool, String> {
    let words: Vec<&str> = arguments.passed_on.iter().map(String::as_str).collect();
    run("planted-bugs", &words, PATIENCE)
}

/// This function is the step of the build machine.
///
/// # Errors
///
/// A sentence when a rule was broken or a bug not found.
pub(crate) fn check(_: &Arguments) -> Result<bool, String> {
    CHECKS.iter().try_for_each(|(program, words)| run(program, words, BOUND).map(drop)).map(|()| true)
}

fn is_mode(word: &str) -> bool {
    matches!(word, "exhaustive" | "power-cuts")
}

fn run(program: &str, words: &[&str], bound: Duration) -> Result<bool, String> {
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "stanchion-sim", "--bin", program, "--"]).args(words);
    process::run(cargo, bound).map(|()| true)
}
