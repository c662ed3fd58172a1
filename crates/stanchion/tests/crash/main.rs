//! Kills a server under load again and again, and checks from the clients'
//! own notes that it kept every promise.
//!
//! Real processes, a real socket, `kill -9`, and power cuts on real file
//! systems where the machine allows it. The seed decides over the load
//! and the moments of death (as far as the machine lets it) and is printed; run
//! the same again with `STANCHION_CRASH_SEED`. `STANCHION_CRASH_KILLS` sets how
//! often to kill, `STANCHION_CRASH_CUTS` how often to cut the power.
//!
//! Start reading at `acknowledged_work_survives_every_kill`; the promises are
//! in `checker`, each with a test of its own that shows it is seen.

mod body;
mod checker;
mod client;
mod ground;
mod history;
mod load;
mod queues;
mod random;
mod server;
mod soak;

use checker::{Rule, Violation};
use client::Client;
use ground::Ground;
use history::{Event, Outcome, What};
use load::{Session, drain};
use random::Random;
use server::{Gate, Server};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const KILLS: u64 = 50;
const CUTS: u64 = 12;
/// How many offenders against each rule a failure shows, and how many events of
/// each.
const SHOWN_MAX: usize = 2;
const EVENTS_SHOWN_MAX: usize = 40;

#[test]
fn acknowledged_work_survives_every_kill() {
    let kills = setting("STANCHION_CRASH_KILLS").unwrap_or(KILLS);
    let directory = Kept::new();
    judge(kills, &Ground::solid(&directory.path), "KILLS", directory);
}

/// The file systems are shut down without flushing: what was not synced is gone, as after a power cut. Needs root,
/// loop devices and the tools of the file system; says so where they are missing.
#[test]
fn acknowledged_work_survives_power_cuts_on_real_file_systems() {
    let cuts = setting("STANCHION_CRASH_CUTS").unwrap_or(CUTS);
    for kind in ["ext4", "xfs"] {
        let directory = Kept::new();
        match Ground::quaking(&directory.path, kind) {
            Ok(ground) => {
                println!("power cuts on {kind}");
                judge(cuts, &ground, "CUTS", directory);
            }
            Err(reason) => {
                println!("no power cuts on {kind}: {reason}");
                directory.remove();
            }
        }
    }
}

/// Runs the load with this many crashes and looks for broken promises.
fn judge(crashes: u64, ground: &Ground, name: &str, directory: Kept) {
    let seed = setting("STANCHION_CRASH_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        u64::try_from(now.as_millis()).expect("a clock before the year 500 million")
    });
    let replay = format!("STANCHION_CRASH_SEED={seed} STANCHION_CRASH_{name}={crashes}");
    println!("replay with {replay}");
    let events = run(seed, crashes, ground);
    let violations = checker::check(&queues::ALL, &events);
    println!("{}", summary(&events, crashes));
    if violations.is_empty() {
        ground.leave();
        directory.remove();
        return;
    }
    let all: String = events.iter().map(|event| format!("{event:?}\n")).collect();
    std::fs::write(directory.path.join("history.txt"), all).expect("the history's file");
    let all: String = violations.iter().map(|violation| format!("{violation}\n")).collect();
    std::fs::write(directory.path.join("violations.txt"), all).expect("the violations' file");
    panic!("{}", explain(&replay, &events, &violations, &directory.path));
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// A directory that stays unless the run was good.
struct Kept {
    path: PathBuf,
}

impl Kept {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("stanchion-crash-").tempdir().expect("a directory");
        let path = directory.keep();
        println!("data directory and log: {}", path.display());
        Self { path }
    }

    fn remove(self) {
        std::fs::remove_dir_all(self.path).expect("the directory goes");
    }
}

/// Load and kills, then the drain. Returns everybody's notes by time.
fn run(seed: u64, kills: u64, ground: &Ground) -> Vec<Event> {
    let began = Instant::now();
    let gate = Arc::new(Gate::default());
    let mut first = ground.start();
    gate.set(Some(first.wait_until_ready()));
    queues::create(&mut Client::new(gate.clone()));
    let clients = Clients { seed, first_number: 0, gate: &gate, began };
    let (last, mut events) = clients.load(&load::ROLES, || kill_often(seed, kills, first, &gate, ground));
    drain_all(seed, last, ground, began, &mut events);
    // Stable: each client's own order stays.
    events.sort_by_key(|event| event.invoked);
    events
}

/// The clients of one stretch of load.
struct Clients<'a> {
    seed: u64,
    /// Of the first client; labels carry the number, so no two clients of a data directory may have the same.
    first_number: usize,
    gate: &'a Arc<Gate>,
    began: Instant,
}

impl Clients<'_> {
    /// Loads the server while `meanwhile` runs, and returns everybody's notes.
    fn load<T>(&self, roles: &[load::Role], meanwhile: impl FnOnce() -> T) -> (T, Vec<Event>) {
        thread::scope(|scope| {
            let clients: Vec<_> = roles
                .iter()
                .enumerate()
                .map(|(number, role)| {
                    scope.spawn(move || {
                        let mut session = Session::new(self.first_number + number, self.seed, self.gate, self.began);
                        role(&mut session);
                        session.events
                    })
                })
                .collect();
            // Whatever happens to this thread, the clients must not wait for ever.
            let _end_on_panic = EndGate(self.gate);
            let result = meanwhile();
            self.gate.end();
            let notes = clients.into_iter().flat_map(|client| client.join().expect("a client's notes"));
            (result, notes.collect())
        })
    }
}

