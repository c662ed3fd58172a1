//! The report: the server beside the ladder, one work after the other, each in
//! rounds that take turns.
//!
//! Every figure is the median of its rounds, and every ratio the median of the
//! ratios within a round: what disturbs the machine for a while disturbs both
//! sides. All programs are loaded by the same generator, which runs in this
//! process and shares the machine with them.

mod beside;
mod disk;
mod figures;
mod machine;
mod plot;
mod row;
mod stage;
mod subject;
mod table;
mod works;

use beside::Beside;
use machine::Machine;
use row::Row;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stage::Stage;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
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
    #[arg(long, short = 'n', default_value_t = MESSAGES_USUAL, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    messages: u64,

    /// Measure other servers beside, as far as their software is in this directory or in the system.
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,

    /// Three rounds of a tenth of the messages: does it work, and roughly how well?
    #[arg(long, conflicts_with_all = ["rounds", "messages"])]
    quick: bool,

    /// Where to make the data directories; each goes when its program ends.
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,

    /// Where the report goes: .md and .svg are appended.
    #[arg(long, default_value = "docs/bench-report", value_name = "PATH")]
    out: PathBuf,
}

/// Bytes of a body, unless a work says otherwise.
pub(crate) const SIZE: usize = 1024;
/// Connections, unless a work says otherwise.
pub(crate) const CONNECTIONS: usize = 64;

/// Messages of a run that sends one by one, when nobody says: with them, all of
/// the report takes about half an hour on a small machine with nothing else to
/// do.
pub(crate) const MESSAGES_USUAL: u64 = 125_000;

/// What `--quick` makes of the rounds, and of the messages.
const QUICK_ROUNDS: u32 = 3;
const QUICK_SHARE: u64 = 10;

/// This function measures, and writes the report after every work, so that one
/// that is broken off has shown what it has. A work that fails is named in the
/// report, and the next one begins.
///
/// # Errors
///
/// What could not be measured, because a program did not start or a request
/// failed; an interrupt; a report that cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let options = &options.clone().resolved();
    allow_connections();
    let machine = Machine::look(&options.server, &options.dir)?;
    let all = Work::all().into_iter().filter(|work| *work != Work::Peers || options.peers.is_some());
    let works = if options.only.is_empty() { all.collect() } else { options.only.clone() };
    let programs = Programs::new(&options.server)?;
    let stage = Stage::new(options, programs)?;
    let mut found = Found::default();
    let began = Instant::now();
    for work in works {
        eprintln!("{:.0} s: {}: {}", began.elapsed().as_secs_f64(), work.name(), work.description());
        let measured = match work {
            Work::Peers => beside::measure(&stage).map(|(besides, failures)| {
                found.besides = besides;
                found.failures.extend(failures);
            }),
            _ => work.measure(&stage).map(|rows| found.rows.extend(rows)),
        };
        if let Err(error) = measured {
            eprintln!("  {error}");
            found.failures.push(format!("{}: {error}", work.name()));
        }
        publish(options, &machine, &found)?;
        if stage.interrupted() {
            return Err("interrupted".to_owned());
        }
    }
    println!("{}", table::markdown(&found.rows));
    if found.failures.is_empty() { Ok(()) } else { Err(format!("not measured: {}", found.failures.join("; "))) }
}

/// What was measured so far.
#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    /// Other servers, and the server itself in their turns.
    besides: Vec<Beside>,
    /// What was not measured, and why.
    failures: Vec<String>,
}

impl Options {
    /// This function puts what `--quick` stands for in its place.
    fn resolved(mut self) -> Self {
        if self.quick {
            (self.rounds, self.messages) = (QUICK_ROUNDS, self.messages / QUICK_SHARE);
        }
        self
    }
}

fn publish(options: &Options, machine: &Machine, found: &Found) -> Result<(), String> {
    let (text, picture) = (with_ending(&options.out, "md"), with_ending(&options.out, "svg"));
    let name = picture.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let page = table::page(machine, found, options, &name);
    let charted: Vec<Row> = found.rows.iter().cloned().chain(found.besides.iter().flat_map(Beside::rows)).collect();
    for (path, content) in [(text, page), (picture, plot::svg(&charted))] {
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
