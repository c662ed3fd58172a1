//! What a run found, as a value, a table and JSON.

mod table;

use crate::fleet::Outcome;
use crate::tally::Counted;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything a run found. Serialises to the JSON that `--json` writes.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The workload's name on the command line.
    pub workload: String,
    /// The protocol's name on the command line.
    pub protocol: String,
    /// Where the requests went.
    pub endpoint: String,
    /// Whether the queues were FIFO queues.
    pub fifo: bool,
    /// Connections kept busy.
    pub connections: usize,
    /// Size of a body in bytes.
    pub size: usize,
    /// Whether the run ended early because the user asked for it.
    pub interrupted: bool,
    /// The parts of the run, measured apart, in order.
    pub sections: Vec<Section>,
    /// Failed requests and failed batch entries by action, status and code.
    pub errors: BTreeMap<String, u64>,
    /// What the check of a `produce-consume` run found.
    pub verification: Option<Verification>,
}

/// One measured part of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    /// What the section did, for example `fill` or `delete`.
    pub name: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// Messages it finished with (for `empty-receive`, requests).
    pub messages: u64,
    /// Messages by second.
    pub messages_per_second: f64,
    /// CPU time of the generator's threads by message, in microseconds.
    pub generator_cpu_us_per_message: f64,
    /// CPU time of the server by message, in microseconds (`--server-pid`).
    pub server_cpu_us_per_message: Option<f64>,
    /// Resident memory of the server at the end of the section, in bytes.
    pub server_resident_bytes: Option<u64>,
    /// Latencies by kind of request.
    pub rows: Vec<Row>,
}

/// One kind of request in a section.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The action's name, or what was measured.
    pub name: &'static str,
    /// Requests that succeeded.
    pub requests: u64,
    /// Messages these requests carried.
    pub messages: u64,
    /// How long they took.
    pub latency_us: Latency,
}

/// Quantiles in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Half of the requests took at most this long.
    pub p50: f64,
    /// Nine in ten did.
    pub p90: f64,
    /// 99 in a hundred did.
    pub p99: f64,
    /// 999 in a thousand did.
    pub p999: f64,
    /// All did.
    pub max: f64,
}

/// What the check of a `produce-consume` run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Whether the consumers had their chance to see everything; not so after
    /// an interrupt.
    pub complete: bool,
    /// Whether the rules of FIFO queues were applied.
    pub fifo: bool,
    /// Sends that were acknowledged.
    pub acknowledged: u64,
    /// Sends whose outcome nobody knows because the connection broke or the
    /// server failed.
    pub unknown_outcome: u64,
    /// Acknowledged and never seen: lost, if the run is complete.
    pub missing: u64,
    /// Refused and seen all the same.
    pub refused_but_delivered: u64,
    /// Deliveries whose body is not what was sent.
    pub corrupt: u64,
    /// Deliveries that belong to another run (left over in a kept queue).
    pub foreign: u64,
    /// Deliveries after the first one of a message.
    pub duplicates: u64,
    /// Those of them that came after the deletion had been acknowledged.
    pub delivered_after_deletion: u64,
    /// Messages seen after a later one of their group and producer.
    pub reordered: u64,
}

impl Verification {
    /// This function says whether the server kept its promises. Duplicates
    /// alone break only those of a FIFO queue.
    pub fn passed(&self) -> bool {
        let lost = if self.complete { self.missing } else { 0 };
        let duplicates = if self.fifo { self.duplicates } else { 0 };
        lost + self.refused_but_delivered + self.corrupt + self.delivered_after_deletion + self.reordered + duplicates
            == 0
    }
}

impl Report {
    /// This function says whether the run's verification, if it had one,
    /// passed. A program should end with a failure status when it did not.
    pub fn passed(&self) -> bool {
        self.verification.as_ref().is_none_or(Verification::passed)
    }

    /// This function lays the report out for people.
    pub fn table(&self) -> String {
        table::render(self)
    }

    /// This function lays the report out as indented JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report has only text keys and finite numbers")
    }
}

impl Section {
    pub(crate) fn new(name: &'static str, outcome: &Outcome) -> Self {
        let per_message = |cpu: std::time::Duration| cpu.as_secs_f64() * 1e6 / outcome.messages.max(1) as f64;
        let seconds = outcome.elapsed.as_secs_f64();
        Self {
            name,
            seconds,
            messages: outcome.messages,
            messages_per_second: outcome.messages as f64 / seconds.max(1e-9),
            generator_cpu_us_per_message: per_message(outcome.generator_cpu),
            server_cpu_us_per_message: outcome.server_cpu.map(per_message),
            server_resident_bytes: outcome.server_resident_bytes,
            rows: outcome.tally.rows().map(|(name, counted)| Row::new(name, counted)).collect(),
        }
    }
}

impl Row {
    fn new(name: &'static str, counted: &Counted) -> Self {
        let quantile = |q: f64| counted.latency.value_at_quantile(q) as f64 / 1000.0;
        Self {
            name,
            requests: counted.requests,
            messages: counted.messages,
            latency_us: Latency {
                p50: quantile(0.5),
                p90: quantile(0.9),
                p99: quantile(0.99),
                p999: quantile(0.999),
                max: counted.latency.max() as f64 / 1000.0,
            },
        }
    }
}
