//! What clients notice while the server moves survivors so that space comes
//! back.
//!
//! Cycle by cycle two queues are filled together, batch by batch, and one of
//! them is purged: at that moment most of every segment is dead, and the server
//! begins to move what stays. All the while clients work at a fixed, moderate
//! rate on the queue that stays, before the purge and after it, so that their
//! latencies with and without moving are those of the same minutes.

use super::Site;
use crate::client::{Client, Failure};
use crate::depth::crew::Crew;
use crate::depth::figures::{Figures, Growth, Latencies, Moving};
use crate::depth::lot::{BATCH, Lot};
use crate::depth::requests;
use crate::depth::works::{self, EMPTY_ANSWERS_MAX, EMPTY_PAUSE};
use crate::protocol::{Action, Call};
use crate::{Error, process};
use hdrhistogram::Histogram;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many of a hundred messages stay, cycle by cycle.
const STAYING: [u64; 6] = [30, 10, 50, 30, 10, 50];
/// Messages of a cycle, at most: what is moved depends on the bytes of a few
/// minutes, not on the depth.
const CYCLE_MAX: u64 = 1_000_000;
/// Rounds a second of all connections together: a send, a receive and a delete of ten messages each.
const ROUNDS_A_SECOND: u32 = 100;
/// Latencies are kept together, and the server's writing is looked at, for so long at a time.
const WINDOW: Duration = Duration::from_secs(1);
/// Windows before a purge.
const QUIET_WINDOWS: usize = 15;
/// Windows in which the server writes no more than before the purge: it has nothing left to move.
const STILL_WINDOWS: usize = 3;
/// A server may need so many windows until it begins to move, and so many until it is done.
const WINDOWS_TO_BEGIN: usize = 10;
const WINDOWS_MAX: usize = 120;
/// A window in which so much more is written than in the middle one before the purge is one of moving.
const MOVING_BYTES: u64 = 2 << 20;
/// This function gives the messages that are alive at most.
pub(super) fn messages(depth: u64) -> u64 {
    let staying: u64 = STAYING.iter().sum();
    cycle(depth) * staying / 100 + cycle(depth)
}

fn cycle(depth: u64) -> u64 {
    (depth / 2).min(CYCLE_MAX)
}

/// This function runs all cycles and adds up what clients saw.
pub(super) fn run(mut site: Site<'_>, figures: &mut Figures) -> Result<(), Error> {
    let (size, messages) = (site.options.size, cycle(site.options.depth()));
    let stays = site.crew.create("stays", false)?;
    let goes = site.crew.create("goes", false)?;
    let (mut quiet, mut moving) = (Seen::default(), Seen::default());
    let mut sum = Moving::default();
    let mut growth = Growth::default();
    for (number, staying) in STAYING.into_iter().enumerate() {
        let mut lot = Lot::new(vec![goes.clone()], size, None);
        lot.shelf = Some((stays.clone(), staying));
        let lot = Rc::new(lot);
        site.crew.each(async move |_, client| lot.send(client, messages, |_, _| {}).await)?;
        growth.points.push((messages * (number as u64 + 1), site.resident()?));
        works::rest(site.server.pid())?;
        let work = Rc::new(Lot::new(vec![stays.clone()], size, None));
        let mut usual = Vec::new();
        for _ in 0..QUIET_WINDOWS {
            usual.push(site.window(&work)?);
        }
        let disk_before = site.home.disk_bytes();
        site.crew.call(&Call::PurgeQueue { queue: &goes })?;
        let usual_bytes = middle(&usual);
        let after = site.windows_of_moving(&work, usual_bytes + MOVING_BYTES)?;
        let moved: u64 = after.iter().map(|window| window.written.saturating_sub(usual_bytes)).sum();
        let disk_after = site.home.disk_bytes();
        site.say(&format!(
            "cycle {} of {}, {staying} % stay: {} s of moving, {:.0} MiB written for it, disk {:.2} to {:.2} GiB",
            number + 1,
            STAYING.len(),
            after.len(),
            moved as f64 / f64::from(1 << 20),
            super::gib(disk_before),
            super::gib(disk_after),
        ));
        if after.is_empty() {
            continue;
        }
        sum.bytes_written += moved;
        sum.bytes_freed += disk_before.saturating_sub(disk_after);
        usual.iter().for_each(|window| quiet.add(window));
        after.iter().for_each(|window| moving.add(window));
    }
    figures.messages = messages * STAYING.iter().sum::<u64>() / 100;
    figures.resident(figures.resident_before, site.resident()?, &growth);
    figures.resident_peak = process::resident_peak(site.server.pid())?;
    if moving.windows == 0 {
        site.say("too few --messages for anything to be worth moving");
    } else {
        figures.moving = Some(Moving { quiet: quiet.latencies(), moving: moving.latencies(), ..sum });
    }
    site.server.stop()
}

