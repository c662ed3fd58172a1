//! What a deep backlog costs: memory, CPU, latency, disk and restarts.
//!
//! The figures of [`crate::run`] are those of whatever server it is pointed
//! at. This benchmark starts servers of its own, each on an empty directory,
//! because it also stops and kills them. In each scenario the same work (send,
//! receive and delete in rounds) is measured twice in one run: on an empty
//! queue first, and on the deep one then; the ratio is what depth costs. Where
//! many queues are deep, the same ones are measured while they are empty.

mod crew;
mod figures;
mod lot;
mod requests;
mod scenario;
mod works;

use crate::{Error, server};
pub use figures::Figures;
pub use scenario::Scenario;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// Measures what a deep backlog costs, scenario by scenario, on servers that it
/// starts itself, and prints a Markdown table.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Only this scenario; may be repeated. All of them when left out.
    #[arg(long = "scenario", value_enum, value_name = "NAME")]
    pub scenarios: Vec<Scenario>,

    /// Messages in the deepest scenarios; the others are scaled with it.
    #[arg(long, short = 'n', default_value_t = 1_000_000, value_name = "COUNT")]
    pub messages: u64,

    /// The size that the promises are made for: 20,000,000 messages.
    #[arg(long, conflicts_with = "messages")]
    pub full: bool,

    /// Size of a message body in bytes.
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    pub size: usize,

    /// How many connections the generator keeps busy.
    #[arg(long, short = 'c', default_value_t = 16, value_name = "COUNT")]
    pub connections: usize,

    /// Where to make the data directories; each goes when its scenario ends.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,

    /// The server's binary; this one when left out.
    #[arg(long, value_name = "FILE")]
    pub server: Option<PathBuf>,

    /// A further argument for `serve`, such as --server-argument=--durability=memory; may be repeated.
    #[arg(long = "server-argument", value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub server_arguments: Vec<String>,

    /// Append the figures to this file, one JSON object a line and scenario.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Messages with `--full`.
const MESSAGES_FULL: u64 = 20_000_000;
/// With fewer the rounds of work would not fit.
const MESSAGES_MIN: u64 = 10_000;
/// A message's share of pages, frames and snapshots, on top of its body.
const OVERHEAD_BYTES: u64 = 1024;
/// What a server needs besides: segments made in advance, snapshots.
const SPARE_BYTES: u64 = 1 << 30;

impl Options {
    fn check(&self) -> Result<(), Error> {
        let refuse = |text: String| Err(Error::Option(text));
        if !self.full && self.messages < MESSAGES_MIN {
            return refuse(format!("--messages must be at least {MESSAGES_MIN}"));
        }
        let sizes = crate::options::SIZE_MIN..=100 * 1024;
        if !sizes.contains(&self.size) {
            return refuse(format!("--size must be between {} and {}", sizes.start(), sizes.end()));
        }
        if !(1..=1000).contains(&self.connections) {
            return refuse("--connections must be between 1 and 1000".into());
        }
        Ok(())
    }

    /// This function gives the number of messages in the deepest scenarios.
    fn depth(&self) -> u64 {
        if self.full { MESSAGES_FULL } else { self.messages }
    }

    /// This function checks that the disk has room for the largest scenario.
    fn check_room(&self, scenarios: &[Scenario]) -> Result<(), Error> {
        let deepest = scenarios.iter().map(|scenario| scenario.messages(self.depth())).max().unwrap_or(0);
        let needed = deepest * (self.size as u64 + OVERHEAD_BYTES) + SPARE_BYTES;
        let at = |source: std::io::Error| Error::Option(format!("--dir {}: {source}", self.dir.display()));
        let system = rustix::fs::statvfs(&self.dir).map_err(|source| at(source.into()))?;
        let free = system.f_bavail * system.f_frsize;
        eprintln!("disk: up to {:.1} GiB needed, {:.1} GiB free", gib(needed), gib(free));
        if free < needed {
            return Err(Error::Option(format!(
                "--dir {}: {:.1} GiB are free and up to {:.1} GiB are needed; choose another directory or fewer --messages",
                self.dir.display(),
                gib(free),
                gib(needed)
            )));
        }
        Ok(())
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// This function runs the scenarios, tells on standard error how far it is,
/// prints the table to standard output, and returns the figures.
///
/// It blocks, for as long as the scenarios take, and must not be called from
/// within an asynchronous runtime.
///
/// # Errors
///
/// An option that cannot be used, too little room on the disk, a server that
/// does not start, refuses what it must accept, or stops answering.
pub fn run(options: &Options) -> Result<Vec<Figures>, Error> {
    options.check()?;
    let scenarios = if options.scenarios.is_empty() { Scenario::all() } else { options.scenarios.clone() };
    options.check_room(&scenarios)?;
    let mut all = Vec::new();
    for scenario in scenarios {
        eprintln!("{}: {}", scenario.name(), scenario.description());
        let figures = scenario::run(scenario, options)?;
        if let Some(path) = &options.json {
            append(path, &figures.json()).map_err(Error::Output)?;
        }
        all.push(figures);
        // After each scenario: a run that is broken off has shown what it has.
        eprintln!("\n{}", figures::table(&all));
    }
    std::io::stdout().lock().write_all(figures::table(&all).as_bytes()).map_err(Error::Output)?;
    Ok(all)
}

fn append(path: &std::path::Path, line: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{line}")
}

#[cfg(test)]
mod tests;
