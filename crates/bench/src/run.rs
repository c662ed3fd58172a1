//! A run from its queues' creation to their deletion.

use crate::client::Client;
use crate::fleet::{self, Context, Outcome, Setup};
use crate::http::Endpoint;
use crate::pacer::Pace;
use crate::protocol::{Call, Head, Queue};
use crate::report::Section;
use crate::tally::Tally;
use crate::workload::Job;
use crate::{Error, JsonTarget, Options, Report, Verification, WorkloadKind};
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a run lasts when nobody says.
const DURATION: Duration = Duration::from_secs(10);
/// The backlog of `receive` when nobody says.
const BACKLOG: u64 = 100_000;

/// This function makes the run that `options` describe, prints its table (and
/// writes its JSON), and returns the report, whose [`Report::passed`] decides
/// over the exit status. An interrupt (Ctrl-C) ends the run early, with a
/// report of what was measured so far.
///
/// # Errors
///
/// Those of [`conduct`]; a report that cannot be written.
pub async fn run(options: Options) -> Result<Report, Error> {
    let json = options.json.clone();
    let report = conduct(options).await?;
    publish(&report, json.as_ref()).map_err(Error::Output)?;
    Ok(report)
}

/// This function makes the run that `options` describe, as [`run`] does, and
/// keeps its report to itself.
///
/// # Errors
///
/// An option that cannot be used; an endpoint that cannot be reached or
/// refuses to create the queues; a `--server-pid` without figures.
pub async fn conduct(options: Options) -> Result<Report, Error> {
    options.check()?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    // The generator waits on threads of its own; this runtime only listens for
    // the interrupt.
    let mut driving = tokio::task::spawn_blocking(move || drive(options, flag));
    let driven = loop {
        tokio::select! {
            driven = &mut driving => break driven,
            signal = tokio::signal::ctrl_c(), if !interrupted.load(Relaxed) => {
                // Where no signal can be caught, none will interrupt the run.
                if signal.is_ok() {
                    interrupted.store(true, Relaxed);
                } else {
                    break (&mut driving).await;
                }
            }
        }
    };
    driven.map_err(|error| Error::Thread(format!("the run panicked: {error}")))?
}

fn publish(report: &Report, json: Option<&JsonTarget>) -> std::io::Result<()> {
    let table = report.table();
    match json {
        Some(JsonTarget::Stdout) => {
            std::io::stderr().lock().write_all(table.as_bytes())?;
            writeln!(std::io::stdout().lock(), "{}", report.json())
        }
        Some(JsonTarget::File(path)) => {
            fs::write(path, report.json() + "\n")?;
            std::io::stdout().lock().write_all(table.as_bytes())
        }
        None => std::io::stdout().lock().write_all(table.as_bytes()),
    }
}

/// The whole run, on a thread that may block.
fn drive(options: Options, interrupted: Arc<AtomicBool>) -> Result<Report, Error> {
    let endpoint = Endpoint::parse(&options.endpoint)?;
    let head = Head::new(&endpoint, &options.headers, options.sign.as_ref());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Thread(format!("starting a runtime: {source}")))?;
    let mut client = runtime.block_on(open(&options, &endpoint, &head))?;
    let run = run_number();
    let mut queues = Vec::new();
    let created = runtime.block_on(create_queues(&mut client, &options, run, &mut queues));
    let setup = Arc::new(Setup { options, endpoint, head, queues, run, interrupted });
    let mut measured = Measured::default();
    let result = created.and_then(|()| measure(&setup, &mut measured));
    if !setup.options.keep {
        // The connection may have been closed while it was idle.
        let deleted = runtime.block_on(async {
            let mut client = open(&setup.options, &setup.endpoint, &setup.head).await?;
            delete_queues(&mut client, &setup.queues, &mut measured.errors).await;
            Ok::<_, Error>(())
        });
        if let Err(error) = deleted {
            *measured.errors.entry(format!("queues not deleted: {error}")).or_default() += 1;
        }
    }
    result?;
    Ok(measured.into_report(&setup))
}

async fn open(options: &Options, endpoint: &Endpoint, head: &Head) -> Result<Client, Error> {
    Client::open(endpoint, options.protocol, head)
        .await
        .map_err(|source| Error::Endpoint(format!("connecting to {}: {source}", options.endpoint)))
}

/// A number that no other run has.
fn run_number() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
    nanos ^ (u64::from(std::process::id()) << 40)
}

async fn create_queues(client: &mut Client, options: &Options, run: u64, queues: &mut Vec<Queue>) -> Result<(), Error> {
    let prefix = options.queue_prefix.clone().unwrap_or_else(|| format!("bench-{run:016x}"));
    let suffix = if options.fifo { ".fifo" } else { "" };
    let count = match options.workload {
        WorkloadKind::LongPoll => options.connections,
        _ => options.queues,
    };
    for index in 0..count {
        let name = format!("{prefix}-{index}{suffix}");
        let call = Call::CreateQueue { name: &name, fifo: options.fifo, policy: options.policy.as_deref() };
        let url = client
            .call(&call, |protocol, body| protocol.queue_url(body))
            .await
            .map_err(|failure| Error::Endpoint(format!("creating queue {name}: {}", failure.code())))?;
        queues.push(Queue::new(url));
    }
    Ok(())
}

async fn delete_queues(client: &mut Client, queues: &[Queue], errors: &mut BTreeMap<String, u64>) {
    for queue in queues {
        if let Err(failure) = client.call(&Call::DeleteQueue { queue }, |_, _| Ok(())).await {
            *errors.entry(failure.code()).or_default() += 1;
        }
    }
}