impl Site<'_> {
    /// Works on until the server writes no more than usual; leaves the last, quiet windows out.
    fn windows_of_moving(&mut self, work: &Rc<Lot>, usual_max: u64) -> Result<Vec<Window>, Error> {
        let mut windows = Vec::new();
        let mut used = 0;
        while windows.len() < WINDOWS_MAX {
            let window = self.window(work)?;
            let moves = window.written > usual_max;
            windows.push(window);
            if moves {
                used = windows.len();
            }
            let patience = if used == 0 { WINDOWS_TO_BEGIN } else { STILL_WINDOWS };
            if windows.len() - used >= patience {
                break;
            }
        }
        windows.truncate(used);
        Ok(windows)
    }

    fn window(&mut self, work: &Rc<Lot>) -> Result<Window, Error> {
        let pid = self.server.pid();
        let before = process::written(pid)?;
        let latencies = paced(&mut self.crew, work)?;
        Ok(Window { written: process::written(pid)?.saturating_sub(before), latencies })
    }
}

/// Latencies of sends, receives and deletes.
type Samples = [Vec<Duration>; 3];

/// What happened within one window.
struct Window {
    /// Bytes that the server wrote to files.
    written: u64,
    latencies: Samples,
}

/// Lets the connections take turns for a window. Each has far more time between two of its turns than a round takes, and
/// a late turn does not move the next, so a stall is met by as many requests as fall into it.
fn paced(crew: &mut Crew, work: &Rc<Lot>) -> Result<Samples, Error> {
    let (work, began, connections) = (work.clone(), Instant::now(), crew.len());
    let interval = Duration::from_secs(1) / ROUNDS_A_SECOND;
    let all = crew.each(async move |number, client| {
        let mut latencies = Samples::default();
        let turns = (number as u32..).step_by(connections).map(|turn| interval * turn);
        for turn in turns.take_while(|turn| *turn < WINDOW) {
            tokio::time::sleep_until((began + turn).into()).await;
            round(client, &work, &mut latencies).await?;
        }
        Ok(latencies)
    })?;
    let mut sum = Samples::default();
    for latencies in all {
        sum.iter_mut().zip(latencies).for_each(|(sum, own)| sum.extend(own));
    }
    Ok(sum)
}

/// Sends ten messages, receives ten and deletes them.
async fn round(client: &mut Client, work: &Rc<Lot>, [sends, receives, deletes]: &mut Samples) -> Result<(), Failure> {
    work.send(client, work.sent() + BATCH, |latency, _| sends.push(latency)).await?;
    let queue = &work.queues[0];
    for _ in 0..EMPTY_ANSWERS_MAX {
        let (handles, latency) = requests::receive(client, queue, BATCH).await?;
        receives.push(latency);
        if !handles.is_empty() {
            deletes.push(requests::delete(client, queue, &handles).await?);
            return Ok(());
        }
        tokio::time::sleep(EMPTY_PAUSE).await;
    }
    // There are ten that nobody else received.
    Err(Failure::Malformed { action: Action::ReceiveMessage })
}

/// The bytes written in the middle one of some windows: one in which a segment is prepared says nothing.
fn middle(windows: &[Window]) -> u64 {
    let mut written: Vec<u64> = windows.iter().map(|window| window.written).collect();
    written.sort_unstable();
    written[written.len() / 2]
}

/// All latencies of many windows.
struct Seen {
    windows: u64,
    kinds: [Histogram<u64>; 3],
}

impl Default for Seen {
    fn default() -> Self {
        let kinds = [(); 3].map(|()| Histogram::new(3).expect("three digits are allowed"));
        Self { windows: 0, kinds }
    }
}

impl Seen {
    fn add(&mut self, window: &Window) {
        self.windows += 1;
        for (histogram, latencies) in self.kinds.iter_mut().zip(&window.latencies) {
            latencies.iter().for_each(|latency| works::record(histogram, *latency));
        }
    }

    fn latencies(&self) -> Latencies {
        let ms = |percentile| {
            let of = |histogram: &Histogram<u64>| histogram.value_at_percentile(percentile) as f64 / 1e6;
            self.kinds.each_ref().map(of)
        };
        Latencies {
            seconds: self.windows as f64 * WINDOW.as_secs_f64(),
            requests: self.kinds.each_ref().map(Histogram::len),
            p50_ms: ms(50.0),
            p99_ms: ms(99.0),
        }
    }
}
