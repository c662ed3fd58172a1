//! What it costs to remember deduplication ids for five minutes: processor time of each send, and memory.
//!
//!     cargo run --release -p stanchion-shard --example deduplication_cost
//!
//! The records of chunks go to a file in the directory for temporary files, some 1.5 GB, and are read back from there.
//! What is measured is the turns of the shard for one send of a small message to a FIFO queue, filing included.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only this program looks at a clock and has a file; the shard gets the time it is told"
)]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stanchion_engine::command::{Command, Deduplication, Reply, Submission};
use stanchion_engine::ids::{ContentAddress, DeduplicationHash, Entropy, GroupKey, QueueId};
use stanchion_shard::{Asked, Input, Options, Output, Shard, Ticket};
use stanchion_types::attributes::AttributeChange;
use stanchion_types::{AccountId, QueueArn, QueueName, Region, Timestamp};

/// Ids at which the costs are looked at.
const STOPS: [u64; 4] = [0, 1_000_000, 5_000_000, 20_000_000];
/// Sends after which the queue is emptied, and a time is taken.
const STRETCH: u64 = 20_000;
/// Stretches at each stop, of whose times the median is shown: the machine may do other things.
const STRETCHES: usize = 15;
/// Ids a second; 20 million fit into five minutes.
const PACE: u64 = 70_000;

