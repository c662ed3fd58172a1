//! Measures a local journal: CPU per record, records and syncs per second, and reads.
//!
//! `cargo run --release -p stanchion-journal --example journal_bench -- [directory] [seconds]`
//!
//! A window of records is kept under way: whenever the listener announces some, as many are appended. So the window is
//! the most that a group can be. CPU is that of all threads of the process, user and system, the appending one included.
//! The `bare` lines are the floor: one thread that writes groups of as many bytes to a prepared file and syncs each.

mod shared;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stanchion_journal::local::{Durability, Options};
use stanchion_journal::{Address, Journal, Local, Position, Record, ShardId};

use shared::{acquire, cpu};

const SHARD: ShardId = ShardId(0);
const RECORD_BYTES: usize = 1024;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let temporary;
    let directory = match arguments.next() {
        Some(directory) => PathBuf::from(directory),
        None => {
            temporary = std::env::temp_dir().join(format!("journal-bench-{}", std::process::id()));
            temporary
        }
    };
    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(2.0);
    let payload = Bytes::from((0..RECORD_BYTES).map(|index| (index * 7) as u8).collect::<Vec<u8>>());
    println!("{RECORD_BYTES} bytes a record; {}", directory.display());
    println!(
        "{:>9} {:>7} {:>11} {:>9} {:>9} {:>11} {:>9}",
        "sync", "window", "records/s", "syncs/s", "group", "CPU us/rec", "MiB/s"
    );
    std::fs::create_dir_all(&directory).expect("creates");
    for window in [1, 8, 32, 128, 1024] {
        bare(&directory, window, seconds);
    }
    for (name, durability) in [("sync", Durability::Sync), ("memory", Durability::Memory)] {
        for window in [1u64, 8, 32, 128, 1024] {
            let run = directory.join(format!("{name}-{window}"));
            let journal = Local::open(&run, Options { durability, ..Options::default() }).expect("opens");
            journal.settle();
            write(&journal, name, window, seconds, &payload);
            if durability == Durability::Sync && window == 1024 {
                read(&journal, seconds / 2.0);
            }
            journal.close().expect("closes");
            drop(journal);
            if durability == Durability::Sync && window == 1024 {
                reopen(&run);
            }
            std::fs::remove_dir_all(&run).expect("removes its own directory");
        }
    }
    // Only if nothing else is in it.
    let _ = std::fs::remove_dir(&directory);
}

/// Measures what the system itself costs.
fn bare(directory: &Path, window: u64, seconds: f64) {
    let path = directory.join("bare");
    let bytes = vec![7u8; window as usize * RECORD_BYTES];
    let length = 64 << 20;
    let file = std::fs::File::create(&path).expect("creates");
    file.write_all_at(&vec![0; length], 0).expect("writes");
    file.sync_all().expect("syncs");
    let (started, cpu_before) = (Instant::now(), cpu());
    let (mut groups, mut at) = (0u64, 0u64);
    while started.elapsed().as_secs_f64() < seconds {
        if at + bytes.len() as u64 > length as u64 {
            at = 0;
        }
        file.write_all_at(&bytes, at).expect("writes");
        file.sync_data().expect("syncs");
        at += bytes.len() as u64;
        groups += 1;
    }
    let (elapsed, used) = (started.elapsed().as_secs_f64(), cpu() - cpu_before);
    std::fs::remove_file(&path).expect("removes its own file");
    print("bare", window, (groups * window) as f64, groups as f64, elapsed, used);
}

fn print(name: &str, window: u64, records: f64, syncs: f64, elapsed: f64, used: Duration) {
    println!(
        "{name:>9} {window:>7} {:>11.0} {:>9.0} {:>9.1} {:>11.2} {:>9.1}",
        records / elapsed,
        syncs / elapsed,
        records / syncs.max(1.0),
        used.as_secs_f64() * 1e6 / records,
        records * RECORD_BYTES as f64 / elapsed / (1 << 20) as f64,
    );
}

fn write(journal: &Local, name: &str, window: u64, seconds: f64, payload: &Bytes) {
    let (ears, epoch, mut last) = acquire(journal, SHARD);
    let (before, started, cpu_before) = (journal.stats(), Instant::now(), cpu());
    let mut durable = last;
    while started.elapsed().as_secs_f64() < seconds {
        while last.0 < durable.0 + window {
            last = last.next();
            let record = Record { shard: SHARD, position: last, clock_ms: 0, count: 1, payload: payload.clone() };
            journal.append(epoch, record).expect("appends");
        }
        durable = ears.wait(durable.next());
    }
    ears.wait(last);
    let (after, elapsed, used) = (journal.stats(), started.elapsed().as_secs_f64(), cpu() - cpu_before);
    let records = (after.records - before.records) as f64;
    let syncs = (after.syncs - before.syncs) as f64;
    print(name, window, records, syncs, elapsed, used);
}

/// Reads records that are not in the cache, in pages of neighbours and one here and there.
fn read(journal: &Local, seconds: f64) {
    let last = journal.durable(SHARD).0 / 2;
    for (name, page, step) in [("pages of 100", 100u64, 1u64), ("10 scattered", 10, 7919)] {
        let (started, cpu_before) = (Instant::now(), cpu());
        let (mut records, mut next) = (0u64, 0u64);
        while started.elapsed().as_secs_f64() < seconds {
            let at = (0..page).map(|index| Address {
                position: Position((next + index * step) % last + 1),
                offset: 0,
                length: RECORD_BYTES as u32,
            });
            let (sender, receiver) = mpsc::channel();
            journal.fetch(SHARD, at.collect(), Box::new(move |answer| sender.send(answer).expect("somebody waits")));
            records += receiver.recv().expect("calls back").expect("reads").len() as u64;
            next += page * step;
        }
        let used = (cpu() - cpu_before).as_secs_f64() * 1e6 / records as f64;
        println!("    read, {name}: {:.0} records/s, CPU {used:.2} us a record", records as f64 / seconds);
    }
}

fn reopen(directory: &Path) {
    let started = Instant::now();
    let journal = Local::open(directory, Options::default()).expect("opens");
    let opened = started.elapsed();
    let mut records = 0u64;
    let count = &mut |_| {
        records += 1;
        Ok(())
    };
    journal.replay(SHARD, Position(1), count).expect("replays");
    println!("    reopen: {opened:.1?}; replay of all {records} records: {:.1?}", started.elapsed() - opened);
}
