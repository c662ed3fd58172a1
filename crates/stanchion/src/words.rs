//! Figures and places in words.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use stanchion_journal::inspect::Damage;
use stanchion_types::Timestamp;
use stanchion_types::calendar::Date;

/// Prints a line. A reader that has seen enough and left, such as `head`, is no reason to stop, nor to fail.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout().lock(), $($words)*);
    }};
}

pub(crate) use say;

/// Returns a number with its noun in the right form.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// Returns a number of bytes, rounded to what people compare.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >= 1 << shift) {
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => count(usize::try_from(bytes).unwrap_or(usize::MAX), "byte"),
    }
}

/// Says on standard error how far something is, now and then; what is quick says nothing.
pub(crate) struct Ticker {
    /// When to speak next; never without a listener.
    next: Option<Instant>,
    every: Duration,
}

impl Ticker {
    /// Returns one that speaks whoever listens.
    pub(crate) fn every(every: Duration) -> Self {
        Ticker { next: Some(Instant::now() + every), every }
    }

    /// Returns one that only speaks to a person.
    pub(crate) fn on_terminal(every: Duration) -> Self {
        let next = std::io::stderr().is_terminal().then(|| Instant::now() + every);
        Ticker { next, every }
    }

    /// Says it, if it is time.
    pub(crate) fn tell(&mut self, words: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now >= next) {
            self.next = Some(now + self.every);
            eprintln!("{}", words());
        }
    }
}

impl Default for Ticker {
    fn default() -> Self {
        Ticker::every(Duration::from_secs(1))
    }
}

/// Returns where something is wrong, and what.
pub(crate) fn damage(damage: &Damage) -> String {
    format!("{} at offset {}: {}", damage.file.display(), damage.offset, damage.reason)
}

/// Writes a moment as people read it: date and time in UTC, to the second.
pub(crate) fn utc(at: Timestamp) -> String {
    let Date { year, month, day, hour, minute, second } = Date::of(at.seconds());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_digit_after_the_point() {
        let sizes = [0, 1, 1023, 1024, 1536, 64 << 20, 5 << 30].map(size);
        assert_eq!(sizes, ["no bytes", "1 byte", "1023 bytes", "1.0 KiB", "1.5 KiB", "64.0 MiB", "5.0 GiB"]);
    }

    #[test]
    fn nouns_follow_their_numbers() {
        assert_eq!(
            [count(0, "record"), count(1, "record"), count(2, "record")],
            ["no records", "1 record", "2 records"]
        );
    }

    #[test]
    fn moments_are_written_as_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_164_800, "2024-02-29 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (1_795_255_412, "2026-11-21 10:03:32 UTC"),
        ] {
            assert_eq!(utc(Timestamp::from_millis(seconds * 1000)), text);
        }
    }
}
