//! One line on standard error, rewritten every second.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The progress line of one section, or nothing when nobody looks.
pub(crate) struct Progress {
    shown: bool,
    name: &'static str,
    last: (Instant, u64),
}

/// How often the line is written.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

impl Progress {
    /// This function begins the line of a section. It is shown when standard
    /// error is a terminal or `always` is set.
    pub(crate) fn new(name: &'static str, always: bool) -> Self {
        let shown = always || std::io::stderr().is_terminal();
        Self { shown, name, last: (Instant::now(), 0) }
    }

    /// This function shows how many messages are done by now.
    pub(crate) fn update(&mut self, done: u64) {
        let now = Instant::now();
        let seconds = now.duration_since(self.last.0).as_secs_f64();
        let rate = done.saturating_sub(self.last.1) as f64 / seconds.max(0.001);
        self.last = (now, done);
        if self.shown {
            let mut stderr = std::io::stderr().lock();
            // A terminal that went away is no reason to end a measurement.
            let _ = write!(stderr, "\r{}: {done} messages, {rate:.0} a second\x1b[K", self.name);
            let _ = stderr.flush();
        }
    }

    /// This function clears the line.
    pub(crate) fn finish(self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
