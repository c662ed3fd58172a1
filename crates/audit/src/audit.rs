//! Taking lines without waiting, and the thread that writes them.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::record::{Moment, Record};
use crate::trail::{Place, Trail};

/// Most lines that wait to be written.
pub const LINES_MAX: usize = 8192;
/// Most bytes that they have together.
pub const BYTES_MAX: usize = 8 << 20;

/// Longest line; of a longer one the parameters are left out.
const LINE_BYTES_MAX: usize = 256 << 10;
/// How many bytes of lines are written at once, the last one aside.
const WRITE_BYTES: usize = 64 << 10;
/// How long it takes until it is tried again to say what was dropped.
const AGAIN: Duration = Duration::from_secs(1);
/// How often the log says that lines are dropped.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// A trail that takes records. They are with the operating system soon after; a crash of the process loses those that
/// wait, and a power cut those that the system has not written.
#[derive(Debug)]
pub struct Audit {
    /// Gone once the trail is closed.
    lines: Mutex<Option<SyncSender<Item>>>,
    shared: Arc<Shared>,
    /// Ends with the thread.
    ended: Mutex<Receiver<()>>,
}

/// What the thread is told.
#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    /// To look at what has changed.
    Look,
}

#[derive(Debug, Default)]
struct Shared {
    /// Bytes of the lines that wait.
    waiting: AtomicUsize,
    /// Lines that were dropped since the start, and how many of them the trail has told of.
    dropped: AtomicU64,
    told: AtomicU64,
    reopen: AtomicBool,
}

impl Shared {
    fn untold(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed) - self.told.load(Ordering::Relaxed)
    }
}

impl Audit {
    /// Opens a trail and starts its thread.
    ///
    /// # Errors
    /// The system's reason why the file cannot be appended to, or the thread not started.
    pub fn start(place: Place) -> io::Result<Self> {
        Audit::on(Trail::open(place)?)
    }

    fn on(trail: Trail) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(LINES_MAX);
        let (end, ended) = channel();
        let shared = Arc::new(Shared::default());
        let writer = Writer { trail, shared: shared.clone(), complained: None };
        thread::Builder::new().name("audit".into()).spawn(move || {
            writer.run(&receiver);
            drop(end);
        })?;
        Ok(Audit { lines: Mutex::new(Some(sender)), shared, ended: Mutex::new(ended) })
    }

    /// Takes a record, to be written soon, and returns at once. If too many wait, the record is dropped and counted, and
    /// the next line that can be written says so.
    pub fn note(&self, record: &Record) {
        let Ok(mut line) = serde_json::to_vec(record) else { return self.skip() };
        if line.len() > LINE_BYTES_MAX {
            let parameters = Some(json!({ "omitted_bytes": line.len() }));
            line = serde_json::to_vec(&Record { parameters, ..record.clone() }).unwrap_or_default();
        }
        line.push(b'\n');
        let bytes = line.len();
        let waiting = self.shared.waiting.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes > BYTES_MAX || !self.tell(Item::Line(line)) {
            self.shared.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.skip();
        }
    }

    /// Counts a record that its caller does not want to have written, as one that was dropped.
    pub fn skip(&self) {
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the thread something; `false` if it has too much to do, or has ended.
    fn tell(&self, item: Item) -> bool {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.as_ref().is_some_and(|lines| lines.try_send(item).is_ok())
    }

    /// Opens the file anew before the next line: somebody has moved it away.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Relaxed);
        // With much to do the thread looks by itself.
        self.tell(Item::Look);
    }

    /// Returns how many records were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Takes no more records, and waits until all are written, or the time is up; tells which.
    pub fn close(&self, patience: Duration) -> bool {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
    }
}

/// What the thread does.
struct Writer {
    trail: Trail,
    shared: Arc<Shared>,
    /// When the log was last told of lines that were dropped.
    complained: Option<Instant>,
}

/// How the trail itself says that lines are missing before this one.
#[derive(Serialize)]
struct Gap {
    time: Moment,
    dropped: u64,
}

impl Writer {
    fn run(mut self, items: &Receiver<Item>) {
        loop {
            let item = match self.shared.untold() {
                0 => items.recv().map_err(|_| RecvTimeoutError::Disconnected),
                _ => items.recv_timeout(AGAIN),
            };
            let (mut lines, mut count) = (Vec::new(), 0);
            let mut next = item.as_ref().ok();
            let mut more;
            while let Some(item) = next {
                if let Item::Line(line) = item {
                    lines.extend_from_slice(line);
                    count += 1;
                }
                if lines.len() >= WRITE_BYTES {
                    break;
                }
                more = items.try_recv().ok();
                next = more.as_ref();
            }
            self.write(&lines, count);
            if matches!(item, Err(RecvTimeoutError::Disconnected)) {
                return;
            }
        }
    }

    /// Writes lines, and before them how many are missing.
    fn write(&mut self, lines: &[u8], count: u64) {
        if self.shared.reopen.swap(false, Ordering::Relaxed) {
            match self.trail.reopen() {
                Ok(()) => tracing::info!("opened the audit file again"),
                Err(error) => tracing::error!(%error, "the audit file cannot be opened again"),
            }
        }
        let missing = self.shared.untold();
        let mut text = Vec::new();
        if missing > 0 {
            // Two numbers and a date always make JSON.
            text = serde_json::to_vec(&Gap { time: Moment::now(), dropped: missing }).unwrap_or_default();
            text.push(b'\n');
        }
        text.extend_from_slice(lines);
        if !text.is_empty() {
            match self.trail.append(&text) {
                Ok(()) => self.shared.told.fetch_add(missing, Ordering::Relaxed),
                Err(error) => {
                    self.complain(&format!("the audit trail cannot be written: {error}"));
                    self.shared.dropped.fetch_add(count, Ordering::Relaxed)
                }
            };
        }
        if missing > 0 {
            self.complain("lines of the audit trail were dropped");
        }
        self.shared.waiting.fetch_sub(lines.len(), Ordering::Relaxed);
    }

    fn complain(&mut self, what: &str) {
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            tracing::error!(dropped = self.shared.dropped.load(Ordering::Relaxed), "{what}");
        }
    }
}

#[cfg(test)]
mod tests;
