//! The scenarios: how each makes its backlog, and the order in which it is
//! measured.

mod moving;

use super::crew::Crew;
use super::figures::{Comparison, Figures, Growth, Many, REMEMBERED_TWICE, Reclaimed};
use super::lot::{BATCH, Lot};
use super::requests;
use super::server::{Home, Server};
use super::works::{self, Works};
use super::{Options, gib};
use crate::client::Failure;
use crate::protocol::{Call, Queue};
use crate::{Error, payload, process};
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

/// A kind of backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// One standard queue.
    Standard,
    /// One FIFO queue, twenty messages to a group.
    FifoMillionGroups,
    /// A quarter as many messages, five hundred to a queue.
    Scattered,
    /// Every message was received at least once and timed out.
    ReceivedOnce,
    /// Every second message was deleted.
    EverySecondDeleted,
    /// A FIFO queue whose first messages are all of one group that is locked.
    LockedGroup,
    /// Every message with a delay of its own, 0 to 900 seconds.
    RandomDelays,
    /// One message of a hundred stays, the others are consumed at once.
    Stragglers,
    /// A deep queue behind a straggler is purged.
    Purge,
    /// A deep queue behind a straggler is deleted.
    DeleteQueue,
    /// A queue that shared the disk with others is purged: what clients notice while the others' messages are moved.
    Moving,
}

impl Scenario {
    /// This function lists all scenarios in the order in which they run.
    pub fn all() -> Vec<Self> {
        <Self as clap::ValueEnum>::value_variants().to_vec()
    }

    /// This function gives the name on the command line.
    pub fn name(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self).expect("no scenario is hidden");
        value.get_name().to_owned()
    }

    pub(super) fn description(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self).expect("no scenario is hidden");
        value.get_help().map(ToString::to_string).unwrap_or_default()
    }

    /// This function gives the messages that the backlog has at its deepest
    /// when the deepest scenarios have `depth`.
    pub(super) fn messages(self, depth: u64) -> u64 {
        match self {
            Self::Scattered => depth / 4,
            Self::LockedGroup => locked(depth) + depth / 20 + ROOM,
            Self::Purge | Self::DeleteQueue => depth / 2,
            Self::Moving => moving::messages(depth),
            _ => depth,
        }
    }

    fn is_fifo(self) -> bool {
        matches!(self, Self::FifoMillionGroups | Self::LockedGroup)
    }
}

/// Messages of the locked group: far more than a queue looks at for a free one.
fn locked(depth: u64) -> u64 {
    (depth / 100).max(10_000)
}

/// More than the work at depth takes from a queue.
const ROOM: u64 = 10_000;
/// Rounds of work: seconds of CPU, so that a percent of it shows.
const ROUNDS: u64 = 100;
/// How far a fill or a pass is, is reported so many times.
const STEPS: u64 = 10;
/// How often memory is looked at between two reports.
const LOOKS: u64 = 4;
/// Messages sent between the clean restart and the kill, at most: what the
/// server then has to replay.
const REPLAYED_MAX: u64 = 100_000;
/// How long space may take to come back before the benchmark goes on.
const RECLAIM_MAX: Duration = Duration::from_secs(120);
/// The constant beside twice the live bytes: segments made in advance and two
/// snapshots.
const SPARE_BYTES: u64 = 512 << 20;
/// Of the receives that let messages time out.
const SHORT_VISIBILITY_SECONDS: u32 = 1;

/// A server at work on a directory, and the connections to it.
struct Site<'a> {
    options: &'a Options,
    binary: PathBuf,
    home: Home,
    server: Server,
    crew: Crew,
    name: String,
}

/// A backlog that was made.
struct Backlog {
    lot: Rc<Lot>,
    /// Messages that are alive.
    alive: u64,
    growth: Growth,
}

