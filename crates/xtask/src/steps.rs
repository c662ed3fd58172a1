//! What a test run consists of: one table, one line for each step.

use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::{clients, dependencies, instructions, process, simulation, tidy, toolchain};

/// How long one step may take.
const BOUND: Duration = Duration::from_secs(2400);

/// One thing that is checked.
struct Step {
    name: &'static str,
    what: &'static str,
    job: Job,
}

/// How a step is carried out.
enum Job {
    /// `cargo` with these words.
    Cargo(&'static [&'static str]),
    /// A part of this program; `Ok(false)` when it has said itself what failed.
    Code(fn(&Arguments) -> Result<bool, String>),
}

/// The steps, in order. Add a line to add a step.
#[rustfmt::skip] // one line each
const STEPS: &[Step] = &[
    step("fmt", "formatting", Job::Cargo(&["fmt", "--all", "--check"])),
    step("tidy", "walls between crates, stray words, long files, files named in documents", Job::Code(tidy::check)),
    step("clippy", "lints, warnings denied", Job::Cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])),
    step("dependencies", "licences, sources and known vulnerabilities of dependencies", Job::Code(dependencies::check)),
    step(TEST, "unit and integration tests", Job::Cargo(&["test", "--workspace", "--quiet", "--no-fail-fast"])),
    step("instructions", "no kind of request has become more than 5 % dearer", Job::Code(instructions::check)),
    step("sim", "the simulator: short sequences, fresh seeds, power cuts, planted bugs", Job::Code(simulation::check)),
    step(CLIENTS, "unmodified client libraries against the binary", Job::Code(clients::run_all)),
];

/// The step that needs more than cargo, for tests of faults.
const TEST: &str = "test";

/// The step that `--fast` leaves out.
const CLIENTS: &str = "clients";

const fn step(name: &'static str, what: &'static str, job: Job) -> Step {
    Step { name, what, job }
}

/// This function runs the steps that were asked for, all of them even when one fails, so that one
/// run tells everything; `false` when one failed.
///
/// # Errors
///
/// A sentence when a step is named that does not exist.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, String> {
    let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    if arguments.list {
        for step in STEPS {
            println!("{:12} {}", step.name, step.what);
        }
        return Ok(true);
    }
    arguments.check_names(&names)?;

    toolchain::add_components();
    if arguments.wants(TEST) {
        toolchain::install(&[toolchain::Toolchain::Faults]);
    }
    let mut results = Vec::new();
    for step in STEPS {
        if !arguments.wants(step.name) || (arguments.fast && step.name == CLIENTS) {
            continue;
        }
        println!("\n=== {}: {}", step.name, step.what);
        let started = Instant::now();
        let passed = carry_out(&step.job, arguments).unwrap_or_else(|message| {
            eprintln!("error: {message}");
            false
        });
        results.push((step, passed, started.elapsed()));
    }

    println!();
    for (step, passed, took) in &results {
        let word = if *passed { "ok" } else { "FAILED" };
        println!("{:12} {word:7} {:>7.1} s", step.name, took.as_secs_f64());
    }
    for (step, _, _) in results.iter().filter(|(_, passed, _)| !passed) {
        println!("run it again with: cargo xtask test --step {}", step.name);
    }
    Ok(results.iter().all(|(_, passed, _)| *passed))
}

fn carry_out(job: &Job, arguments: &Arguments) -> Result<bool, String> {
    match job {
        Job::Code(code) => code(arguments),
        Job::Cargo(words) => {
            let mut command = process::cargo();
            command.args(*words);
            process::run(command, BOUND).map(|()| true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_steps_differ() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
