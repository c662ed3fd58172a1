//! Other servers beside this one.
//!
//! All of them run at the same time and take turns, Stanchion first. Their
//! speeds differ by orders of magnitude, so a turn lasts about as long for
//! each, and carries as many messages as fit.

use super::MESSAGES_USUAL;
use super::figures::Series;
use super::row::{Row, Unit};
use super::stage::{Load, Stage};
use super::subject::{Running, Settings, Subject};
use crate::peer::{Effort, Peer, Software, Task, load};
use stanchion_bench::{Report, Section};

/// How long a turn lasts when the other works have their usual length.
const SECONDS: f64 = 2.0;
/// Messages of the first look at a server, and of the shortest turn.
const LEAST: u64 = 200;

/// How often a server is looked at before its first turn.
const LOOKS: u32 = 3;

/// What is measured of each server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Send,
    SendBatch,
    Consume,
}

impl Part {
    pub(super) const ALL: [Self; 3] = [Self::Send, Self::SendBatch, Self::Consume];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Send => "send one",
            Self::SendBatch => "send ten",
            Self::Consume => "receive ten and delete them",
        }
    }

    /// Whether messages by second mean something: at the end of a backlog, connections wait for more.
    pub(super) fn has_rate(self) -> bool {
        self != Self::Consume
    }

    /// The section of the generator's report that it is.
    fn section(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::SendBatch => "fill",
            Self::Consume => "consume",
        }
    }
}

/// One part of one server, by round.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measure {
    /// Microseconds by message.
    pub(super) cpu: Series,
    /// Messages by second.
    pub(super) rate: Series,
}

/// One server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Beside {
    /// With its version.
    pub(super) name: String,
    pub(super) promise: &'static str,
    /// In the order of [`Part::ALL`].
    pub(super) measures: Vec<Measure>,
}

impl Beside {
    /// This function gives the rows of the charts.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        Part::ALL.into_iter().zip(&self.measures).map(|(part, measure)| {
            let chart = format!("{}, 64 connections: CPU of the server by message", part.name());
            Row::shown(part.name(), Unit::Micros, measure.cpu.clone()).charted(&chart, self.name.clone())
        })
    }
}

/// What a turn found: microseconds of CPU by message, and messages by second.
type Figures = [(f64, f64); 3];

/// A server in its turns.
struct Guest {
    running: Running,
    name: String,
    promise: &'static str,
    /// Messages of a turn of single sends, and of one of a backlog.
    messages: [u64; 2],
    rounds: Vec<Figures>,
}

/// This function measures every server that is there, and says what was not
/// measured and why.
///
/// # Errors
///
/// This server itself could not be measured.
pub(super) fn measure(stage: &Stage<'_>) -> Result<(Vec<Beside>, Vec<String>), String> {
    let mut failures = Vec::new();
    let mut guests = vec![enter(stage, stage.start(Subject::Stanchion(Settings::USUAL))?, "Stanchion", OWN_PROMISE)?];
    for peer in Peer::ALL {
        eprintln!("  starting {}", peer.name());
        let software = stage.options.peers.as_ref().ok_or_else(|| "--peers names no directory".to_owned())?;
        let entered = Software::find(peer, software).and_then(|software| {
            let name = format!("{} {}", peer.name(), software.version);
            enter(stage, stage.start_peer(&software)?, &name, peer.promise())
        });
        match entered {
            Ok(guest) => guests.push(guest),
            Err(error) => failures.push(format!("{}: {error}", peer.name())),
        }
        if stage.interrupted() {
            return Err("interrupted".to_owned());
        }
    }
    for round in 1..=stage.options.rounds {
        let mut left = Vec::new();
        for mut guest in guests {
            eprintln!("  round {round}: {}", guest.name);
            match turn(stage, &guest.running, guest.messages) {
                Ok(figures) => {
                    guest.rounds.push(figures);
                    left.push(guest);
                }
                Err(error) => failures.push(format!("{}: {error}", guest.name)),
            }
            if stage.interrupted() {
                return Err("interrupted".to_owned());
            }
        }
        guests = left;
    }
    for failure in &failures {
        eprintln!("  {failure}");
    }
    Ok((guests.into_iter().map(Guest::leave).collect(), failures))
}

