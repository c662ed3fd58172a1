//! Measures reads of ten bodies that are not in the journal's own cache: CPU of each body and how often files are read for
//! the ten, by a thread of the journal and at once by whoever asks; and what the system asks for the least that a body
//! alone takes.
//!
//! `cargo run --release -p stanchion-journal --example read_bench -- [directory] [seconds]`
//!
//! The ways in which the ten bodies of a receive lie in a deep backlog: in one record, as a batch of ten sends leaves
//! them; in one record of a hundred, as a busy shard leaves them; in ten records that follow each other; in ten records
//! with as many records of another shard between two; and far from each other, each in a record of its own, of ten, or of a
//! hundred. Everything is in the page cache of the system. CPU is that of all threads of the process.
//!
//! The least is one read of two blocks of 4 KiB, which is what a body of 1 KiB touches every fourth time, from the page cache
//! and from the disk, with their checksums and with their decryption.

mod shared;

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use bytes::Bytes;
use stanchion_journal::local::between::{Between, Interposed};
use stanchion_journal::local::{Directory, DiskFile, Durability, Options};
use stanchion_journal::{Address, Fault, Journal, Local, Position, Record, ShardId};
use stanchion_keyring::DataKey;

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

    fn read_at_hand(&self, _: &str, file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        file.read_at_hand(buffer, offset)
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
    println!("| ten bodies | fetched: ns a body, reads | at hand: ns a body, reads |");
    println!("| --- | ---: | ---: |");
    let bench = Bench { journal: &journal, reads, seconds };
    bench.measure("in one record", BATCHES, of_batch);
    bench.measure("in a large record", LARGE, of_large);
    bench.measure("in records that follow each other", SINGLES, whole);
    bench.measure("in every second record", MIXED[0], whole);
    bench.measure("here and there, alone in their records", SINGLES, |index| whole(index * 7919));
    bench.measure("here and there, in records of ten", BATCHES, |index| of_batch(index * 7919));
    bench.measure("here and there, in large records", LARGE, |index| of_large(index * 7919));
    least(&directory.join("journal"), seconds).expect("reads its own files");
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

struct Bench<'a> {
    journal: &'a Local,
    reads: &'a AtomicU64,
    seconds: f64,
}

impl Bench<'_> {
    /// Reads ten bodies at a time in both ways; `at` tells the record of a body, and which of its bodies it is.
    fn measure(&self, name: &str, shard: ShardId, at: impl Fn(u64) -> (u64, u32)) {
        let address = |body: u64| {
            let (record, number) = at(body);
            let offset = number * (BODY + ABOUT) as u32 + ABOUT as u32;
            Address { position: Position(record), offset, length: BODY as u32 }
        };
        let fetched = self.repeat(|turn| {
            let ten = (turn * TEN..(turn + 1) * TEN).map(address).collect();
            let (sender, receiver) = mpsc::channel();
            let done = Box::new(move |answer| sender.send(answer).expect("somebody waits"));
            self.journal.fetch(shard, ten, done);
            let answer: Result<Vec<Bytes>, Fault> = receiver.recv().expect("calls back");
            assert_eq!(answer.expect("reads").len() as u64, TEN);
        });
        let at_hand = self.repeat(|turn| {
            let ten: Vec<Address> = (turn * TEN..(turn + 1) * TEN).map(address).collect();
            let found = self.journal.at_hand(shard, &ten);
            // Memory may be short: what is not at hand counts as if it was.
            assert_eq!(found.len() as u64, TEN);
        });
        println!("| {name} | {:.0}, {:.2} | {:.0}, {:.2} |", fetched.0, fetched.1, at_hand.0, at_hand.1);
    }

    /// Does something again and again, and returns the CPU of each tenth of it in nanoseconds, and how many reads it took.
    fn repeat(&self, mut read_ten: impl FnMut(u64)) -> (f64, f64) {
        let (started, cpu_before, reads_before) = (Instant::now(), cpu(), self.reads.load(Ordering::Relaxed));
        let mut turns = 0;
        while started.elapsed().as_secs_f64() < self.seconds {
            read_ten(turns);
            turns += 1;
        }
        let used = (cpu() - cpu_before).as_nanos() as f64 / (turns * TEN) as f64;
        (used, (self.reads.load(Ordering::Relaxed) - reads_before) as f64 / turns as f64)
    }
}

/// Reads two blocks at a time, here and there in the files of a journal.
fn least(journal: &Path, seconds: f64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(journal)? {
        let file = File::open(entry?.path())?;
        if file.metadata()?.len() >= 32 << 20 {
            files.push(file);
        }
    }
    let key = DataKey::new([1; 32].into());
    let block = |turn: u64| turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let read = |buffer: &mut [u8], turn: u64| {
        let file = &files[(block(turn) % files.len() as u64) as usize];
        file.read_exact_at(buffer, (block(turn + 1) % 8_000) * 4096).map(|()| turn)
    };
    let mut buffer = vec![0; 8192];
    let mut plain = vec![0; 4096];
    println!();
    println!("| two blocks, here and there | ns |");
    println!("| --- | ---: |");
    let mut report = |name: &str, work: &mut dyn FnMut(&mut [u8], u64) -> io::Result<()>| -> io::Result<()> {
        let (started, cpu_before, mut turn) = (Instant::now(), cpu(), 0);
        while started.elapsed().as_secs_f64() < seconds {
            work(&mut buffer, turn)?;
            turn += 1;
        }
        println!("| {name} | {:.0} |", (cpu() - cpu_before).as_nanos() as f64 / turn as f64);
        Ok(())
    };
    report("read from the page cache", &mut |buffer, turn| read(buffer, turn).map(drop))?;
    report("read, and their checksums", &mut |buffer, turn| {
        read(buffer, turn)?;
        buffer.chunks(4096).for_each(|block| _ = black_box(crc32c::crc32c(block)));
        Ok(())
    })?;
    report("read, and decrypted", &mut |buffer, turn| {
        read(buffer, turn)?;
        // What was not sealed like this does not open, which takes as long.
        buffer.chunks(4096).for_each(|block| _ = black_box(key.open([0; 12], &[0; 68], block, &[0; 16], &mut plain)));
        Ok(())
    })?;
    for file in &files {
        file.sync_all()?;
    }
    report("read from the disk", &mut |buffer, turn| {
        let file = &files[(block(turn) % files.len() as u64) as usize];
        let at = (block(turn + 1) % 8_000) * 4096;
        rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random)?;
        rustix::fs::fadvise(file, at, std::num::NonZeroU64::new(8192), rustix::fs::Advice::DontNeed)?;
        read(buffer, turn).map(drop)
    })
}
