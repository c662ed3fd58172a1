//! Every implementation keeps the contract.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use stanchion_journal::conformance::{self, Medium};
use stanchion_journal::local::between::{Between, Interposed};
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{Directory, Disk, DiskFile, Durability, Options};
use stanchion_journal::{Fault, Journal, Local, Memory};
use stanchion_keyring::Keyring;

/// A journal in memory, with what a crash left of the one before.
#[derive(Default)]
struct InMemory {
    current: Option<Arc<Memory>>,
}

impl Medium for InMemory {
    fn open(&mut self) -> Arc<dyn Journal> {
        let next = self.current.take().map_or_else(Memory::automatic, |before| before.crash());
        let next = Arc::new(next);
        self.current = Some(Arc::clone(&next));
        next
    }

    fn crash(&mut self, _journal: Arc<dyn Journal>) {
        let left = self.current.take().map(|current| current.crash());
        self.current = left.map(Arc::new);
    }

    fn fail_next_sync(&mut self) {
        let current = self.current.as_ref().expect("a journal is open");
        current.fail_next_sync(Fault::corrupt("memory", 0, "injected"));
    }
}

/// Files on a disk that loses what was not synced.
struct OnSimulatedDisk {
    disk: Simulated,
    options: Options,
    cuts: u64,
    current: Weak<Local>,
}

impl Medium for OnSimulatedDisk {
    fn open(&mut self) -> Arc<dyn Journal> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let journal = Arc::new(Local::open_on(disk, self.options).expect("opens"));
        self.current = Arc::downgrade(&journal);
        journal
    }

    fn crash(&mut self, journal: Arc<dyn Journal>) {
        self.cuts += 1;
        self.disk = self.disk.power_cut(self.cuts);
        drop(journal);
    }

    fn fail_next_sync(&mut self) {
        settle(&self.current);
        self.disk.fail_next_sync(std::io::ErrorKind::Other);
    }
}

/// Files in a real directory; a crash is that of the process.
struct InDirectory {
    directory: tempfile::TempDir,
    options: Options,
    disk: Arc<dyn Disk>,
    fragile: Arc<Fragile>,
    current: Weak<Local>,
}

/// Waits until the next sync is one of records, not of a segment that is being prepared.
fn settle(journal: &Weak<Local>) {
    journal.upgrade().expect("the journal is open").settle();
}

/// Makes the next sync fail if told to.
#[derive(Default)]
struct Fragile {
    fail: AtomicBool,
}

impl Between for Fragile {
    fn sync(&self, file: &dyn DiskFile) -> std::io::Result<()> {
        if self.fail.swap(false, Ordering::AcqRel) {
            return Err(std::io::Error::other("injected"));
        }
        file.sync()
    }
}

impl Medium for InDirectory {
    fn open(&mut self) -> Arc<dyn Journal> {
        let journal = Local::open_on(Arc::clone(&self.disk), self.options);
        let journal = Arc::new(journal.unwrap_or_else(|fault| panic!("{}: {fault}", self.directory.path().display())));
        self.current = Arc::downgrade(&journal);
        journal
    }

    fn crash(&mut self, journal: Arc<dyn Journal>) {
        drop(journal);
    }

    fn fail_next_sync(&mut self) {
        settle(&self.current);
        self.fragile.fail.store(true, Ordering::Release);
    }
}

fn run(mut medium: impl FnMut() -> Box<dyn Medium>) {
    for (name, rule) in conformance::RULES {
        println!("{name}");
        rule(&mut *medium());
    }
}

#[test]
fn memory_keeps_the_contract() {
    for (name, rule) in conformance::RULES {
        // A sync in memory takes no time, so groups may be as small as one.
        if !name.contains("groups") {
            rule(&mut InMemory::default());
        }
    }
}

#[test]
fn files_that_are_synced_keep_the_contract_through_power_cuts() {
    for (segment_bytes, cache_bytes) in [(16 << 10, 0), (64 << 10, 100_000), (1 << 20, 64 << 20)] {
        let options = Options {
            segment_bytes,
            cache_bytes,
            durability: Durability::Sync,
            reserve_segments: 1,
            ..Options::default()
        };
        run(|| {
            Box::new(OnSimulatedDisk { disk: Simulated::new(), options, cuts: segment_bytes, current: Weak::new() })
        });
    }
}

#[test]
fn real_files_keep_the_contract() {
    let options = Options {
        segment_bytes: 256 << 10,
        cache_bytes: 50_000,
        durability: Durability::Sync,
        reserve_segments: 1,
        ..Options::default()
    };
    run(|| in_directory(options, keyring()));
}

#[test]
fn files_that_are_not_sealed_keep_the_contract() {
    let options = Options { segment_bytes: 64 << 10, cache_bytes: 50_000, reserve_segments: 1, ..Options::default() };
    run(|| in_directory(options, None));
    run(|| {
        let disk = Simulated::new().with_keyring(None);
        Box::new(OnSimulatedDisk { disk, options, cuts: 1, current: Weak::new() })
    });
}

#[test]
fn real_files_synced_in_intervals_keep_the_contract_when_the_process_is_killed() {
    let durability = Durability::Interval(Duration::from_millis(1));
    let options = Options {
        segment_bytes: 256 << 10,
        cache_bytes: 50_000,
        durability,
        reserve_segments: 1,
        ..Options::default()
    };
    for (name, rule) in conformance::RULES {
        // Syncs are neither one for each group, nor does an announcement wait for them.
        if !name.contains("failure") && !name.contains("groups") {
            rule(&mut *in_directory(options, keyring()));
        }
    }
}

fn keyring() -> Option<Arc<Keyring>> {
    Some(Arc::new(Keyring::draw("drawn").expect("a keyring")))
}

fn in_directory(options: Options, keyring: Option<Arc<Keyring>>) -> Box<dyn Medium> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let fragile = Arc::new(Fragile::default());
    let disk = Interposed::new(Directory::new(directory.path()).with_keyring(keyring), Arc::clone(&fragile));
    Box::new(InDirectory { directory, options, disk: Arc::new(disk), fragile, current: Weak::new() })
}