/// What Stanchion has done when it answers.
const OWN_PROMISE: &str = "its default settings: written to the journal and synced before the answer, deletes as well";

/// Looks how fast a server is, and warms it up.
fn enter(stage: &Stage<'_>, running: Running, name: &str, promise: &'static str) -> Result<Guest, String> {
    let mut messages = [LEAST; 2];
    // The later, longer looks are at a server that has seen the code that it runs.
    for _ in 0..LOOKS {
        let [send, fill, consume] = turn(stage, &running, messages)?.map(|(_, rate)| rate);
        let seconds = SECONDS * stage.options.messages as f64 / MESSAGES_USUAL as f64;
        // A backlog is filled and consumed in one turn.
        let both = 1.0 / (1.0 / fill + 1.0 / consume);
        messages = [send, both].map(|rate| ((rate * seconds) as u64).clamp(LEAST, stage.options.messages));
    }
    Ok(Guest { running, name: name.to_owned(), promise, messages, rounds: Vec::new() })
}

/// Sends one by one; fills a queue and empties it.
fn turn(stage: &Stage<'_>, running: &Running, [single, backlog]: [u64; 2]) -> Result<Figures, String> {
    let Subject::Peer(peer) = running.subject else { return by_generator(stage, running, single, backlog) };
    if peer.speaks_sqs() {
        return by_generator(stage, running, single, backlog);
    }
    let task = |task, messages| load(peer, &running.server.endpoint, running.server.pid(), task, messages);
    task(Task::Prepare, 0)?;
    let send = task(Task::Send, single)?;
    task(Task::Prepare, 0)?;
    Ok([send, task(Task::SendBatch, backlog)?, task(Task::Consume, backlog)?].map(figures))
}

fn figures(effort: Effort) -> (f64, f64) {
    let messages = effort.messages as f64;
    (effort.server_cpu.as_secs_f64() * 1e6 / messages, messages / effort.elapsed.as_secs_f64())
}

fn by_generator(stage: &Stage<'_>, running: &Running, single: u64, backlog: u64) -> Result<Figures, String> {
    let reports =
        [stage.bear(running, &Load::new("send", single))?, stage.bear(running, &Load::new("consume", backlog))?];
    Ok(Part::ALL.map(|part| {
        let section = section(&reports, part);
        (section.server_cpu_us_per_message.unwrap_or(f64::NAN), section.messages_per_second)
    }))
}

fn section(reports: &[Report; 2], part: Part) -> &Section {
    let mut sections = reports.iter().flat_map(|report| &report.sections);
    sections.find(|section| section.name == part.section()).expect("both loads together have every section")
}

impl Guest {
    fn leave(self) -> Beside {
        let measures = (0..Part::ALL.len()).map(|at| {
            let (cpu, rate) = self.rounds.iter().map(|round| round[at]).unzip();
            Measure { cpu: Series::new(cpu), rate: Series::new(rate) }
        });
        Beside { name: self.name, promise: self.promise, measures: measures.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Beside, Measure, Part, Series};

    #[test]
    fn a_server_has_a_bar_in_the_chart_of_each_part() {
        let measure = |cpu| Measure { cpu: Series::new(vec![cpu]), rate: Series::new(vec![1.0]) };
        let one = Beside { name: "x 1".to_owned(), promise: "", measures: [3.0, 2.0, 1.0].map(measure).to_vec() };
        let rows: Vec<_> = one.rows().collect();
        assert_eq!(rows.iter().map(|row| row.figures.median()).collect::<Vec<_>>(), [3.0, 2.0, 1.0]);
        for (row, part) in rows.iter().zip(Part::ALL) {
            let (chart, name) = row.chart.as_ref().expect("it is charted");
            assert!(chart.starts_with(part.name()) && name == "x 1" && row.verdict().is_none());
        }
    }
}
