//! The work that is measured on the empty queues and on the deep ones: rounds of
//! sending, receiving and deleting, each measured apart.
//!
//! What the server does anyway, such as making delayed messages visible, is
//! measured before, while nobody asks for anything, and taken off.

use super::crew::Crew;
use super::lot::{BATCH, Lot};
use super::requests;
use crate::Error;
use crate::client::Failure;
use crate::process::ThreadTimes;
use crate::protocol::Action;
use hdrhistogram::Histogram;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Messages in a round: few enough that the empty queue stays shallow.
pub(super) const ROUND: u64 = 2000;
/// After so many empty answers in a row there is nothing to receive.
pub(super) const EMPTY_ANSWERS_MAX: u32 = 500;
/// Longer than any request; keeps a histogram small whatever the clock does.
const LATENCY_NANOS_MAX: u64 = 1 << 50;
/// How long to wait after an empty answer: a page may be on its way.
pub(super) const EMPTY_PAUSE: Duration = Duration::from_millis(2);

/// How long each look at a server takes that nobody asks for anything.
const LOOK: Duration = Duration::from_secs(1);
/// A server at rest uses less than this share of a core.
const REST: f64 = 0.01;
/// How many looks a server has to come to rest: what it has put off, such as
/// a snapshot, is none of the work that comes next.
const LOOKS_MAX: u32 = 30;

/// What one kind of request has cost.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) messages: u64,
    /// CPU time of the server, without what it does anyway.
    pub(super) cpu: Duration,
    /// Of a request, in nanoseconds.
    pub(super) latency: Histogram<u64>,
}

impl Work {
    fn new() -> Self {
        Self { messages: 0, cpu: Duration::ZERO, latency: Histogram::new(3).expect("three digits are allowed") }
    }

    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.messages.max(1) as f64
    }

    /// This function gives a percentile of the latency, in milliseconds.
    pub(super) fn latency_ms(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1e6
    }
}

/// The three kinds of requests, all in batches of ten.
#[derive(Debug)]
pub(super) struct Works {
    pub(super) send: Work,
    pub(super) receive: Work,
    pub(super) delete: Work,
    /// The share of a core that the server uses while nobody asks for anything.
    pub(super) background: f64,
}

impl Works {
    fn new() -> Self {
        Self { send: Work::new(), receive: Work::new(), delete: Work::new(), background: 0.0 }
    }

    /// This function gives the server's CPU time by message of send, receive and delete, in microseconds.
    pub(super) fn cpu_us(&self) -> [f64; 3] {
        [&self.send, &self.receive, &self.delete].map(Work::cpu_us)
    }
}

/// Measures a server's CPU time, without what it uses anyway.
#[derive(Clone, Copy)]
struct Meter {
    pid: u32,
    /// The share of a core that is used anyway.
    background: f64,
}

impl Meter {
    /// Looks at a server that nobody asks for anything. What it uses anyway is
    /// the least that a look saw; nothing, if it comes to rest.
    fn new(pid: u32) -> Result<Self, Error> {
        let mut least = f64::INFINITY;
        for _ in 0..LOOKS_MAX {
            let stretch = Self { pid, background: 0.0 }.begin()?;
            std::thread::sleep(LOOK);
            least = least.min(stretch.end()?.as_secs_f64() / stretch.began.elapsed().as_secs_f64());
            if least < REST {
                return Ok(Self { pid, background: 0.0 });
            }
        }
        Ok(Self { pid, background: least })
    }

    fn begin(self) -> Result<Stretch, Error> {
        Ok(Stretch { meter: self, began: Instant::now(), times: ThreadTimes::read(self.pid)? })
    }
}

/// A time in which a server is measured.
struct Stretch {
    meter: Meter,
    began: Instant,
    times: ThreadTimes,
}

impl Stretch {
    /// The CPU time used since it began, without what is used anyway.
    fn end(&self) -> Result<Duration, Error> {
        let used = ThreadTimes::read(self.meter.pid)?.since(&self.times);
        Ok(used.saturating_sub(self.began.elapsed().mul_f64(self.meter.background)))
    }
}

/// This function waits until a server does nothing more by itself, or for half a minute.
pub(super) fn rest(pid: u32) -> Result<(), Error> {
    Meter::new(pid).map(drop)
}

