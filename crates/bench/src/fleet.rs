//! The threads that carry the connections.
//!
//! Each thread has a runtime of its own and shares nothing on the hot path but
//! two counters. The caller's thread only watches: progress, the end, and a
//! wish to stop.

mod context;
mod worker;

pub(crate) use context::{Context, Setup};
pub(crate) use worker::{Composer, Worker};

use crate::client::Client;
use crate::progress::{self, Progress};
use crate::tally::Tally;
use crate::workload::{self, Job};
use crate::{Error, process};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinSet;

/// What one section measured.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) messages: u64,
    pub(crate) elapsed: Duration,
    pub(crate) generator_cpu: Duration,
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) server_resident_bytes: Option<u64>,
}

impl Outcome {
    /// This function adds a later round of the same section.
    pub(crate) fn merge(&mut self, later: Self) {
        self.tally.merge(later.tally);
        self.messages += later.messages;
        self.elapsed += later.elapsed;
        self.generator_cpu += later.generator_cpu;
        self.server_cpu = self.server_cpu.zip(later.server_cpu).map(|(a, b)| a + b);
        self.server_resident_bytes = later.server_resident_bytes;
    }
}

/// How often a thread looks whether it should stop or a request hangs.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// After a wish to stop, how long requests in flight may still take.
const GRACE: Duration = Duration::from_millis(500);
/// A request without an answer for this long is given up: longer than any long
/// poll (20 s).
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(40);

/// What a thread reports at its end.
struct Share {
    tally: Tally,
    cpu: Duration,
    ended: Instant,
}

enum Message {
    Ready,
    Done(Box<Share>),
    Failed(Error),
}

/// This function runs one section: opens the connections, starts the clock,
/// lets every connection do `job`, and waits for the last one.
pub(crate) fn run_section(name: &'static str, job: Job, context: &Arc<Context>) -> Result<Outcome, Error> {
    let options = &context.setup.options;
    let threads = options.threads.min(options.connections);
    thread::scope(|scope| {
        let (report, reports) = channel();
        let mut starts = Vec::new();
        for index in 0..threads {
            let (start, wait_for_start) = channel();
            let (report, context) = (report.clone(), context.clone());
            thread::Builder::new()
                .name(format!("bench-{index}"))
                .spawn_scoped(scope, move || {
                    let message = match carry(index, threads, job, &context, &report, &wait_for_start) {
                        Ok(share) => Message::Done(Box::new(share)),
                        Err(error) => Message::Failed(error),
                    };
                    // A watcher that has given up needs no message.
                    let _ = report.send(message);
                })
                .map_err(|source| Error::Thread(format!("starting a thread: {source}")))?;
            starts.push(start);
        }
        if job == Job::OpenLoop {
            let (start, wait_for_start) = channel();
            let (report, context) = (report.clone(), context.clone());
            scope.spawn(move || keep_pace(&context, &report, &wait_for_start));
            starts.push(start);
        }
        drop(report);
        for _ in 0..starts.len() {
            match reports.recv() {
                Ok(Message::Ready) => {}
                Ok(Message::Failed(error)) => return Err(error),
                Ok(Message::Done(_)) | Err(_) => return Err(Error::Thread("a thread ended early".into())),
            }
        }
        watch(name, context, &starts, &reports)
    })
}

/// Starts the clock and collects what the threads report.
fn watch(
    name: &'static str,
    context: &Context,
    starts: &[Sender<Instant>],
    reports: &Receiver<Message>,
) -> Result<Outcome, Error> {
    let options = &context.setup.options;
    let before = options.server_pid.map(process::sample).transpose()?;
    let began = Instant::now();
    for start in starts {
        start.send(began).map_err(|_| Error::Thread("a thread ended early".into()))?;
    }
    let mut progress = Progress::new(name, options.progress);
    let mut next_update = began + progress::INTERVAL;
    let mut tally = Tally::default();
    let mut generator_cpu = Duration::ZERO;
    let mut ended = began;
    let mut open = starts.len();
    while open > 0 {
        match reports.recv_timeout(next_update.saturating_duration_since(Instant::now())) {
            Ok(Message::Done(share)) => {
                tally.merge(share.tally);
                generator_cpu += share.cpu;
                ended = ended.max(share.ended);
                open -= 1;
            }
            Ok(Message::Failed(error)) => return Err(error),
            Ok(Message::Ready) => {}
            Err(RecvTimeoutError::Timeout) => {
                progress.update(context.done());
                next_update += progress::INTERVAL;
            }
            Err(RecvTimeoutError::Disconnected) => return Err(Error::Thread("a thread panicked".into())),
        }
    }
    progress.finish();
    // A server that died during the run leaves no figures; the errors tell.
    let after = options.server_pid.and_then(|pid| process::sample(pid).ok());
    Ok(Outcome {
        tally,
        messages: context.done(),
        elapsed: ended.duration_since(began),
        generator_cpu,
        server_cpu: before.zip(after.as_ref()).map(|(before, after)| after.cpu_since(&before)),
        server_resident_bytes: after.map(|sample| sample.resident_bytes),
    })
}

