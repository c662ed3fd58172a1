//! The project's chores: everything longer than a line that a person or a build machine runs.
//!
//! Deliberately knows nothing of the product's crates: it builds the binary and talks to it from
//! outside, as a user would. It uses the standard library only, so that it is built in a second.
//!
//! Start reading at [`steps`] for what a test run consists of, and at [`clients`] for the suites
//! that drive the server with unmodified client libraries.

mod arguments;
mod clients;
mod dependencies;
mod endurance;
mod instructions;
mod keys;
mod peers;
mod process;
mod server;
mod simulation;
mod steps;
mod suites;
mod tidy;
mod toolchain;

use std::process::ExitCode;

use arguments::{Arguments, Command};

const USAGE: &str = "\
Usage: cargo xtask COMMAND [OPTIONS]

Commands:
  test     Everything that checks the project; installs what it needs where it can
             --fast         leave the client suites out
             --step NAME    only this step (may be repeated)
             --list         print the steps
  ci       What the build machine runs: `test` with every toolchain required
  clients  Only the suites that drive the server with unmodified client libraries
             --only NAME    only this suite (may be repeated)
             --endpoint URL drive a server that is already running
             --require-all  a missing toolchain is an error (also with CI=true)
             --list         print the suites
  sim      The simulator on fresh seeds: ten minutes, or as its own options say (see docs/simulation.md)
             --minutes M    so long
  sim-bugs Bugs planted in a copy of the sources, and how soon the simulator finds each
             --only NAME    only this bug (may be repeated)
             --sample N     only so many, drawn at random
  depth    What a deep backlog costs, measured on the release binary; options as of `stanchion depth`
             --scenario NAME  only this scenario (may be repeated)
             --messages N     messages in the deepest scenarios
             --full           20,000,000 messages
             --json FILE      append the figures as JSON lines
  bench-report  The release binary beside the yardstick: a table and a plot, docs/bench-report.md (see docs/bench.md)
             --only NAME      only this work (may be repeated)
             --peers          other servers too; installs them first, into the user's cache
             --quick          three rounds of a tenth of the messages
             --rounds N       how often each program takes its turn (5)
             --messages N     messages of a run (125,000)
             --dir DIR        where the data directories are made
             --out PATH       where the report goes, without the ending
  instructions  What each kind of request costs, counted under callgrind and compared with docs/instructions.md
             --bless          write that page anew
  soak     Mixed load with restarts, kills and a checker; is memory flat, is disk?
             --minutes N    how long (20)
";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let passed = match arguments.command {
        Command::Help => {
            print!("{USAGE}");
            Ok(true)
        }
        Command::Test => steps::run(&arguments),
        Command::Clients => clients::run(&arguments),
        Command::Sim => simulation::seeds(&arguments),
        Command::SimBugs => simulation::bugs(&arguments),
        Command::Depth => endurance::depth(&arguments.passed_on),
        Command::Instructions if arguments.bless => instructions::bless(),
        Command::Instructions => instructions::check(&arguments),
        Command::BenchReport => endurance::bench_report(&arguments.passed_on),
        Command::Soak => endurance::soak(arguments.minutes.unwrap_or(endurance::SOAK_MINUTES)),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
