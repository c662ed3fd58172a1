//! Drives a server with unmodified client libraries, one suite after another.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::process;
use crate::server::{self, Server};
use crate::suites::{self, Places, SUITES, Suite, Tally};
use crate::toolchain;

/// How long a suite may run; it takes a minute or two where there is nothing else to do.
const SUITE: Duration = Duration::from_secs(900);

/// What became of a suite.
enum Outcome {
    /// It ran; it is well when nothing failed and something passed.
    Ran { tally: Tally, took: Duration, trouble: Option<String> },
    /// Its toolchain is missing.
    LeftOut(String),
}

impl Outcome {
    fn is_well(&self, require_all: bool) -> bool {
        match self {
            Self::Ran { tally, trouble, .. } => trouble.is_none() && tally.failed == 0 && tally.passed > 0,
            Self::LeftOut(_) => !require_all,
        }
    }
}

/// This function runs the suites that were asked for and prints a table; `false` when one failed.
///
/// # Errors
///
/// A sentence when nothing could be run: an unknown name, or a server that does not start.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, String> {
    if arguments.list {
        for suite in SUITES {
            println!("{:12} {}", suite.name, suite.what);
        }
        return Ok(true);
    }
    arguments.check_names(&suites::names())?;
    // Who names a suite wants it run, not left out.
    let require_all = arguments.require_all || !arguments.only.is_empty();
    run_chosen(arguments, require_all, |name| arguments.wants(name))
}

/// This function runs every suite, as a step of the test command.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_all(arguments: &Arguments) -> Result<bool, String> {
    run_chosen(arguments, arguments.require_all, |_| true)
}

fn run_chosen(arguments: &Arguments, require_all: bool, wanted: impl Fn(&str) -> bool) -> Result<bool, String> {
    let chosen: Vec<&Suite> = SUITES.iter().filter(|suite| wanted(suite.name)).collect();
    toolchain::install(&suites::toolchains(&chosen));
    let places = Places { clients: process::root().join("clients"), output: process::target().join("clients") };
    std::fs::create_dir_all(&places.output).map_err(|source| format!("{}: {source}", places.output.display()))?;

    let mut own = match arguments.endpoint {
        Some(_) => None,
        None => Some(Server::start(&places.output)?),
    };
    let given = arguments.endpoint.clone();
    let endpoint = given.or_else(|| own.as_ref().map(|server| server.endpoint().to_owned()));
    let endpoint = endpoint.ok_or("there is no server")?;
    println!("driving {endpoint}");

    let mut outcomes = Vec::new();
    for suite in chosen {
        outcomes.push((suite, run_one(suite, &places, &endpoint, own.as_mut())));
    }
    let all_well = report(&outcomes, require_all);
    if let (false, Some(server)) = (all_well, &own) {
        println!("what the server printed: {}", server.log().display());
    }
    Ok(all_well)
}

fn run_one(suite: &Suite, places: &Places, endpoint: &str, own: Option<&mut Server>) -> Outcome {
    if let Err(missing) = suite.toolchain.check() {
        println!("== {}: left out: {missing}", suite.name);
        return Outcome::LeftOut(missing);
    }
    println!("== {}: {}", suite.name, suite.what);
    let started = Instant::now();
    if let Err(message) = (suite.prepare)(places) {
        return troubled(Tally::default(), started, format!("could not be prepared: {message}"));
    }
    let started = Instant::now();
    let mut command = (suite.command)(places);
    environment(&mut command, endpoint);
    let shown = process::show(&command);
    let output = match process::capture(command, SUITE, |_| {}) {
        Ok(output) => output,
        Err(message) => return troubled(Tally::default(), started, message),
    };
    let tally = (suite.count)(&output.lines);
    let trouble = if output.status.is_none() {
        Some(format!("did not end within {SUITE:?}"))
    } else if !output.succeeded() && tally.failed == 0 {
        Some("its test runner failed".to_owned())
    } else if tally.passed + tally.failed == 0 {
        Some("ran no test".to_owned())
    } else {
        own.and_then(|server| left_behind(server, suite))
    };
    if trouble.is_some() || !output.succeeded() {
        println!("{shown}");
        for line in &output.lines {
            println!("    {line}");
        }
    }
    match trouble {
        Some(trouble) => troubled(tally, started, trouble),
        None => Outcome::Ran { tally, took: started.elapsed(), trouble: None },
    }
}

fn troubled(tally: Tally, started: Instant, trouble: String) -> Outcome {
    println!("   {trouble}");
    Outcome::Ran { tally, took: started.elapsed(), trouble: Some(trouble) }
}

/// Every suite removes its queues. Only on a server of our own is nobody else's queue there.
fn left_behind(server: &mut Server, suite: &Suite) -> Option<String> {
    if !server.is_alive() {
        return Some("the server has ended".to_owned());
    }
    match server::queues(server.endpoint()) {
        Ok(0) => None,
        Ok(count) => Some(format!("`{}` left {count} queues behind", suite.name)),
        Err(message) => Some(message),
    }
}

/// The same dummy identity for every client, and nothing of the settings of whoever runs this.
fn environment(command: &mut Command, endpoint: &str) {
    command
        .env("STANCHION_ENDPOINT", endpoint)
        // For suites that need a server of their own.
        .env("STANCHION_BINARY", process::target().join("release").join("stanchion"))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_ENDPOINT_URL")
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("no_proxy", "127.0.0.1,localhost");
}

fn report(outcomes: &[(&Suite, Outcome)], require_all: bool) -> bool {
    println!();
    println!("{:12} {:>7} {:>7} {:>8}", "suite", "passed", "failed", "seconds");
    let mut sum = Tally::default();
    for (suite, outcome) in outcomes {
        match outcome {
            Outcome::Ran { tally, took, trouble } => {
                // A suite that broke outside of its tests counts as one failure.
                let failed = tally.failed.max(u32::from(trouble.is_some()));
                sum.passed += tally.passed;
                sum.failed += failed;
                let remark = trouble.as_deref().unwrap_or_default();
                let seconds = took.as_secs_f64();
                println!("{:12} {:>7} {failed:>7} {seconds:>8.1}  {remark}", suite.name, tally.passed);
            }
            Outcome::LeftOut(missing) => {
                sum.failed += u32::from(require_all);
                println!("{:12} {:>7} {:>7} {:>8}  left out: {missing}", suite.name, "-", "-", "-");
            }
        }
    }
    let mut all_well = true;
    for (suite, _) in outcomes.iter().filter(|(_, outcome)| !outcome.is_well(require_all)) {
        all_well = false;
        println!("run it again with: cargo xtask clients --only {}", suite.name);
    }
    println!("{} passed, {} failed", sum.passed, sum.failed);
    all_well
}