/// This function runs one scenario on a server of its own.
pub(super) fn run(scenario: Scenario, options: &Options) -> Result<Figures, Error> {
    let began = Instant::now();
    let mut site = Site::open(scenario, options)?;
    let resident_before = site.resident()?;
    if scenario == Scenario::Moving {
        let mut figures = Figures::new(scenario.name(), 0, options.size);
        figures.resident_before = resident_before;
        moving::run(site, &mut figures)?;
        return Ok(figures);
    }
    let idle = site.queue(scenario, "empty")?;
    let groups = groups(scenario, options.depth());
    let idle = Rc::new(Lot::new(vec![idle], options.size, groups));
    site.say("an empty queue");
    let one = works::measure(&mut site.crew, site.server.pid(), &idle, ROUNDS)?;
    let queues = site.queues(scenario)?;
    // Many deep queues are compared with the very same queues before they are filled: that there are many is no depth.
    let many = if queues.len() > 1 {
        let idle = Rc::new(Lot::new(queues.clone(), options.size, groups));
        site.say(&format!("{} empty queues", queues.len()));
        Some(works::measure(&mut site.crew, site.server.pid(), &idle, ROUNDS)?)
    } else {
        None
    };

    let count = queues.len();
    let backlog = site.make(scenario, queues)?;
    let mut figures = Figures::new(scenario.name(), backlog.alive, options.size);
    figures.resident(resident_before, site.resident()?, &backlog.growth);
    if matches!(scenario, Scenario::Purge | Scenario::DeleteQueue) {
        figures.resident_peak = process::resident_peak(site.server.pid())?;
        figures.reclaimed = Some(site.reclaim(scenario, &backlog)?);
    } else {
        site.say("the deep queue");
        let deep = works::measure(&mut site.crew, site.server.pid(), &backlog.lot, ROUNDS)?;
        figures.resident_peak = process::resident_peak(site.server.pid())?;
        figures.comparison = Some(compare(many.as_ref().unwrap_or(&one), &deep));
        figures.many = many.map(|many| Many { queues: count, one_cpu_us: one.cpu_us(), empty_cpu_us: many.cpu_us() });
        let live = backlog.alive * options.size as u64;
        if matches!(scenario, Scenario::Stragglers | Scenario::EverySecondDeleted | Scenario::ReceivedOnce) {
            site.wait_for_space(live);
        }
        figures.disk = Some((site.home.disk_bytes(), live));
        site.restart(&backlog, &mut figures)?;
    }
    eprintln!("{}: done in {:.0} s", scenario.name(), began.elapsed().as_secs_f64());
    Ok(figures)
}

fn groups(scenario: Scenario, depth: u64) -> Option<u64> {
    scenario.is_fifo().then_some((depth / 20).max(1))
}

fn compare(empty: &Works, deep: &Works) -> Comparison {
    let receive_ms = |works: &Works| [works.receive.latency_ms(50.0), works.receive.latency_ms(99.0)];
    Comparison {
        empty_cpu_us: empty.cpu_us(),
        deep_cpu_us: deep.cpu_us(),
        empty_receive_ms: receive_ms(empty),
        deep_receive_ms: receive_ms(deep),
        background: deep.background,
    }
}

impl<'a> Site<'a> {
    fn open(scenario: Scenario, options: &'a Options) -> Result<Self, Error> {
        let binary = match &options.server {
            Some(path) => path.canonicalize(),
            None => std::env::current_exe(),
        };
        let binary = binary.map_err(|source| Error::Option(format!("--server: {source}")))?;
        let name = scenario.name();
        let home = Home::make(&options.dir, &name)?;
        let server = Server::start(&binary, &options.server_arguments, &home)?;
        let crew = Crew::open(&server.endpoint, options.connections)?;
        Ok(Self { options, binary, home, server, crew, name })
    }

    fn say(&self, what: &str) {
        eprintln!("{}: {what}", self.name);
    }

    fn resident(&self) -> Result<u64, Error> {
        Ok(process::sample(self.server.pid())?.resident_bytes)
    }

