//! The works that are measured: a file for each, with its bounds.

mod binary;
mod cycle;
mod defences;
mod drain;
mod empty;
mod fifo;
mod latency;
mod memory;
mod query;
mod queues;
mod send;
mod sizes;
mod start;
mod wake_up;

use super::row::Row;
use super::stage::Stage;
use super::subject::Subject;
use crate::ladder::{Rung, Syncing};

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Work {
    /// Single sends, on the whole ladder.
    Send,
    /// Sends in batches of ten, on the whole ladder.
    SendBatch,
    /// What signatures, policies and encryption cost a send.
    Defences,
    /// Receives and deletes of ten from a full queue.
    Drain,
    /// Send, receive and delete one, on 1, 16 and 256 connections.
    Cycle,
    /// The same works on a FIFO queue with 1,000 groups.
    Fifo,
    /// Receives that find nothing.
    Empty,
    /// The same works in the Query protocol.
    Query,
    /// How soon a waiting receiver learns of a send.
    WakeUp,
    /// Latency of sends at half the peak rate.
    Latency,
    /// 10,000 queues on 1,000 connections.
    Queues,
    /// Small and large messages.
    Sizes,
    /// Resident memory.
    Memory,
    /// Time to the first answer, and CPU of doing nothing.
    Start,
    /// Size of the binary.
    Binary,
    /// Sends and receives of other servers.
    Peers,
}

impl Work {
    /// This function lists all works in the order in which they are measured.
    pub(super) fn all() -> Vec<Self> {
        <Self as clap::ValueEnum>::value_variants().to_vec()
    }

    /// This function gives the name on the command line.
    pub(super) fn name(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self).expect("no work is hidden");
        value.get_name().to_owned()
    }

    pub(super) fn description(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self).expect("no work is hidden");
        value.get_help().map(ToString::to_string).unwrap_or_default()
    }

    /// This function measures the work and says what its figures may be.
    ///
    /// # Errors
    ///
    /// A sentence when a program does not start, or a request fails.
    pub(super) fn measure(self, stage: &Stage<'_>) -> Result<Vec<Row>, String> {
        match self {
            Self::Send => send::single(stage),
            Self::SendBatch => send::batch(stage),
            Self::Defences => defences::measure(stage),
            Self::Drain => drain::measure(stage),
            Self::Cycle => cycle::measure(stage),
            Self::Fifo => fifo::measure(stage),
            Self::Empty => empty::measure(stage),
            Self::Query => query::measure(stage),
            Self::WakeUp => wake_up::measure(stage),
            Self::Latency => latency::measure(stage),
            Self::Queues => queues::measure(stage),
            Self::Sizes => sizes::measure(stage),
            Self::Memory => memory::measure(stage),
            Self::Start => start::measure(stage),
            Self::Binary => binary::measure(stage),
            // Not on its own terms: there is no bound for others.
            Self::Peers => Ok(Vec::new()),
        }
    }
}

/// The fifth rung in both of its shapes; bounds are those of the better one.
const DURABLE: [Subject; 2] =
    [Subject::Rung(Rung::Durable, Syncing::Serving), Subject::Rung(Rung::Durable, Syncing::Thread)];

#[cfg(test)]
mod tests {
    use super::Work;

    #[test]
    fn the_manual_explains_every_work() {
        let manual = include_str!("../../../../docs/bench.md");
        for work in Work::all() {
            let row = format!("| `{}` |", work.name());
            assert!(manual.contains(&row), "{row} is missing in docs/bench.md");
        }
    }
}
