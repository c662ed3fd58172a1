//! Memory of the server and disk of its data directory, as they are at a moment.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at memory and disk.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How soon the watcher sees that the run is over.
const GLANCE: Duration = Duration::from_millis(100);

/// Memory and disk at one moment, in bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) resident: u64,
    pub(super) disk: Disk,
}

/// What a data directory takes, by what its files are for, in bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Disk {
    /// Files with records, and the next one, prepared ahead of time.
    pub(super) segments: u64,
    /// What is kept for a full disk, and the used file that waits for its next use.
    pub(super) kept: u64,
    pub(super) snapshots: u64,
    /// The journal's state, the lock, the secret.
    pub(super) other: u64,
}

impl Look {
    /// What a process that has just ended had, and a file that has just gone, is nothing.
    pub(super) fn now(pid: u32, data: &Path) -> Self {
        let pages = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        let pages: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        let mut disk = Disk::default();
        disk.add(data);
        Look { resident: pages * rustix::param::page_size() as u64, disk }
    }

    fn max(self, other: Look) -> Look {
        let disk = if other.disk.sum() > self.disk.sum() { other.disk } else { self.disk };
        Look { resident: self.resident.max(other.resident), disk }
    }
}

impl Disk {
    pub(super) fn sum(&self) -> u64 {
        self.segments + self.kept + self.snapshots + self.other
    }

    fn add(&mut self, path: &Path) {
        let Ok(metadata) = std::fs::symlink_metadata(path) else { return };
        if metadata.is_dir() {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            return entries.for_each(|entry| self.add(&entry.path()));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = match (name.split_once('.'), path.extension().and_then(|end| end.to_str())) {
            (Some(("reserve", _)), _) | (_, Some("spare")) => &mut self.kept,
            (_, Some("segment")) | (Some(("segment", "new")), _) => &mut self.segments,
            (_, Some("snapshot")) => &mut self.snapshots,
            _ => &mut self.other,
        };
        *kind += metadata.blocks() * 512;
    }
}

/// This function asks `stanchion inspect` what keeps bytes of the journal: for messages, and for deduplication ids.
/// A running server may take files away meanwhile; then nobody knows.
pub(super) fn needed(data: &Path) -> String {
    let mut inspect = Command::new(env!("CARGO_BIN_EXE_stanchion"));
    let output = inspect.args(["inspect", "queues", "--data-dir"]).arg(data).output().expect("inspect runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let words = text.lines().find_map(|line| line.trim().strip_prefix("needed of the journal: "));
    words.unwrap_or("not known").replace(" for messages, ", " + ").replace(" for deduplication ids", "")
}

/// Looks at memory and disk beside everything else.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) pid: AtomicU32,
    over: AtomicBool,
    top: Mutex<Look>,
}

impl Watch {
    pub(super) fn look_on(&self, data: &Path) {
        let mut next = Instant::now();
        while !self.over.load(Relaxed) {
            thread::sleep(GLANCE);
            if Instant::now() < next {
                continue;
            }
            next = Instant::now() + LOOK_INTERVAL;
            let look = Look::now(self.pid.load(Relaxed), data);
            let mut top = self.top.lock().expect("the watch");
            *top = top.max(look);
        }
    }

    pub(super) fn forget(&self) {
        *self.top.lock().expect("the watch") = Look::default();
    }

    pub(super) fn top(&self) -> Look {
        *self.top.lock().expect("the watch")
    }
}

/// Ends the watch when the run ends, however that is.
pub(super) struct Over<'a>(pub(super) &'a Watch);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Relaxed);
    }
}

#[test]
fn files_of_a_data_directory_are_counted_by_what_they_are_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = [
        ("journal/000000000001.segment", 1),
        ("journal/segment.new", 2),
        ("journal/segment.spare", 4),
        ("journal/reserve.0", 8),
        ("snapshots/00000-00000000000000000007.snapshot", 16),
        ("journal/state", 32),
    ];
    for (name, blocks) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(&path, vec![1; blocks * 4096]).expect("a file");
        // What a file takes is known for certain when it is written back.
        std::fs::File::open(&path).and_then(|file| file.sync_all()).expect("a sync");
    }
    let disk = Look::now(std::process::id(), directory.path()).disk;
    let block = disk.segments / 3;
    assert!(block >= 4096, "{block}");
    assert_eq!([disk.kept, disk.snapshots, disk.other].map(|bytes| bytes / block), [12, 16, 32]);
}