    /// Creates a queue of the kind that the scenario is about.
    fn queue(&mut self, scenario: Scenario, name: &str) -> Result<Queue, Error> {
        let fifo = scenario.is_fifo();
        let suffix = if fifo { ".fifo" } else { "" };
        self.crew.create(&format!("{name}{suffix}"), fifo)
    }

    /// Creates the queues that will be deep.
    fn queues(&mut self, scenario: Scenario) -> Result<Vec<Queue>, Error> {
        let messages = scenario.messages(self.options.depth());
        let count: u64 = if scenario == Scenario::Scattered { (messages / 500).clamp(10, 10_000) } else { 1 };
        (0..count).map(|number| self.queue(scenario, &format!("deep-{number}"))).collect()
    }

    fn make(&mut self, scenario: Scenario, queues: Vec<Queue>) -> Result<Backlog, Error> {
        let depth = self.options.depth();
        let messages = scenario.messages(depth);
        let size = self.options.size;
        let mut lot = Lot::new(queues, size, groups(scenario, depth));
        match scenario {
            Scenario::Stragglers => lot.shelf = Some((self.crew.create("shelf", false)?, 1)),
            Scenario::RandomDelays => lot.delay_seconds_max = Some(900),
            Scenario::LockedGroup => return self.lock_a_group(lot, depth, messages),
            Scenario::Purge | Scenario::DeleteQueue => {
                let shelf = self.crew.create("shelf", false)?;
                let straggler = Rc::new(Lot::new(vec![shelf], size, None));
                self.fill(&straggler, BATCH, Duration::ZERO)?;
            }
            _ => {}
        }
        let lot = Rc::new(lot);
        // The work at depth sends nothing to the shelf, and nothing with a delay: it receives what it sends.
        let plain = Rc::new(Lot::new(lot.queues.clone(), size, None));
        if scenario == Scenario::Stragglers {
            let (growth, alive) = self.churn(&lot, messages)?;
            return Ok(Backlog { lot: plain, alive, growth });
        }
        // Longer than it takes: then as many deduplication ids are forgotten in the end as are sent.
        let slowly = scenario == Scenario::FifoMillionGroups && self.options.full;
        let growth = self.fill(&lot, messages, if slowly { REMEMBERED_TWICE } else { Duration::ZERO })?;
        let alive = match scenario {
            Scenario::ReceivedOnce => self.pass_through(&lot, false)?,
            Scenario::EverySecondDeleted => self.pass_through(&lot, true)?,
            _ => messages,
        };
        let lot = if scenario == Scenario::RandomDelays { plain } else { lot };
        Ok(Backlog { lot, alive, growth })
    }

    /// Sends `messages`, not faster than in `least`, and looks at memory along the way.
    fn fill(&mut self, lot: &Rc<Lot>, messages: u64, least: Duration) -> Result<Growth, Error> {
        let began = Instant::now();
        let mut points = Vec::new();
        for step in 1..=STEPS {
            let (began_step, before) = (Instant::now(), lot.sent());
            for look in (step - 1) * LOOKS + 1..=step * LOOKS {
                let (until, all) = (messages * look / (STEPS * LOOKS), lot.clone());
                self.crew.each(async move |_, client| all.send(client, until, |_, _| {}).await)?;
                points.push((lot.sent(), self.resident()?));
                let end = least.mul_f64(look as f64 / (STEPS * LOOKS) as f64);
                thread::sleep(end.saturating_sub(began.elapsed()));
            }
            if messages > BATCH {
                let rate = (lot.sent() - before) as f64 / began_step.elapsed().as_secs_f64();
                let mib = points.last().map_or(0.0, |(_, resident)| *resident as f64 / f64::from(1 << 20));
                self.say(&format!("{} of {messages} sent, {rate:.0} a second, {mib:.0} MiB resident", lot.sent()));
            }
        }
        Ok(Growth { points, took: began.elapsed(), has_ids: lot.groups.is_some() })
    }

