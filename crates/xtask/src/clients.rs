//! Drives a server with unmodified client libraries, one suite after another.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::keys::Keys;
use crate::process;
use crate::server::{self, Server};
use crate::suites::{self, Drives, Places, SUITES, Suite, Tally};
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

    let mut world = World::new(arguments.endpoint.clone(), &places.output, &chosen)?;
    let mut outcomes = Vec::new();
    for suite in chosen {
        outcomes.push((suite, run_one(suite, &places, &mut world)));
    }
    let all_well = report(&outcomes, require_all);
    for server in world.servers().filter(|_| !all_well) {
        println!("what the server printed: {}", server.log().display());
    }
    Ok(all_well)
}

/// What the suites drive, and how they get in.
struct World {
    /// A server that somebody else has started; with it there is neither of our own.
    given: Option<String>,
    /// `None` when nothing is started here.
    keys: Option<Keys>,
    shared: Option<Server>,
    anonymous: Option<Server>,
}

impl World {
    /// Starts the servers that the chosen suites need.
    fn new(given: Option<String>, directory: &Path, chosen: &[&Suite]) -> Result<Self, String> {
        let needed = |drives| chosen.iter().any(|suite| suite.drives == drives);
        let mut world = World { given, keys: None, shared: None, anonymous: None };
        if world.given.is_some() && !needed(Drives::Own) {
            return Ok(world);
        }
        server::build()?;
        let keys = world.keys.insert(Keys::create(directory)?);
        if world.given.is_none() && needed(Drives::Shared) {
            let server = world.shared.insert(Server::start(directory, Some(keys))?);
            println!("driving {} with signatures", server.endpoint());
        }
        if world.given.is_none() && needed(Drives::Anonymous) {
            let server = world.anonymous.insert(Server::start(directory, None)?);
            println!("driving {} without", server.endpoint());
        }
        Ok(world)
    }

    fn servers(&self) -> impl Iterator<Item = &Server> {
        self.shared.iter().chain(&self.anonymous)
    }

    /// The server of our own that a suite drives.
    fn server(&mut self, drives: Drives) -> Option<&mut Server> {
        match drives {
            Drives::Shared => self.shared.as_mut(),
            Drives::Anonymous => self.anonymous.as_mut(),
            Drives::Own => None,
        }
    }

    /// Tells a suite where to go and how to sign, and keeps the settings of whoever runs this from it.
    fn hand_to(&mut self, command: &mut Command, drives: Drives) {
        let endpoint = self.server(drives).map(|server| server.endpoint().to_owned()).or_else(|| self.given.clone());
        match endpoint {
            Some(endpoint) => command.env("STANCHION_ENDPOINT", endpoint),
            None => command.env_remove("STANCHION_ENDPOINT"),
        };
        match &self.keys {
            Some(keys) if drives == Drives::Own || (drives == Drives::Shared && self.given.is_none()) => {
                keys.hand_to(command);
                // For suites that start a server of their own.
                command.env("STANCHION_CREDENTIALS", keys.file()).env("STANCHION_BINARY", server::binary());
            }
            // Nobody checks them, or they are in the environment of whoever has started the server.
            _ => default_environment(command, &[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]),
        }
        command
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
}

/// Sets variables that are not set.
fn default_environment(command: &mut Command, variables: &[(&str, &str)]) {
    for (name, value) in variables.iter().filter(|(name, _)| std::env::var_os(name).is_none()) {
        command.env(name, value);
    }
}

fn run_one(suite: &Suite, places: &Places, world: &mut World) -> Outcome {
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
    world.hand_to(&mut command, suite.drives);
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
        world.server(suite.drives).and_then(|server| left_behind(server, suite))
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
    match server.queues() {
        Ok(0) => None,
        Ok(count) => Some(format!("`{}` left {count} queues behind", suite.name)),
        Err(message) => Some(message),
    }
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
