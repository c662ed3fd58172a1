//! Counts the instructions that the server executes for each kind of request, and compares them with the figures that
//! are committed.
//!
//! Time says little on a machine that others share; the number of instructions hardly depends on who else is there. So
//! the release binary runs under callgrind and one client asks it for one thing at a time. A run with more requests of
//! one kind minus a run without them is what these requests cost: start, end and whatever else both runs do cancel out.
//! Kernel time is not in it, nor what many callers save by sharing a sync; for those there is the report of the
//! yardstick.

mod client;
mod figures;
mod run;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::process;
use crate::toolchain::{self, Toolchain};
use figures::{Figure, Verdict};
use run::Counts;

/// How long the build may take.
const BUILD: Duration = Duration::from_secs(1800);
/// What callgrind counts depends on the machine's language.
const ARCHITECTURE: &str = "x86_64";

/// A kind of request: its run, and the run that does all the same except for it.
struct Kind {
    name: &'static str,
    more: Counts,
    less: Counts,
    /// How many more of these requests the first of them makes.
    requests: u64,
}

/// Requests that every run makes of every kind before: caches are filled and buffers have their size.
const WARM: u64 = 100;
/// How many more requests of a kind its run makes.
const SINGLE: u64 = 2500;
const BATCH: u64 = 600;

const BASE: Counts = Counts {
    sends: WARM,
    query_sends: WARM,
    fifo_sends: WARM,
    batches: WARM,
    empty_receives: WARM,
    receives: WARM,
    deletes: WARM,
};
const RECEIVES: Counts = Counts { receives: WARM + BATCH, ..BASE };

#[rustfmt::skip] // one line each
const KINDS: &[Kind] = &[
    kind("SendMessage, 1 KiB", Counts { sends: WARM + SINGLE, ..BASE }, BASE, SINGLE),
    kind("SendMessage, 1 KiB, Query protocol", Counts { query_sends: WARM + SINGLE, ..BASE }, BASE, SINGLE),
    kind("SendMessage, 1 KiB, FIFO", Counts { fifo_sends: WARM + SINGLE, ..BASE }, BASE, SINGLE),
    kind("SendMessageBatch, 10 of 1 KiB", Counts { batches: WARM + BATCH, ..BASE }, BASE, BATCH),
    kind("ReceiveMessage, 10 of 1 KiB", RECEIVES, BASE, BATCH),
    kind("DeleteMessageBatch, 10", Counts { deletes: WARM + BATCH, ..RECEIVES }, RECEIVES, BATCH),
    kind("ReceiveMessage, nothing there", Counts { empty_receives: WARM + SINGLE, ..BASE }, BASE, SINGLE),
];

const fn kind(name: &'static str, more: Counts, less: Counts, requests: u64) -> Kind {
    Kind { name, more, less, requests }
}

/// This function counts and compares, as a step of the test command; `false` when a request has become dearer.
///
/// # Errors
///
/// A sentence when nothing can be counted: no valgrind where every toolchain is required, a server that does not do
/// what it is asked.
pub(crate) fn check(arguments: &Arguments) -> Result<bool, String> {
    toolchain::install(&[Toolchain::Valgrind]);
    if let Err(missing) = Toolchain::Valgrind.check() {
        if arguments.require_all {
            return Err(missing);
        }
        println!("left out: {missing}");
        return Ok(true);
    }
    if std::env::consts::ARCH != ARCHITECTURE {
        println!("left out: the committed figures are of {ARCHITECTURE}, this is {}", std::env::consts::ARCH);
        return Ok(true);
    }
    let page = read()?;
    let (known, tools) = (figures::parse(&page)?, figures::tools());
    if !page.contains(&tools) {
        println!("left out: the committed figures were not made with {tools}");
        return Ok(true);
    }
    let counted = count()?;
    let judged = figures::judge(&known, &counted);
    for (figure, verdict) in counted.iter().zip(&judged) {
        println!("{:40} {:>9}  {verdict}", figure.name, figure.instructions);
    }
    if judged.iter().any(Verdict::is_improvement) {
        println!("hold what was gained with: cargo xtask instructions --bless");
    }
    let passed = judged.iter().all(Verdict::is_well);
    if !passed {
        println!(
            "if it is worth its price, say so in the commit that has the output of: cargo xtask instructions --bless"
        );
    }
    Ok(passed)
}

/// This function counts and writes the figures that later runs are compared with.
///
/// # Errors
///
/// A sentence when nothing can be counted, or the file cannot be written.
pub(crate) fn bless() -> Result<bool, String> {
    toolchain::install(&[Toolchain::Valgrind]);
    Toolchain::Valgrind.check()?;
    let counted = count()?;
    let path = path();
    fs::write(&path, figures::page(&counted)).map_err(|source| format!("{}: {source}", path.display()))?;
    println!("{} is written", path.display());
    Ok(true)
}

fn path() -> PathBuf {
    process::root().join("docs").join("instructions.md")
}

fn read() -> Result<String, String> {
    let path = path();
    fs::read_to_string(&path).map_err(|source| format!("{}: {source}", path.display()))
}

/// Counts every kind of request. Each set of requests runs once, although several kinds are compared with it.
fn count() -> Result<Vec<Figure>, String> {
    let mut build = process::cargo();
    build.args(["build", "--release", "--quiet", "--package", "stanchion"]);
    process::run(build, BUILD)?;
    let mut sets: Vec<Counts> = Vec::new();
    for set in KINDS.iter().flat_map(|kind| [kind.less, kind.more]) {
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    let totals = run::all(&sets)?;
    let total = |set: Counts| sets.iter().position(|other| *other == set).map_or(0, |at| totals[at]);
    let figures = KINDS.iter().map(|kind| {
        let more = total(kind.more).saturating_sub(total(kind.less));
        Figure { name: kind.name.to_owned(), instructions: more / kind.requests }
    });
    Ok(figures.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_differs_from_what_it_is_compared_with_in_its_own_requests_only() {
        for kind in KINDS {
            assert_eq!(kind.more.sum() - kind.less.sum(), kind.requests, "{}", kind.name);
        }
    }

    #[test]
    fn every_kind_has_a_committed_figure_and_every_figure_its_kind() {
        let known = figures::parse(&read().expect("the page is there")).expect("the page has a table");
        let names: Vec<_> = known.iter().map(|figure| figure.name.as_str()).collect();
        assert_eq!(names, KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>());
    }
}