    /// Sends in small steps and consumes what was sent, all but the stragglers.
    fn churn(&mut self, lot: &Rc<Lot>, messages: u64) -> Result<(Growth, u64), Error> {
        let began = Instant::now();
        let step = (messages / 200).max(1000).next_multiple_of(100 * BATCH);
        let (mut points, mut kept) = (Vec::new(), 0);
        while lot.sent() < messages {
            let before = lot.sent();
            let (until, all) = (before + step, lot.clone());
            self.crew.each(async move |_, client| all.send(client, until, |_, _| {}).await)?;
            // One batch of a hundred went to the shelf.
            kept += step / 100;
            let (left, all) = (Rc::new(Cell::new(step - step / 100)), lot.clone());
            self.crew.each(async move |_, client| consume(client, &all.queues[0], &left).await)?;
            points.push((lot.sent(), self.resident()?));
            if points.len().is_multiple_of(20) {
                self.say(&format!("{} of {messages} sent, {kept} stay", lot.sent()));
            }
        }
        Ok((Growth { points, took: began.elapsed(), has_ids: false }, kept))
    }

    /// Receives every message of one queue at least once and lets it time out;
    /// with `every_second`, those with an even number are deleted instead.
    /// Returns how many are left.
    fn pass_through(&mut self, lot: &Rc<Lot>, every_second: bool) -> Result<u64, Error> {
        let messages = lot.sent();
        let seen = Rc::new(RefCell::new(vec![false; messages as usize]));
        let distinct = Rc::new(Cell::new(0));
        for step in 1..=STEPS {
            let until = messages * step / STEPS;
            let (all, seen, counted) = (lot.clone(), seen.clone(), distinct.clone());
            let began = Instant::now();
            let received = self.crew.each(async move |_, client| {
                let mut received = 0;
                while counted.get() < until {
                    let mut delete = Vec::new();
                    let call = Call::Receive {
                        queue: &all.queues[0],
                        messages_max: BATCH as usize,
                        wait_seconds: 0,
                        visibility_seconds: Some(SHORT_VISIBILITY_SECONDS),
                    };
                    let answer = client.call(&call, |protocol, body| {
                        protocol.messages(body, |handle, body| {
                            let Some(number) = payload::read(body) else { return };
                            let first = !std::mem::replace(&mut seen.borrow_mut()[number.sequence as usize], true);
                            counted.set(counted.get() + u64::from(first));
                            if every_second && number.sequence.is_multiple_of(2) {
                                delete.push(handle.to_owned());
                            }
                        })
                    });
                    match answer.await {
                        Ok(0) => tokio::time::sleep(Duration::from_millis(5)).await,
                        Ok(count) => received += count as u64,
                        // Enough in flight for now: some time out soon.
                        Err(Failure::Refused { code, .. }) if code.contains("OverLimit") => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        Err(failure) => return Err(failure),
                    }
                    if !delete.is_empty() {
                        let call = Call::DeleteBatch { queue: &all.queues[0], handles: &delete };
                        let failed = client.call(&call, |protocol, body| protocol.failed_entries(body)).await?;
                        if !failed.is_empty() {
                            return Err(Failure::Malformed { action: call.action() });
                        }
                    }
                }
                Ok(received)
            })?;
            let rate = received.iter().sum::<u64>() as f64 / began.elapsed().as_secs_f64();
            self.say(&format!("{} of {messages} received, {rate:.0} receives a second", distinct.get()));
        }
        // The last ones come back as well.
        thread::sleep(Duration::from_secs(u64::from(SHORT_VISIBILITY_SECONDS)) * 2);
        Ok(if every_second { messages / 2 } else { messages })
    }

