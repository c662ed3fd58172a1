//! The report: the server beside the ladder, one work after the other, each in
//! rounds that take turns.
//!
//! Every figure is the median of its rounds, and every ratio the median of the
//! ratios within a round: what disturbs the machine for a while disturbs both
//! sides. All programs are loaded by the same generator, which runs in this
//! process and shares the machine with them.

mod disk;
mod figures;
mod machine;
mod plot;
mod row;
mod stage;
mod subject;
mod table;
mod works;

use machine::Machine;
use row::Row;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stage::Stage;
use std::fs;
use std::path::{Path, PathBuf};
use subject::Programs;
use works::Work;

/// What to measure, and where to write it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The server's binary.
    #[arg(long, value_name = "FILE")]
    server: PathBuf,

    /// Only this work; may be repeated. All of them when left out.
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Work>,

    /// How often each program takes its turn in each work.
    #[arg(long, default_value_t = 5, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Messages of a run that sends one by one; the others are scaled with it.
    #[arg(long, short = 'n', default_value_t = 200_000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    messages: u64,

    /// Where to make the data directories; each goes when its program ends.
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,

    /// Where the report goes: .md and .svg are appended.
    #[arg(long, default_value = "docs/bench-report", value_name = "PATH")]
    out: PathBuf,
}

/// Bytes of a body, unless a work says otherwise.
const SIZE: usize = 1024;
/// Connections, unless a work says otherwise.
const CONNECTIONS: usize = 64;

/// This function measures, and writes the report after every work, so that one
/// that is broken off has shown what it has. A work that fails is named in the
/// report, and the next one begins.
///
/// # Errors
///
/// What could not be measured, because a program did not start or a request
/// failed; an interrupt; a report that cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    allow_connections();
    let machine = Machine::look(&options.server, &options.dir)?;
    let works = if options.only.is_empty() { Work::all() } else { options.only.clone() };
    let programs = Programs::new(&options.server)?;
    let stage = Stage::new(options, programs)?;
    let (mut rows, mut failures): (Vec<Row>, Vec<String>) = Default::default();
    for work in works {
        eprintln!("{}: {}", work.name(), work.description());
        match work.measure(&stage) {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                eprintln!("  {error}");
                failures.push(format!("{}: {error}", work.name()));
            }
        }
        publish(options, &machine, &rows, &failures)?;
        if stage.interrupted() {
            return Err("interrupted".to_owned());
        }
    }
    println!("{}", table::markdown(&rows));
    if failures.is_empty() { Ok(()) } else { Err(format!("not measured: {}", failures.join("; "))) }
}

fn publish(options: &Options, machine: &Machine, rows: &[Row], failures: &[String]) -> Result<(), String> {
    let (text, picture) = (with_ending(&options.out, "md"), with_ending(&options.out, "svg"));
    let name = picture.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let page = table::page(machine, rows, failures, options.rounds, &name);
    for (path, content) in [(text, page), (picture, plot::svg(rows))] {
        fs::write(&path, content).map_err(|source| format!("--out: {}: {source}", path.display()))?;
    }
    Ok(())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Allows this process, and those that it starts, as many connections as the
/// system lets it have.
fn allow_connections() {
    let limit = getrlimit(Resource::Nofile);
    // Where it stays as it is, a run that needs more says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
