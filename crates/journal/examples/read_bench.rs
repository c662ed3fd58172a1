//! Measures fetches of ten bodies that are not in memory: CPU and reads of the file for each body.
//!
//! `cargo run --release -p stanchion-journal --example read_bench -- [directory] [seconds]`
//!
//! Five ways in which the ten bodies of a receive lie in a deep backlog: in one record, as a batch of ten sends leaves
//! them; in one record of a hundred, as a busy shard leaves them; in ten records that follow each other; in ten records
//! with as many records of another shard between two; and far from each other. Everything is in the page cache of the system. CPU is that of all threads of the process.

mod shared;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use bytes::Bytes;
use stanchion_journal::local::between::{Between, Interposed};
use stanchion_journal::local::{Directory, DiskFile, Durability, Options};
use stanchion_journal::{Address, Fault, Journal, Local, Position, Record, ShardId};

use shared::{acquire, cpu};

/// Bytes of a body, and of what the record says about each.
const BODY: usize = 1024;
const ABOUT: usize = 60;
/// Bodies of a fetch.
const TEN: u64 = 10;
/// Records of a shard.
const RECORDS: u64 = 20_000;

const BATCHES: ShardId = ShardId(0);
const SINGLES: ShardId = ShardId(1);
const MIXED: [ShardId; 2] = [ShardId(2), ShardId(3)];
const LARGE: ShardId = ShardId(4);

/// Counts reads.
#[derive(Default)]
struct Counting {
    reads: AtomicU64,
}

impl Between for Counting {
    fn read_at(&self, _: &str, file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        file.read_at(buffer, offset)
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let temporary = || std::env::temp_dir().join(format!("read-bench-{}", std::process::id()));
    let directory = arguments.next().map_or_else(temporary, PathBuf::from);
    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(2.0);
    let counting = Arc::new(Counting::default());
    let reads = &counting.reads;
    let disk = Interposed::new(Directory::new(directory.clone()), Arc::clone(&counting));
    let options = Options { durability: Durability::Memory, cache_bytes: 0, ..Options::default() };
    let journal = Local::open_on(Arc::new(disk), options).expect("opens");
    fill(&journal, &[BATCHES], RECORDS, (BODY + ABOUT) * TEN as usize);
    fill(&journal, &[LARGE], RECORDS / 10, (BODY + ABOUT) * 100);
    fill(&journal, &[SINGLES], RECORDS, BODY + ABOUT);
    fill(&journal, &MIXED, RECORDS, BODY + ABOUT);
    let whole = |index: u64| (index % RECORDS + 1, 0);
    let of_batch = |body: u64| (body / TEN % RECORDS + 1, (body % TEN) as u32);
    let of_large = |body: u64| (body / 100 % (RECORDS / 10) + 1, (body % 100) as u32);
    println!("{:>12} {:>12} {:>14}", "ten bodies", "CPU ns/body", "reads/fetch");
    measure(&journal, reads, "one record", BATCHES, seconds, of_batch);
    measure(&journal, reads, "large record", LARGE, seconds, of_large);
    measure(&journal, reads, "neighbours", SINGLES, seconds, whole);
    measure(&journal, reads, "mixed", MIXED[0], seconds, whole);
    measure(&journal, reads, "scattered", SINGLES, seconds, |index| whole(index * 7919));
    journal.close().expect("closes");
    drop(journal);
    std::fs::remove_dir_all(&directory).expect("removes its own directory");
}

/// Appends records to shards in turn.
fn fill(journal: &Local, shards: &[ShardId], records: u64, length: usize) {
    let owner = |&shard: &ShardId| {
        let (ears, epoch, _) = acquire(journal, shard);
        (shard, ears, epoch)
    };
    let owners: Vec<_> = shards.iter().map(owner).collect();
    let payload = Bytes::from((0..length).map(|index| (index * 7) as u8).collect::<Vec<u8>>());
    for position in (1..=records).map(Position) {
        for (shard, ears, epoch) in &owners {
            let record = Record { shard: *shard, position, clock_ms: 0, count: 1, payload: payload.clone() };
            journal.append(*epoch, record).expect("appends");
            // A few under way, as on a busy server.
            ears.wait(Position(position.0.saturating_sub(64)));
        }
    }
    for (_, ears, _) in &owners {
        ears.wait(Position(records));
    }
}

/// Fetches ten bodies at a time; `at` tells the record of a body, and which of its bodies it is.
fn measure(
    journal: &Local,
    reads: &AtomicU64,
    name: &str,
    shard: ShardId,
    seconds: f64,
    at: impl Fn(u64) -> (u64, u32),
) {
    let (started, cpu_before, reads_before) = (Instant::now(), cpu(), reads.load(Ordering::Relaxed));
    let (mut fetches, mut bodies) = (0u64, 0u64);
    while started.elapsed().as_secs_f64() < seconds {
        let addresses = (bodies..bodies + TEN).map(|body| {
            let (record, number) = at(body);
            let offset = number * (BODY + ABOUT) as u32 + ABOUT as u32;
            Address { position: Position(record), offset, length: BODY as u32 }
        });
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |answer| sender.send(answer).expect("somebody waits"));
        journal.fetch(shard, addresses.collect(), done);
        let answer: Result<Vec<Bytes>, Fault> = receiver.recv().expect("calls back");
        bodies += answer.expect("reads").len() as u64;
        fetches += 1;
    }
    let used = (cpu() - cpu_before).as_nanos() as f64 / bodies as f64;
    let reads = (reads.load(Ordering::Relaxed) - reads_before) as f64 / fetches as f64;
    println!("{name:>12} {used:>12.0} {reads:>14.2}");
}
