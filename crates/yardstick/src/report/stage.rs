//! Where programs are started and take their turns.

use super::figures::Series;
use super::subject::{Programs, Running, Subject};
use super::{CONNECTIONS, Options, SIZE};
use crate::peer::{AUTHORIZATION, Software};
use clap::Parser;
use stanchion_bench::{Report, Section};
use std::cell::Cell;
use tokio::runtime::Runtime;

/// What all works share.
pub(super) struct Stage<'a> {
    pub(super) options: &'a Options,
    pub(super) programs: Programs,
    runtime: Runtime,
    started: Cell<u32>,
    interrupted: Cell<bool>,
}

/// A load on a program: the generator's own words.
#[derive(Debug, Clone)]
pub(super) struct Load {
    words: String,
    messages: u64,
}

impl Load {
    /// This function takes the words of `stanchion bench`, the number of
    /// messages aside. Without a word on them, bodies have 1 KiB and there are
    /// 64 connections.
    pub(super) fn new(words: impl Into<String>, messages: u64) -> Self {
        let mut words = words.into();
        for (option, value) in [("--size", SIZE), ("-c", CONNECTIONS)] {
            if !words.split_whitespace().any(|word| word == option) {
                words = format!("{words} {option} {value}");
            }
        }
        Self { words, messages: messages.max(1) }
    }
}

#[derive(clap::Parser)]
struct Words {
    #[command(flatten)]
    options: stanchion_bench::Options,
}

/// The account that signed requests come from: what the rungs expect unless
/// they are told otherwise.
const ACCOUNT: &str = "yardstick:yardstick-secret";

/// What came of one load on one program, round by round.
pub(super) struct Turns(Vec<Report>);

impl Turns {
    /// This function takes a figure out of every round.
    pub(super) fn series(&self, figure: impl Fn(&Report) -> f64) -> Series {
        Series::new(self.0.iter().map(figure).collect())
    }

    /// This function gives the server's CPU by message in microseconds, of the
    /// named section.
    pub(super) fn cpu(&self, name: &str) -> Series {
        self.series(|report| section(report, name).server_cpu_us_per_message.unwrap_or(f64::NAN))
    }

    /// This function gives the generator's own.
    pub(super) fn generator_cpu(&self, name: &str) -> Series {
        self.series(|report| section(report, name).generator_cpu_us_per_message)
    }

    /// This function gives the messages by second.
    pub(super) fn rate(&self, name: &str) -> Series {
        self.series(|report| section(report, name).messages_per_second)
    }

    /// This function gives the latency of a kind of request, in microseconds:
    /// the median and the 99th percentile.
    pub(super) fn latency(&self, name: &str, row: &str) -> (Series, Series) {
        let found = |report: &Report| {
            let row = section(report, name).rows.iter().find(|found| found.name == row);
            row.expect("a section has a row for each kind of request").latency_us
        };
        (self.series(|report| found(report).p50), self.series(|report| found(report).p99))
    }
}

fn section<'r>(report: &'r Report, name: &str) -> &'r Section {
    report.sections.iter().find(|section| section.name == name).expect("the workload has this section")
}

impl<'a> Stage<'a> {
    pub(super) fn new(options: &'a Options, programs: Programs) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| format!("starting a runtime: {source}"))?;
        Ok(Self { options, programs, runtime, started: Cell::new(0), interrupted: Cell::new(false) })
    }

    /// This function starts a program.
    pub(super) fn start(&self, subject: Subject) -> Result<Running, String> {
        self.started.set(self.started.get() + 1);
        subject.start(&self.programs, &self.options.dir, self.started.get())
    }

    /// This function starts a server of others.
    pub(super) fn start_peer(&self, software: &Software) -> Result<Running, String> {
        self.started.set(self.started.get() + 1);
        Subject::start_peer(software, &self.options.dir, self.started.get())
    }

    /// This function starts each program.
    pub(super) fn start_all<const N: usize>(&self, subjects: [Subject; N]) -> Result<[Running; N], String> {
        let mut running = Vec::with_capacity(N);
        for subject in subjects {
            running.push(self.start(subject)?);
        }
        Ok(running.try_into().expect("as many as there were subjects"))
    }

    /// This function lets each program bear its load, in turns, for as many
    /// rounds as were asked for, after one short round that does not count.
    pub(super) fn take_turns<const N: usize>(&self, loads: [(&Running, Load); N]) -> Result<[Turns; N], String> {
        for (running, load) in &loads {
            self.warm_up(running, load)?;
        }
        let mut turns = [const { Turns(Vec::new()) }; N];
        for round in 1..=self.options.rounds {
            for ((running, load), turns) in loads.iter().zip(&mut turns) {
                eprintln!("  round {round}: {}: {}", running.subject.name(), load.words);
                turns.0.push(self.bear(running, load)?);
            }
        }
        Ok(turns)
    }

    /// This function loads a program with a tenth of what it will be measured with.
    pub(super) fn warm_up(&self, running: &Running, load: &Load) -> Result<(), String> {
        let short = Load { messages: (load.messages / 10).max(1), ..load.clone() };
        self.bear(running, &short).map(|_| ())
    }

    /// This function tells whether the user has had enough.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupted.get()
    }

    /// This function loads a program once.
    pub(super) fn bear(&self, running: &Running, load: &Load) -> Result<Report, String> {
        let pid = running.server.pid();
        let mut words = format!("bench {} -n {} --server-pid {pid}", load.words, load.messages);
        if running.subject.verifies() {
            words = format!("{words} --sign {ACCOUNT}");
        }
        let mut options = Words::try_parse_from(words.split_whitespace()).map_err(|error| error.to_string())?.options;
        options.endpoint.clone_from(&running.server.endpoint);
        options.policy = running.subject.queue_policy().map(str::to_owned);
        if let Subject::Peer(_) = running.subject {
            options.headers.push(AUTHORIZATION.to_owned());
        }
        let failed = |what: String| format!("{}: {words}: {what}", running.subject.name());
        let report = self.runtime.block_on(stanchion_bench::conduct(options));
        let report = report.map_err(|error| failed(error.to_string()))?;
        if report.interrupted {
            self.interrupted.set(true);
            return Err("interrupted".to_owned());
        }
        if let Some((error, count)) = report.errors.first_key_value() {
            return Err(failed(format!("{count} times {error}")));
        }
        if let Some(section) = report.sections.iter().find(|section| section.messages < load.messages) {
            return Err(failed(format!("{} of {} messages in {}", section.messages, load.messages, section.name)));
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::Load;

    #[test]
    fn a_load_has_its_usual_size_and_connections_unless_it_says_otherwise() {
        for (words, expected) in [
            ("send", "send --size 1024 -c 64"),
            ("send -c 1", "send -c 1 --size 1024"),
            ("send --size 64 -c 1000", "send --size 64 -c 1000"),
        ] {
            assert_eq!(Load::new(words, 1).words, expected);
        }
    }
}
