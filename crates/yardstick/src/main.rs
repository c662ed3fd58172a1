//! The yardstick: what the work costs on this machine when next to nothing
//! else is done, and how far from that the server is.
//!
//! `yardstick serve` is one of a ladder of programs that do a part of the
//! work, each the cheapest honest one. `yardstick report` starts them and the
//! server, loads all of them in turns, and writes a table and a plot. It
//! deliberately knows nothing of the server's insides: a server is a command
//! that prints its address.
//!
//! Start with [`ladder`] for the programs and [`report`] for the report.

mod ladder;
mod peer;
mod report;

use clap::Parser;
use std::process::ExitCode;

/// Measures a queue server against the cheapest programs that do a part of its work.
#[derive(clap::Parser, Debug)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Serves one rung of the ladder until it is stopped.
    Serve(ladder::Options),

    /// Measures the server beside the ladder, and writes a table and a plot.
    Report(report::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(options) => ladder::serve(&options).map_err(|error| error.to_string()),
        Command::Report(options) => report::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("yardstick: {message}");
            ExitCode::FAILURE
        }
    }
}
