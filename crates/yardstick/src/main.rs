//! The yardstick: what the work costs on this machine when next to nothing
//! else is done.
//!
//! `yardstick serve` is one of a ladder of programs that do a part of the
//! work, each the cheapest honest one; `stanchion bench` loads it like any
//! server. It deliberately knows nothing of the server's insides.
//!
//! Start with [`ladder`].

mod ladder;

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
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(options) => ladder::serve(&options).map_err(|error| error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("yardstick: {message}");
            ExitCode::FAILURE
        }
    }
}