    /// Puts one locked group in front of other messages.
    fn lock_a_group(&mut self, mut lot: Lot, depth: u64, messages: u64) -> Result<Backlog, Error> {
        let queues = lot.queues.clone();
        lot.group = Some("locked");
        let front = Rc::new(lot);
        let mut growth = self.fill(&front, locked(depth), Duration::ZERO)?;
        // The first message stays in flight until the end.
        let call =
            Call::Receive { queue: &queues[0], messages_max: 1, wait_seconds: 0, visibility_seconds: Some(43_200) };
        self.crew.call(&call)?;
        let others = Rc::new(Lot::new(queues, self.options.size, groups(Scenario::LockedGroup, depth)));
        let behind = self.fill(&others, messages - locked(depth), Duration::ZERO)?;
        growth.points.extend(behind.points.into_iter().map(|(sent, resident)| (sent + locked(depth), resident)));
        growth.took += behind.took;
        Ok(Backlog { lot: others, alive: messages, growth })
    }

    /// Purges or deletes the deep queue and waits for its space.
    fn reclaim(&mut self, scenario: Scenario, backlog: &Backlog) -> Result<Reclaimed, Error> {
        let disk_before = self.home.disk_bytes();
        let queue = &backlog.lot.queues[0];
        let call = match scenario {
            Scenario::Purge => Call::PurgeQueue { queue },
            _ => Call::DeleteQueue { queue },
        };
        let began = Instant::now();
        self.crew.call(&call)?;
        let answer = began.elapsed();
        let waited = self.wait_for_space(BATCH * self.options.size as u64);
        Ok(Reclaimed {
            answer_ms: answer.as_secs_f64() * 1e3,
            space_seconds: waited.map(|waited| waited.as_secs_f64()),
            disk_before,
            disk_after: self.home.disk_bytes(),
        })
    }

    /// Waits until the disk has no more than twice `live` bytes and a constant;
    /// `None` when it takes too long.
    fn wait_for_space(&self, live: u64) -> Option<Duration> {
        let began = Instant::now();
        loop {
            let disk = self.home.disk_bytes();
            if disk <= 2 * live + SPARE_BYTES {
                return Some(began.elapsed());
            }
            if began.elapsed() > RECLAIM_MAX {
                self.say(&format!("{:.2} GiB are still taken, {:.2} GiB are alive", gib(disk), gib(live)));
                return None;
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Stops the server cleanly, then kills it, and measures both starts.
    fn restart(self, backlog: &Backlog, figures: &mut Figures) -> Result<(), Error> {
        self.say("a clean restart and a kill");
        let (binary, arguments) = (self.binary, &self.options.server_arguments);
        self.server.stop()?;
        let (server, mut crew, clean) = reopen(&binary, arguments, &self.home, &backlog.lot.queues[0])?;
        let replayed = (backlog.alive / 10).min(REPLAYED_MAX);
        let (until, lot) = (backlog.lot.sent() + replayed, backlog.lot.clone());
        crew.each(async move |_, client| lot.send(client, until, |_, _| {}).await)?;
        server.kill().map_err(|source| Error::Endpoint(format!("killing the server: {source}")))?;
        let (server, _, killed) = reopen(&binary, arguments, &self.home, &backlog.lot.queues[0])?;
        figures.reopen_seconds = Some([clean.as_secs_f64(), killed.as_secs_f64()]);
        figures.resident_reopened = Some(process::sample(server.pid())?.resident_bytes);
        server.stop()
    }
}

/// Starts the server again and measures until it has answered a receive.
fn reopen(binary: &Path, arguments: &[String], home: &Home, queue: &Queue) -> Result<(Server, Crew, Duration), Error> {
    let server = Server::start(binary, arguments, home)?;
    let mut crew = Crew::open(&server.endpoint, 1)?;
    let call = Call::Receive { queue, messages_max: 1, wait_seconds: 0, visibility_seconds: Some(0) };
    crew.call(&call)?;
    let took = server.started.elapsed();
    Ok((server, crew, took))
}

/// Receives and deletes until `left` messages are gone.
async fn consume(client: &mut crate::client::Client, queue: &Queue, left: &Cell<u64>) -> Result<(), Failure> {
    while left.get() > 0 {
        let (handles, _) = requests::receive(client, queue, BATCH).await?;
        if handles.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        }
        requests::delete(client, queue, &handles).await?;
        left.set(left.get().saturating_sub(handles.len() as u64));
    }
    Ok(())
}
