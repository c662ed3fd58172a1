//! Mixed load for as long as one likes, with restarts of both kinds, queues that grow and are emptied, and a look at
//! memory and disk every few seconds.
//!
//! The run goes in rounds. Each loads the server, empties every queue, and has the checker judge its history, which is
//! then forgotten: so the test itself needs no more memory after two hours than after two rounds. In the first half
//! servers are stopped and killed at random; in the second half one process serves to the end, so that what it might
//! leak shows.

use crate::checker;
use crate::client::Client;
use crate::ground::Ground;
use crate::history::{Event, Outcome, What};
use crate::load::{self, drain};
use crate::queues;
use crate::random::Random;
use crate::server::{Gate, Server};
use crate::{Clients, Kept, each_queue, explain, setting};
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long the test runs when `STANCHION_SOAK_MINUTES` does not say.
/// Too few rounds for a judgement on growth, enough for the checker.
const SHORT: Duration = Duration::from_secs(40);
/// How long the load of a round lasts, at most.
const ROUND_MAX: Duration = Duration::from_secs(60);
/// A short run has shorter rounds: so many would fit without the drains.
const ROUNDS: u32 = 4;
/// How long a server lives in the first half.
const LIFE_MIN: Duration = Duration::from_millis(500);
const LIFE_MAX: Duration = Duration::from_secs(20);
/// Between two looks at memory and disk.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How soon the watcher sees that the run is over.
const GLANCE: Duration = Duration::from_millis(100);
/// Client numbers of a round; labels carry them, so that no round repeats one.
const NUMBERS: usize = 1000;

/// How much more the last third of the rounds may take than the first: a part of it, and a constant. Allocators and
/// whole files round up, and the server lets some space die before it gives any back.
const GROWTH_PERCENT: u64 = 10;
const GROWTH_RESIDENT: u64 = 12 << 20;
const GROWTH_DISK: u64 = 128 << 20;

/// Memory and disk at one moment, in bytes.
#[derive(Clone, Copy, Default)]
struct Look {
    resident: u64,
    disk: u64,
}

/// What a round brought.
struct Round {
    restarting: bool,
    kills: u64,
    stops: u64,
    sent: u64,
    delivered: u64,
    /// The most that was seen under load.
    top: Look,
    /// With every queue empty.
    rest: Look,
}

#[test]
fn memory_and_disk_stay_flat_under_load_with_restarts() {
    let minutes = setting("STANCHION_SOAK_MINUTES");
    let whole = minutes.map_or(SHORT, |minutes| Duration::from_secs(60 * minutes));
    let seed = setting("STANCHION_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{} s of load with the seed {seed}", whole.as_secs());
    let directory = Kept::new();
    let ground = Ground::solid(&directory.path);
    let watch = Watch::default();
    let rounds = thread::scope(|scope| {
        scope.spawn(|| watch.look_on(&ground.data));
        // Whatever happens to this thread, the watcher must not look for ever.
        let _over_on_panic = Over(&watch);
        let soak = Soak { ground: &ground, directory: &directory.path, watch: &watch, random: Random::new(seed), seed };
        soak.run(whole)
    });
    let verdict = judge_growth(&rounds);
    println!("{verdict}");
    assert!(!verdict.contains("GROWS"), "{verdict}");
    directory.remove();
}

struct Soak<'a> {
    ground: &'a Ground,
    directory: &'a Path,
    watch: &'a Watch,
    random: Random,
    seed: u64,
}