struct EndGate<'a>(&'a Gate);

impl Drop for EndGate<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Kills the server `kills` times and leaves a new one running.
fn kill_often(seed: u64, kills: u64, mut server: Server, gate: &Gate, ground: &Ground) -> Server {
    let mut random = Random::new(seed);
    let mut ready = true;
    let [mut starting, mut stopping, mut opened, mut working] = [0; 4];
    for _ in 0..kills {
        let dice = random.between(0, 99);
        match (ready, dice) {
            // While it starts and replays.
            (false, _) => {
                starting += 1;
                thread::sleep(Duration::from_millis(random.between(0, 60)));
                ground.crash(server, &mut random);
            }
            // While it stops and writes its snapshot.
            (true, 0..20) => {
                stopping += 1;
                thread::sleep(Duration::from_millis(random.between(200, 3000)));
                server.terminate_and_kill(Duration::from_millis(random.between(0, 150)));
                ground.cut();
            }
            // Soon after it has opened.
            (true, 20..35) => {
                opened += 1;
                thread::sleep(Duration::from_millis(random.between(0, 50)));
                ground.crash(server, &mut random);
            }
            (true, _) => {
                working += 1;
                thread::sleep(Duration::from_millis(random.between(200, 4000)));
                ground.crash(server, &mut random);
            }
        }
        gate.set(None);
        server = ground.start();
        // What was killed while starting is mostly left to start now.
        ready = !(ready && random.percent(20));
        if ready {
            gate.set(Some(server.wait_until_ready()));
        }
    }
    if !ready {
        gate.set(Some(server.wait_until_ready()));
    }
    println!("killed {starting} starting, {opened} just open, {working} at work, {stopping} stopping");
    // A last stretch, so that the clients see the state after the last kill.
    thread::sleep(Duration::from_secs(2));
    server
}

/// Lets move tasks end, empties every queue, kills once more, and looks whether
/// anything comes back.
fn drain_all(seed: u64, mut server: Server, ground: &Ground, began: Instant, events: &mut Vec<Event>) {
    let mut random = Random::new(seed);
    ground.crash(server, &mut random);
    server = ground.start();
    let address = server.wait_until_ready();
    let number = load::ROLES.len();
    events.extend(each_queue(seed, number, address, began, drain::finish));
    ground.crash(server, &mut random);
    server = ground.start();
    let address = server.wait_until_ready();
    let number = number + queues::ALL.len();
    events.extend(each_queue(seed, number, address, began, drain::look_again));
    server.kill();
}

/// Does `work` with every queue at the same time.
fn each_queue(
    seed: u64,
    first_number: usize,
    address: std::net::SocketAddr,
    began: Instant,
    work: impl Fn(&mut Session, &'static str) + Sync,
) -> Vec<Event> {
    let gate = Arc::new(Gate::default());
    gate.set(Some(address));
    let (gate, work) = (&gate, &work);
    thread::scope(|scope| {
        let workers: Vec<_> = queues::ALL
            .iter()
            .enumerate()
            .map(|(at, rules)| {
                scope.spawn(move || {
                    let mut session = Session::new(first_number + at, seed, gate, began);
                    work(&mut session, rules.name);
                    session.events
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a drained queue")).collect()
    })
}

fn summary(events: &[Event], kills: u64) -> String {
    let mut counts = [0_u64; 5];
    for event in events {
        match &event.what {
            What::Send(send) => {
                counts[0] += u64::from(matches!(send.outcome, Outcome::Acknowledged(_)));
                counts[1] += u64::from(send.outcome == Outcome::Unknown);
            }
            What::Receive { outcome: Outcome::Acknowledged(deliveries), .. } => counts[2] += deliveries.len() as u64,
            What::Receive { outcome: Outcome::Unknown, .. } => counts[3] += 1,
            What::Delete { outcome: Outcome::Acknowledged(()), .. } => counts[4] += 1,
            _ => {}
        }
    }
    let [sent, unknown, delivered, lost_replies, deleted] = counts;
    format!(
        "{kills} crashes: {sent} sends acknowledged, {unknown} of unknown outcome, {delivered} deliveries, \
         {lost_replies} receives without a reply, {deleted} deletes acknowledged"
    )
}

/// Counts by rule, and the first offenders of each with all that is known of
/// them. The whole list is in the kept directory.
fn explain(replay: &str, events: &[Event], violations: &[Violation], directory: &Path) -> String {
    let mut by_rule: BTreeMap<Rule, Vec<&Violation>> = BTreeMap::new();
    for violation in violations {
        by_rule.entry(violation.rule).or_default().push(violation);
    }
    let mut text = format!("{} promises broken; {}\n", violations.len(), directory.display());
    writeln!(text, "replay with {replay}").expect("writing to memory");
    for (rule, found) in &by_rule {
        writeln!(text, "{:>8}  {rule:?}", found.len()).expect("writing to memory");
    }
    for violation in by_rule.values().flat_map(|found| found.iter().take(SHOWN_MAX)) {
        writeln!(text, "\n{violation}").expect("writing to memory");
        for event in events.iter().filter(|event| event.mentions(&violation.subject)).take(EVENTS_SHOWN_MAX) {
            writeln!(text, "    {event:?}").expect("writing to memory");
        }
    }
    text
}
