//! When a message group of a standard queue counts as noisy.
//!
//! The service calls a tenant noisy by either of two measures: it holds more than a tenth of all messages in flight
//! and at least thirty, or it took more than a tenth of the consumers' recent processing time. Its thresholds are
//! approximate and the window of "recent" is not published; ours are gathered here.

use stanchion_types::Timestamp;

/// The thresholds in force.
pub const NOISE: Noise = Noise { messages_min: 30, share_percent: 10, busy_min_ms: 30_000, rest_ms: 300_000 };

/// Thresholds of noise.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    /// Fewer messages of a group in flight are never noise.
    pub messages_min: usize,
    /// Share of the queue's messages in flight, or of its processing time, above which a group is noisy.
    pub share_percent: u64,
    /// Less recent processing time than this is never noise. Ours: as long as thirty messages of a second each.
    pub busy_min_ms: u64,
    /// A noisy group with nothing in flight for this long is quiet again.
    pub rest_ms: u64,
}

impl Noise {
    /// Tells whether a group with `own` of `total` messages in flight is noisy.
    pub fn by_messages(&self, own: usize, total: usize) -> bool {
        own >= self.messages_min && own as u64 * 100 > total as u64 * self.share_percent
    }

    /// Tells whether a group that took `own` of `total` processing time is noisy.
    pub fn by_time(&self, own: &Busy, total: &Busy, now: Timestamp) -> bool {
        let own = own.recent(now);
        own >= self.busy_min_ms && own * 100 > total.recent(now) * self.share_percent
    }
}

/// Processing time of consumers: from receive to deletion or timeout. Finished time counts half after each minute.
#[derive(Clone, Copy, Debug, Default)]
pub struct Busy {
    finished_ms: u64,
    minute: u64,
    running: u64,
    /// Sum of the moments at which what is running was received.
    running_since: u64,
}

impl Busy {
    /// Notes that processing of a message began.
    pub fn started(&mut self, now: Timestamp) {
        self.running += 1;
        self.running_since += now.millis();
    }

    /// Notes that processing of a message ended.
    pub fn ended(&mut self, started: Timestamp, now: Timestamp) {
        self.finished_ms = self.finished(now) + now.millis_since(started);
        self.minute = now.millis() / 60_000;
        self.running -= 1;
        self.running_since -= started.millis();
    }

    /// Returns the recent processing time in milliseconds.
    pub fn recent(&self, now: Timestamp) -> u64 {
        self.finished(now) + (self.running * now.millis()).saturating_sub(self.running_since)
    }

    /// Returns what is kept of finished processing: milliseconds, and the minute from which they halve.
    pub fn kept(&self) -> (u64, u64) {
        (self.finished_ms, if self.finished_ms > 0 { self.minute } else { 0 })
    }

    /// Sets what is kept of finished processing; for a state that is being restored.
    pub fn restore(&mut self, (finished_ms, minute): (u64, u64)) {
        (self.finished_ms, self.minute) = (finished_ms, minute);
    }

    fn finished(&self, now: Timestamp) -> u64 {
        let minutes = (now.millis() / 60_000).saturating_sub(self.minute);
        self.finished_ms.checked_shr(minutes.min(64) as u32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_tenth_of_the_messages_in_flight_is_noise_from_thirty_on() {
        assert!(!NOISE.by_messages(29, 29));
        assert!(NOISE.by_messages(30, 299));
        assert!(!NOISE.by_messages(30, 300));
    }

    #[test]
    fn finished_time_halves_each_minute_and_running_time_counts_in_full() {
        let mut busy = Busy::default();
        busy.started(at(60));
        busy.ended(at(60), at(100));
        assert_eq!(busy.recent(at(100)), 40_000);
        assert_eq!(busy.recent(at(120)), 20_000);
        busy.started(at(120));
        assert_eq!(busy.recent(at(179)), 20_000 + 59_000);
        assert_eq!(Busy { running: 0, running_since: 0, ..busy }.recent(at(60_000)), 0);
    }
}