impl Soak<'_> {
    fn run(mut self, whole: Duration) -> Vec<Round> {
        let length = (whole / ROUNDS).min(ROUND_MAX);
        let began = Instant::now();
        let mut server = self.start(&Gate::default());
        println!("{HEAD}");
        let mut rounds = Vec::new();
        while began.elapsed() < whole {
            let restarting = began.elapsed() < whole / 2;
            let (next, round) = self.round(rounds.len(), restarting, length, server);
            println!("{}", round.row(rounds.len()));
            rounds.push(round);
            server = next;
        }
        server.stop();
        rounds
    }

    /// Starts a server and tells everybody.
    fn start(&self, gate: &Gate) -> Server {
        let mut server = self.ground.start();
        let address = server.wait_until_ready();
        self.watch.pid.store(server.pid(), Relaxed);
        gate.set(Some(address));
        server
    }

    /// Load, a drain, and the checker's judgement.
    fn round(&mut self, number: usize, restarting: bool, length: Duration, server: Server) -> (Server, Round) {
        let (seed, began) = (self.seed.wrapping_add(number as u64), Instant::now());
        let address = server.address();
        let gate = Arc::new(Gate::default());
        gate.set(Some(address));
        if number == 0 {
            queues::create(&mut Client::new(gate.clone()));
        }
        let roles: Vec<load::Role> = load::ROLES.into_iter().chain(load::SOAK_ROLES).collect();
        self.watch.forget();
        let clients = Clients { seed, first_number: number * NUMBERS, gate: &gate, began };
        let ((server, kills, stops), mut events) = clients
            .load(&roles, || self.restart_until(began + length, restarting.then_some(length / 3), server, &gate));
        let top = self.watch.top();
        let first = number * NUMBERS + roles.len();
        events.extend(each_queue(seed, first, server.address(), began, drain::finish));
        events.extend(each_queue(seed, first + queues::ALL.len(), server.address(), began, drain::look_again));
        // Stable: each client's own order stays.
        events.sort_by_key(|event| event.invoked);
        self.judge(number, &events);
        let (sent, delivered) = count(&events);
        let rest = Look::now(server.pid(), &self.ground.data);
        let round = Round { restarting, kills, stops, sent, delivered, top, rest };
        (server, round)
    }

    /// Lets time pass; servers that live for at most `life_max` die in both ways meanwhile.
    fn restart_until(
        &mut self,
        end: Instant,
        life_max: Option<Duration>,
        mut server: Server,
        gate: &Gate,
    ) -> (Server, u64, u64) {
        let [mut kills, mut stops] = [0; 2];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let millis = |life: Duration| u64::try_from(life.as_millis()).expect("a short life");
            let life = life_max.map(|max| self.random.between(millis(LIFE_MIN), millis(max.min(LIFE_MAX))));
            let Some(life) = life.map(Duration::from_millis).filter(|life| *life < left) else {
                thread::sleep(left);
                return (server, kills, stops);
            };
            thread::sleep(life);
            if self.random.percent(50) {
                kills += 1;
                gate.set(None);
                server.kill();
            } else {
                stops += 1;
                // Clients see the end of the connections first, as they do in life.
                server.stop();
                gate.set(None);
            }
            server = self.start(gate);
        }
    }

    fn judge(&self, number: usize, events: &[Event]) {
        let violations = checker::check(&queues::ALL, events);
        if violations.is_empty() {
            return;
        }
        let all: String = events.iter().map(|event| format!("{event:?}\n")).collect();
        std::fs::write(self.directory.join("history.txt"), all).expect("the history's file");
        let replay = format!("STANCHION_CRASH_SEED={} (round {number})", self.seed);
        panic!("{}", explain(&replay, events, &violations, self.directory));
    }
}

/// Messages sent and messages delivered.
fn count(events: &[Event]) -> (u64, u64) {
    let [mut sent, mut delivered] = [0; 2];
    for event in events {
        match &event.what {
            What::Send(send) => sent += u64::from(matches!(send.outcome, Outcome::Acknowledged(_))),
            What::Receive { outcome: Outcome::Acknowledged(deliveries), .. } => delivered += deliveries.len() as u64,
            _ => {}
        }
    }
    (sent, delivered)
}

/// Looks at memory and disk beside everything else.
#[derive(Default)]
struct Watch {
    pid: AtomicU32,
    over: AtomicBool,
    top: Mutex<Look>,
}

impl Watch {
    fn look_on(&self, data: &Path) {
        let mut next = Instant::now();
        while !self.over.load(Relaxed) {
            thread::sleep(GLANCE);
            if Instant::now() < next {
                continue;
            }
            next = Instant::now() + LOOK_INTERVAL;
            let look = Look::now(self.pid.load(Relaxed), data);
            let mut top = self.top.lock().expect("the watch");
            *top = Look { resident: top.resident.max(look.resident), disk: top.disk.max(look.disk) };
        }
    }