/// The thread that says when the messages of an open loop are due.
fn keep_pace(context: &Context, report: &Sender<Message>, wait_for_start: &Receiver<Instant>) {
    // Whoever does not listen any more has given up, for a reason it reports.
    let _ = report.send(Message::Ready);
    let Ok(began) = wait_for_start.recv() else { return };
    let cpu_before = process::thread_cpu();
    context.pace.keep(began, context.budget, context);
    let cpu = process::thread_cpu().saturating_sub(cpu_before);
    let _ = report.send(Message::Done(Box::new(Share { tally: Tally::default(), cpu, ended: began })));
}

/// One thread: every `threads`-th connection, from `index` on.
fn carry(
    index: usize,
    threads: usize,
    job: Job,
    context: &Arc<Context>,
    report: &Sender<Message>,
    wait_for_start: &Receiver<Instant>,
) -> Result<Share, Error> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|source| Error::Thread(format!("starting a runtime: {source}")))?;
    let tally = Rc::new(RefCell::new(Tally::default()));
    let (cpu, ended) = runtime.block_on(async {
        let mut clients = Vec::new();
        for connection in (index..context.setup.options.connections).step_by(threads) {
            clients.push((connection, connect(context).await?));
        }
        let gone = |_| Error::Thread("the run ended before it began".into());
        report.send(Message::Ready).map_err(|_| gone(()))?;
        // Nothing else runs on this thread yet, so it may simply wait.
        let began = wait_for_start.recv().map_err(|_| gone(()))?;
        let cpu_before = process::thread_cpu();
        let mut running = JoinSet::new();
        let mut since = Vec::new();
        for (connection, client) in clients {
            let worker = Worker::new(connection, client, tally.clone(), context.clone(), began);
            since.push(worker.in_flight_since());
            running.spawn_local(workload::work(job, worker));
        }
        supervise(&mut running, &since, context, &tally).await;
        Ok::<_, Error>((process::thread_cpu().saturating_sub(cpu_before), Instant::now()))
    })?;
    // Tasks that were given up still hold the tally until they are dropped.
    drop(runtime);
    Ok(Share { tally: tally.take(), cpu, ended })
}

async fn connect(context: &Context) -> Result<Client, Error> {
    let setup = &context.setup;
    Client::open(&setup.endpoint, setup.options.protocol, &setup.head)
        .await
        .map_err(|source| Error::Endpoint(format!("connecting to {}: {source}", setup.options.endpoint)))
}

/// Waits for all connections' work to end; gives up what hangs.
async fn supervise(
    running: &mut JoinSet<()>,
    since: &[Rc<worker::InFlight>],
    context: &Context,
    tally: &RefCell<Tally>,
) {
    let mut stop_by = None;
    loop {
        let tick = tokio::time::sleep(WATCH_INTERVAL);
        tokio::select! {
            ended = async { while let Some(ended) = running.join_next().await {
                if let Err(error) = ended && error.is_panic() {
                    std::panic::resume_unwind(error.into_panic());
                }
            }} => return ended,
            () = tick => {}
        }
        let now = Instant::now();
        if context.setup.interrupted() {
            let stop_by = *stop_by.get_or_insert(now + GRACE);
            if now >= stop_by {
                running.abort_all();
            }
        }
        let hanging = since.iter().filter(|since| since.longer_than(ANSWER_WAIT_MAX, now)).count();
        if hanging > 0 {
            tally.borrow_mut().error("no answer for 40 s, run given up".into(), hanging as u64);
            context.setup.interrupt();
            running.abort_all();
        }
    }
}
