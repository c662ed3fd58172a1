//! The wall clock as a shard sees it: it never goes back.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use stanchion_types::Timestamp;

/// A clock that follows the wall clock forward and the monotonic clock when the wall clock was set back.
///
/// A wall clock that is set back would freeze every timeout until it has caught up. So a reading is the later of the
/// wall clock and the last reading plus the time that really passed since. A wall clock that jumps ahead (a suspended
/// machine wakes, an operator corrects it) is followed at once.
#[derive(Debug)]
pub(crate) struct Clock {
    wall: fn() -> SystemTime,
    last: Timestamp,
    read_at: Instant,
}

impl Clock {
    /// Makes a clock that follows `wall` and never reads earlier than `floor`.
    pub(crate) fn new(wall: fn() -> SystemTime, floor: Timestamp) -> Self {
        Clock { wall, last: floor, read_at: Instant::now() }
    }

    /// Reads the clock.
    pub(crate) fn now(&mut self) -> Timestamp {
        let wall = (self.wall)().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        self.advance(Timestamp::from_millis(wall), Instant::now())
    }

    fn advance(&mut self, wall: Timestamp, instant: Instant) -> Timestamp {
        let passed = instant.saturating_duration_since(self.read_at).as_millis() as u64;
        let at_least = self.last.plus_millis(passed);
        if wall >= at_least {
            self.last = wall;
            self.read_at = instant;
        } else if passed > 0 {
            self.last = at_least;
            // Only the whole milliseconds are spent: many short turns must not add up to a standstill.
            self.read_at += std::time::Duration::from_millis(passed);
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_wall_clock_set_back_neither_turns_time_back_nor_stops_it() {
        let start = Instant::now();
        let mut clock = Clock { wall: SystemTime::now, last: at(10 * HOUR_MS), read_at: start };
        let back = at(9 * HOUR_MS);
        assert_eq!(clock.advance(back, start), at(10 * HOUR_MS));
        for step in 1..=3000u64 {
            // Steps of a third of a millisecond: none is lost.
            clock.advance(back, start + Duration::from_micros(step * 333 + 1));
        }
        assert_eq!(clock.advance(back, start + Duration::from_secs(1)), at(10 * HOUR_MS + 1000));
    }

    #[test]
    fn a_wall_clock_that_jumps_ahead_is_followed() {
        let start = Instant::now();
        let mut clock = Clock { wall: SystemTime::now, last: at(HOUR_MS), read_at: start };
        assert_eq!(clock.advance(at(25 * HOUR_MS), start + Duration::from_millis(1)), at(25 * HOUR_MS));
    }

    #[test]
    fn a_restart_never_reads_earlier_than_the_last_record() {
        let floor = Clock::new(SystemTime::now, Timestamp::ZERO).now().plus_seconds(3600);
        assert!(Clock::new(SystemTime::now, floor).now() >= floor);
    }
}