    fn forget(&self) {
        *self.top.lock().expect("the watch") = Look::default();
    }

    fn top(&self) -> Look {
        *self.top.lock().expect("the watch")
    }
}

struct Over<'a>(&'a Watch);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Relaxed);
    }
}

impl Look {
    /// What a process that has just ended had, and a file that has just gone, is nothing.
    fn now(pid: u32, data: &Path) -> Self {
        let pages = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        let pages: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        Look { resident: pages * rustix::param::page_size() as u64, disk: allocated(data) }
    }
}

fn allocated(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.blocks() * 512;
    }
    std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| allocated(&entry.path())).sum()
}

const HEAD: &str = "\
| round | kills | clean stops | sent | delivered | resident MiB: load, rest | disk MiB: load, rest |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

impl Round {
    fn row(&self, number: usize) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let Round { kills, stops, sent, delivered, top, rest, .. } = self;
        format!(
            "| {number} | {kills} | {stops} | {sent} | {delivered} | {:.1}, {:.1} | {:.1}, {:.1} |",
            mib(top.resident),
            mib(rest.resident),
            mib(top.disk),
            mib(rest.disk)
        )
    }
}

/// What is read from a round.
type Figure = fn(&Round) -> u64;

/// How the last third of the rounds compares with the first, and what has grown beyond its bound.
fn judge_growth(rounds: &[Round]) -> String {
    let halves = [("with restarts", true), ("one process", false)];
    let mut text = String::new();
    for (half, restarting) in halves {
        // The first round fills caches and makes files.
        let rounds: Vec<&Round> = rounds.iter().filter(|round| round.restarting == restarting).skip(1).collect();
        let figures: [(&str, u64, Figure); 4] = [
            ("resident under load", GROWTH_RESIDENT, |round| round.top.resident),
            ("resident at rest", GROWTH_RESIDENT, |round| round.rest.resident),
            ("disk under load", GROWTH_DISK, |round| round.top.disk),
            ("disk at rest", GROWTH_DISK, |round| round.rest.disk),
        ];
        for (name, constant, figure) in figures {
            let values: Vec<u64> = rounds.iter().map(|round| figure(round)).collect();
            let Some((first, last)) = thirds(&values) else { continue };
            let bound = first + first * GROWTH_PERCENT / 100 + constant;
            let verdict = if last <= bound { "flat" } else { "GROWS" };
            writeln!(text, "{half}, {name}: {first} bytes first, {last} at the end, {bound} at most: {verdict}")
                .expect("writing to memory");
        }
    }
    text
}

/// The means of the first and the last third, at least of one value each; `None` of fewer than two.
fn thirds(values: &[u64]) -> Option<(u64, u64)> {
    let third = (values.len() / 3).max(1);
    let mean = |values: &[u64]| values.iter().sum::<u64>() / values.len() as u64;
    (values.len() > 1).then(|| (mean(&values[..third]), mean(&values[values.len() - third..])))
}

#[cfg(test)]
mod tests {
    use super::{Look, Round, judge_growth, thirds};

    fn rounds(resident: impl Fn(u64) -> u64) -> Vec<Round> {
        let round = |number: u64| {
            let look = Look { resident: resident(number) << 20, disk: 100 << 20 };
            Round { restarting: false, kills: 0, stops: 0, sent: 0, delivered: 0, top: look, rest: look }
        };
        (0..30).map(round).collect()
    }

    #[test]
    fn memory_that_grows_steadily_is_found_and_memory_that_only_sways_is_not() {
        assert!(judge_growth(&rounds(|number| 50 + 2 * number)).contains("GROWS"));
        let text = judge_growth(&rounds(|number| 50 + number % 7));
        assert!(!text.contains("GROWS") && text.contains("flat"), "{text}");
    }

    #[test]
    fn the_first_round_does_not_count() {
        assert!(!judge_growth(&rounds(|number| if number == 0 { 5 } else { 80 })).contains("GROWS"));
        assert_eq!(thirds(&[1, 2, 3, 4, 5, 60]), Some((1, 32)));
        assert_eq!(thirds(&[1, 2]), Some((1, 2)));
        assert_eq!(thirds(&[1]), None);
    }
}