/// Receipts of one answer, with the number of their queue.
type Handles = Vec<(usize, Vec<String>)>;

/// This function does `rounds` rounds: as many messages are sent as are
/// received and deleted, so the lot stays as deep as it was.
pub(super) fn measure(crew: &mut Crew, pid: u32, lot: &Rc<Lot>, rounds: u64) -> Result<Works, Error> {
    let meter = Meter::new(pid)?;
    // Caches and buffers have their size after the first round.
    round(crew, meter, lot, &mut Works::new())?;
    let mut works = Works { background: meter.background, ..Works::new() };
    for _ in 0..rounds {
        round(crew, meter, lot, &mut works)?;
    }
    Ok(works)
}

fn round(crew: &mut Crew, meter: Meter, lot: &Rc<Lot>, works: &mut Works) -> Result<(), Error> {
    send(crew, meter, lot, &mut works.send)?;
    let handles = receive(crew, meter, lot, &mut works.receive)?;
    delete(crew, meter, lot, handles, &mut works.delete)
}

fn send(crew: &mut Crew, meter: Meter, lot: &Rc<Lot>, work: &mut Work) -> Result<(), Error> {
    let until = lot.sent() + ROUND;
    let stretch = meter.begin()?;
    let lot = lot.clone();
    let sent = crew.each(async move |_, client| {
        let mut latencies = Vec::new();
        lot.send(client, until, |latency, _| latencies.push(latency)).await?;
        Ok(latencies)
    })?;
    work.cpu += stretch.end()?;
    work.messages += ROUND;
    note(work, sent);
    Ok(())
}

fn receive(crew: &mut Crew, meter: Meter, lot: &Rc<Lot>, work: &mut Work) -> Result<Vec<Handles>, Error> {
    let stretch = meter.begin()?;
    let (lot, left) = (lot.clone(), Rc::new(Cell::new(ROUND)));
    let received = crew.each(async move |_, client| {
        let (mut handles, mut latencies): (Handles, Vec<Duration>) = Default::default();
        let mut empty_answers = 0;
        while left.get() > 0 {
            let wanted = BATCH.min(left.get());
            left.set(left.get() - wanted);
            let at = lot.next_to_read();
            let (own, latency) = requests::receive(client, &lot.queues[at], wanted).await?;
            latencies.push(latency);
            left.set(left.get() + wanted - own.len() as u64);
            if (own.len() as u64) < wanted {
                lot.read_again(at);
            }
            if own.is_empty() {
                empty_answers += 1;
                if empty_answers > EMPTY_ANSWERS_MAX {
                    return Err(Failure::Malformed { action: Action::ReceiveMessage });
                }
                tokio::time::sleep(EMPTY_PAUSE).await;
                continue;
            }
            empty_answers = 0;
            handles.push((at, own));
        }
        Ok((handles, latencies))
    })?;
    work.cpu += stretch.end()?;
    work.messages += ROUND;
    let (handles, latencies) = received.into_iter().unzip();
    note(work, latencies);
    Ok(handles)
}

fn delete(crew: &mut Crew, meter: Meter, lot: &Rc<Lot>, handles: Vec<Handles>, work: &mut Work) -> Result<(), Error> {
    let stretch = meter.begin()?;
    // Each connection deletes what it has received.
    let (lot, handles) = (lot.clone(), RefCell::new(handles));
    let deleted = crew.each(async move |number, client| {
        let own = std::mem::take(&mut handles.borrow_mut()[number]);
        let mut latencies = Vec::new();
        for (at, handles) in own {
            latencies.push(requests::delete(client, &lot.queues[at], &handles).await?);
        }
        Ok(latencies)
    })?;
    work.cpu += stretch.end()?;
    work.messages += ROUND;
    note(work, deleted);
    Ok(())
}

fn note(work: &mut Work, latencies: Vec<Vec<Duration>>) {
    latencies.into_iter().flatten().for_each(|latency| record(&mut work.latency, latency));
}

/// This function enters a latency into a histogram of nanoseconds.
pub(super) fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    histogram.record(nanos.min(LATENCY_NANOS_MAX)).expect("the histogram grows as it needs");
}
