//! Stanchion: a durable queue server that speaks the Amazon SQS API.
//!
//! This crate only puts the others together: it reads settings, opens a data directory, and runs what was asked for.
//! It deliberately holds no logic of queues, protocols or storage.
//!
//! Start with `commands::serve`.

mod cli;
mod clock;
mod commands;
mod control;
mod credentials;
mod declared;
mod exchange;
mod logging;
mod session_key;
mod settings;
mod storage;
mod vault;
mod words;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let result = match cli.command {
        cli::Command::Serve(flags) => commands::serve::run(&flags),
        cli::Command::Check(arguments) => commands::check::run(&arguments),
        cli::Command::Inspect(arguments) => commands::inspect::run(&arguments),
        cli::Command::Backup(arguments) => commands::backup::run(&arguments),
        cli::Command::Restore(arguments) => commands::restore::run(&arguments),
        cli::Command::Export(arguments) => commands::export::run(&arguments),
        cli::Command::Import(arguments) => commands::import::run(&arguments),
        cli::Command::Keys(arguments) => commands::keys::run(&arguments.command),
        cli::Command::Policy(arguments) => commands::policy::run(&arguments.command),
        cli::Command::Keyring(command) => commands::keyring::run(&command),
        cli::Command::Bench(options) => commands::bench::run(*options),
        cli::Command::Depth(options) => commands::bench::depth(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("stanchion: {stop}");
            ExitCode::from(stop.code)
        }
    }
}