fn main() {
    let mut world = World::new();
    // Numbers of a machine that does nothing else; compare them within one run.
    println!("| ids held | new id, ns | duplicate on disk, ns | memory, MiB | snapshot, MiB | its beginning, ms |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    world.send(STRETCH);
    let before = resident();
    for stop in STOPS {
        while world.sent < stop {
            world.send(STRETCH);
        }
        let memory = resident().saturating_sub(before) >> 20;
        let bytes = world.shard.snapshot().1.len() as f64 / f64::from(1 << 20);
        let began = Instant::now();
        world.shard.begin_snapshot();
        let beginning = began.elapsed().as_secs_f64() * 1e3;
        while world.shard.continue_snapshot(1000).is_none() {}
        // The youngest ids are in memory.
        let on_disk = |world: &mut World| world.repeat(STRETCH / 10, stop - 200_000);
        let duplicate = if stop == 0 { f64::NAN } else { median(|| on_disk(&mut world)) };
        let new = median(|| world.send(STRETCH));
        println!("| {stop} | {new:.0} | {duplicate:.0} | {memory} | {bytes:.1} | {beginning:.1} |");
    }
    let (_, bytes) = world.shard.snapshot();
    let began = Instant::now();
    world.shard = Shard::restore(options(), &bytes).expect("a snapshot reads back");
    let restored = began.elapsed();
    world.handle(Input::Tick);
    println!("\nrestored in {restored:.0?}, all marks read after {:.0?}", began.elapsed());
    world.filings.sort_unstable();
    let (filings, reads) = (world.filings.len(), world.reads);
    println!("{filings} turns filed a chunk, half of them in {:.1?} or less", world.filings[filings / 2]);
    println!("{reads} reads of chunks");
}

fn median(mut measure: impl FnMut() -> f64) -> f64 {
    let mut times: Vec<f64> = (0..STRETCHES).map(|_| measure()).collect();
    times.sort_unstable_by(f64::total_cmp);
    times[STRETCHES / 2]
}

/// Lets a purge follow a purge.
fn options() -> Options {
    let engine = stanchion_engine::Options { rest_seconds: 0, ..stanchion_engine::Options::default() };
    Options { engine, seed: 1 }
}

/// A shard with a journal that is durable at once and keeps only what is large.
struct World {
    shard: Shard,
    queue: QueueId,
    file: File,
    end: u64,
    /// Where in the file the record at a position is.
    places: BTreeMap<u64, u64>,
    sent: u64,
    tickets: u64,
    reads: u64,
    /// Times of the turns that filed a chunk.
    filings: Vec<Duration>,
}

impl World {
    fn new() -> World {
        let path = std::env::temp_dir().join(format!("deduplication-cost-{}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).expect("a temporary file");
        // Nobody else needs its name.
        fs::remove_file(&path).expect("the file was just made");
        let shard = Shard::new(options());
        let places = BTreeMap::new();
        let mut world = World {
            shard,
            queue: QueueId(0),
            file,
            end: 0,
            places,
            sent: 0,
            tickets: 0,
            reads: 0,
            filings: Vec::new(),
        };
        let arn = QueueArn {
            region: Region::new("us-east-1").expect("a region"),
            account: AccountId::DEFAULT,
            name: QueueName::new("bench.fifo").expect("a queue name"),
        };
        let attributes = vec![AttributeChange::FifoQueue(true)];
        let reply = world.ask(Command::CreateQueue { arn, attributes, tags: Vec::new() });
        let Reply::Queue(queue) = reply else { panic!("the queue was not created: {reply:?}") };
        world.queue = queue;
        world
    }

    /// Sends messages with new ids, and returns the nanoseconds that each took.
    fn send(&mut self, count: u64) -> f64 {
        let began = worked();
        for _ in 0..count {
            self.sent += 1;
            let command = self.submission(self.sent);
            self.expect(command, false);
        }
        let spent = worked() - began;
        // Only the ids are of interest, and a purge keeps them.
        self.ask(Command::Purge { queue: self.queue });
        spent as f64 / count as f64
    }

    /// Sends messages whose ids are held on disk, and returns the nanoseconds that each took.
    fn repeat(&mut self, count: u64, oldest: u64) -> f64 {
        let began = worked();
        for number in 0..count {
            let command = self.submission(self.sent - 200_000 - number * (oldest / count));
            self.expect(command, true);
        }
        (worked() - began) as f64 / count as f64
    }

    fn expect(&mut self, command: Command, duplicate: bool) {
        let reply = self.ask(command);
        let Reply::Sent(outcomes) = &reply else { panic!("{reply:?}") };
        assert!(matches!(&outcomes[..], [Ok(accepted)] if accepted.duplicate == duplicate), "{reply:?}");
    }

    fn submission(&self, number: u64) -> Command {
        // The digest of an id has no small numbers.
        let hash = DeduplicationHash(Entropy(7).draw(number));
        let message = Submission {
            size: 1,
            delay_seconds: None,
            group: Some(GroupKey(number % 1000)),
            deduplication: Some(Deduplication { hash, explicit: true }),
            content: Bytes::from_static(b"x"),
        };
        Command::Send { queue: self.queue, messages: vec![message] }
    }

    fn ask(&mut self, command: Command) -> Reply {
        self.tickets += 1;
        let (ticket, entropy) = (Ticket(self.tickets), Entropy(u128::from(self.tickets)));
        let answer = self.handle(Input::Command(Asked { ticket, command, entropy }));
        answer.expect("a shard with a journal that is durable at once answers at once")
    }

    fn handle(&mut self, input: Input) -> Option<Reply> {
        let now = Timestamp::from_millis(1_000_000 + self.sent * 1000 / PACE);
        let turn = self.turn(now, input);
        let mut answer = None;
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Append(record) => {
                    self.turn(now, Input::Durable(record.position));
                    if record.payload.len() > 100_000 {
                        self.filings.push(turn);
                        self.file.write_all_at(&record.payload, self.end).expect("the file takes a record");
                        self.places.insert(record.position, self.end);
                        self.end += record.payload.len() as u64;
                    }
                }
                Output::Changed(_) => {}
                Output::Reply(_, reply) => answer = Some(reply),
                Output::Fetch(read, contents) => {
                    // Of messages nothing is kept.
                    let pieces = contents.into_iter().map(|at| self.read(at)).collect();
                    self.turn(now, Input::Fetched { read, pieces });
                }
                Output::Read(read, at) => {
                    self.reads += 1;
                    let bytes = self.read(at);
                    self.turn(now, Input::Loaded { read, bytes });
                }
            }
        }
        answer
    }

    fn turn(&mut self, now: Timestamp, input: Input) -> Duration {
        let began = Instant::now();
        self.shard.handle(now, input);
        began.elapsed()
    }

    fn read(&self, at: ContentAddress) -> Option<Bytes> {
        let place = self.places.get(&at.position)? + u64::from(at.offset);
        let mut bytes = vec![0; at.length as usize];
        self.file.read_exact_at(&mut bytes, place).expect("the file holds the record");
        Some(Bytes::from(bytes))
    }
}

/// Returns the nanoseconds for which this thread has had a processor.
fn worked() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("a system with /proc");
    text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number of nanoseconds")
}

/// Returns the bytes of memory that this process has.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a system with /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kilobytes");
    kib << 10
}