/// What the sections brought.
#[derive(Default)]
struct Measured {
    sections: Vec<Section>,
    errors: BTreeMap<String, u64>,
    verification: Option<Verification>,
}

impl Measured {
    fn add(&mut self, name: &'static str, outcome: &Outcome) {
        self.sections.push(Section::new(name, outcome));
        self.add_errors(&outcome.tally);
    }

    fn add_errors(&mut self, tally: &Tally) {
        for (code, count) in tally.errors() {
            *self.errors.entry(code.clone()).or_default() += count;
        }
    }

    fn into_report(self, setup: &Setup) -> Report {
        let options = &setup.options;
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        Report {
            workload: name(options.workload.to_possible_value()),
            protocol: name(options.protocol.to_possible_value()),
            endpoint: options.endpoint.clone(),
            fifo: options.fifo,
            connections: options.connections,
            size: options.size,
            interrupted: setup.interrupted(),
            sections: self.sections,
            errors: self.errors,
            verification: self.verification,
        }
    }
}

fn measure(setup: &Arc<Setup>, measured: &mut Measured) -> Result<(), Error> {
    let options = &setup.options;
    let time = match (options.messages, options.duration) {
        (None, None) => Some(DURATION),
        (_, duration) => duration,
    };
    let (name, job) = match options.workload {
        WorkloadKind::Receive => return drain(setup, measured),
        WorkloadKind::Consume => return consume(setup, measured),
        WorkloadKind::Send => ("send", Job::Send),
        WorkloadKind::SendBatch => ("send-batch", Job::SendBatch),
        WorkloadKind::EmptyReceive => ("empty-receive", Job::EmptyReceive),
        WorkloadKind::RoundTrip => ("round-trip", Job::RoundTrip),
        WorkloadKind::ProduceConsume => ("produce-consume", Job::ProduceConsume),
        WorkloadKind::LongPoll => ("long-poll", Job::LongPoll),
        WorkloadKind::OpenLoop => ("open-loop", Job::OpenLoop),
    };
    let budget = match (job, time) {
        (Job::OpenLoop, Some(time)) => {
            let due = Pace::new(options.rate).messages_within(time);
            Some(due.min(options.messages.unwrap_or(u64::MAX)))
        }
        _ => options.messages,
    };
    let context = Arc::new(Context::new(setup, budget, time));
    let outcome = fleet::run_section(name, job, &context)?;
    measured.add(name, &outcome);
    if job == Job::ProduceConsume {
        let ledger = context.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        measured.verification = Some(ledger.verdict(!setup.interrupted()));
    }
    Ok(())
}

/// Fills the queues; returns how many messages are in them.
fn fill(setup: &Arc<Setup>, measured: &mut Measured) -> Result<u64, Error> {
    let backlog = setup.options.messages.unwrap_or(BACKLOG);
    let context = Arc::new(Context::new(setup, Some(backlog), None));
    let filled = fleet::run_section("fill", Job::SendBatch, &context)?;
    measured.add("fill", &filled);
    Ok(filled.messages)
}

/// Fills the queues, then receives and deletes batch by batch.
fn consume(setup: &Arc<Setup>, measured: &mut Measured) -> Result<(), Error> {
    let filled = fill(setup, measured)?;
    let context = Arc::new(Context::new(setup, Some(filled), None));
    let outcome = fleet::run_section("consume", Job::Consume, &context)?;
    measured.add("consume", &outcome);
    Ok(())
}

/// Fills the queues, then receives and deletes in turns until nothing comes.
fn drain(setup: &Arc<Setup>, measured: &mut Measured) -> Result<(), Error> {
    let filled = fill(setup, measured)?;
    let mut received: Option<Outcome> = None;
    let mut deleted: Option<Outcome> = None;
    let mut result = Ok(());
    while !setup.interrupted() {
        let left = filled - deleted.as_ref().map_or(0, |deleted| deleted.messages).min(filled);
        let round = drain_round(setup, left);
        let (receives, deletes) = match round {
            Ok(round) => round,
            Err(error) => {
                result = Err(error);
                break;
            }
        };
        let empty = receives.messages == 0;
        accumulate(&mut received, receives);
        accumulate(&mut deleted, deletes);
        let so_far = deleted.as_ref().map_or(0, |deleted| deleted.messages);
        if empty || so_far >= filled {
            break;
        }
    }
    for (name, outcome) in [("receive", received), ("delete", deleted)] {
        if let Some(outcome) = outcome {
            measured.add(name, &outcome);
        }
    }
    result
}

/// Receives up to `messages`, as many as may be in flight, and deletes them.
fn drain_round(setup: &Arc<Setup>, messages: u64) -> Result<(Outcome, Outcome), Error> {
    let context = Arc::new(Context::new(setup, Some(messages), None));
    let receives = fleet::run_section("receive", Job::Receive, &context)?;
    let receipts = std::mem::take(&mut *context.receipts.lock().unwrap_or_else(PoisonError::into_inner));
    let context = Arc::new(Context::new(setup, None, None));
    *context.receipts.lock().unwrap_or_else(PoisonError::into_inner) = receipts;
    let deletes = fleet::run_section("delete", Job::Delete, &context)?;
    Ok((receives, deletes))
}

fn accumulate(total: &mut Option<Outcome>, round: Outcome) {
    match total {
        Some(total) => total.merge(round),
        None => *total = Some(round),
    }
}
