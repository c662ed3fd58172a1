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
use crate::load::{self, drain, passing};
use crate::queues;
use crate::random::Random;
use crate::server::{Gate, Server};
use crate::{Clients, Kept, each_queue, explain, setting};
use look::{Look, Over, Watch};
use report::{Calls, Round};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

mod look;
mod report;

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
/// When the state has all that it will ever have: deduplication ids stay for five minutes.
const SETTLED: Duration = Duration::from_secs(5 * 60);
/// Client numbers of a round; labels carry them, so that no round repeats one.
const NUMBERS: usize = 1000;

#[test]
fn memory_and_disk_stay_flat_under_load_with_restarts() {
    let minutes = setting("STANCHION_SOAK_MINUTES");
    let whole = minutes.map_or(SHORT, |minutes| Duration::from_secs(60 * minutes));
    let seed = setting("STANCHION_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{} s of load with the seed {seed}", whole.as_secs());
    let directory = Kept::new();
    let ground = Ground::solid(&directory.path);
    let watch = Watch::default();
    let (rounds, broken) = thread::scope(|scope| {
        scope.spawn(|| watch.look_on(&ground.data));
        // Whatever happens to this thread, the watcher must not look for ever.
        let _over_on_panic = Over(&watch);
        let soak = Soak { ground: &ground, directory: &directory.path, watch: &watch, random: Random::new(seed), seed };
        soak.run(whole)
    });
    let verdict = report::judge_growth(&rounds);
    println!("{}{}", report::totals(&rounds), verdict.text);
    assert!(broken.is_none(), "{}", broken.unwrap_or_default());
    assert!(!verdict.grows, "memory or disk grows, see above");
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
    /// Goes on until the time is over or a promise is broken; gives the rounds and what is known of that.
    fn run(mut self, whole: Duration) -> (Vec<Round>, Option<String>) {
        let length = (whole / ROUNDS).min(ROUND_MAX);
        let began = Instant::now();
        let mut server = self.start(&Gate::default());
        println!("\n{}", report::HEAD);
        let mut rounds = Vec::new();
        let mut broken = None;
        while began.elapsed() < whole && broken.is_none() {
            let restarting = began.elapsed() < whole / 2;
            let settled = began.elapsed() >= SETTLED;
            let (next, round, found) = self.round(rounds.len(), restarting, length, server);
            println!("{}", round.row(rounds.len()));
            rounds.push(Round { settled, ..round });
            (server, broken) = (next, found);
        }
        server.stop();
        (rounds, broken)
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
    fn round(
        &mut self,
        number: usize,
        restarting: bool,
        length: Duration,
        server: Server,
    ) -> (Server, Round, Option<String>) {
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
        passing::clear(server.address());
        let first = number * NUMBERS + roles.len();
        events.extend(each_queue(seed, first, server.address(), began, drain::finish));
        events.extend(each_queue(seed, first + queues::ALL.len(), server.address(), began, drain::look_again));
        // Stable: each client's own order stays.
        events.sort_by_key(|event| event.invoked);
        let (violations, broken) = self.judge(number, &events);
        let rest = Look::now(server.pid(), &self.ground.data);
        let (calls, needed) = (count(&events), look::needed(&self.ground.data));
        let round = Round { restarting, settled: false, kills, stops, calls, violations, top, rest, needed };
        (server, round, broken)
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

    /// How many promises are broken, and if any, what is known of them.
    fn judge(&self, number: usize, events: &[Event]) -> (u64, Option<String>) {
        let violations = checker::check(&queues::ALL, events);
        if violations.is_empty() {
            return (0, None);
        }
        let all: String = events.iter().map(|event| format!("{event:?}\n")).collect();
        std::fs::write(self.directory.join("history.txt"), all).expect("the history's file");
        let replay = format!("STANCHION_CRASH_SEED={} (round {number})", self.seed);
        (violations.len() as u64, Some(explain(&replay, events, &violations, self.directory)))
    }
}

/// What clients did.
fn count(events: &[Event]) -> Calls {
    let mut calls = Calls { noted: events.len() as u64, ..Calls::default() };
    for event in events {
        match &event.what {
            What::Send(send) if send.outcome == Outcome::Unknown => calls.unknown += 1,
            What::Send(send) => calls.sent += u64::from(matches!(send.outcome, Outcome::Acknowledged(_))),
            What::Receive { outcome: Outcome::Acknowledged(deliveries), .. } => {
                calls.received += deliveries.len() as u64;
            }
            What::Receive { outcome: Outcome::Unknown, .. } => calls.unknown += 1,
            What::Delete { outcome: Outcome::Acknowledged(()), .. } => calls.deleted += 1,
            What::Delete { outcome: Outcome::Unknown, .. } => calls.unknown += 1,
            _ => {}
        }
    }
    calls
}
