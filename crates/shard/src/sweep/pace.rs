//! How fast survivors are moved: faster the more pressing it is, and never so fast that clients wait for it long.
//!
//! A step takes from its read until what it wrote is durable, and is followed by a rest. How long the step took says how
//! much the disk and the processors have to do, so the rest is a multiple of that: at the bound clients have four fifths
//! of the time to themselves, half of it further on, and a third where the journal is twice as large as it should be.
//! When nobody has asked for anything for a while there is no rest, and steps are larger.

use stanchion_types::Timestamp;

/// By how pressing it is: the shortest rest in milliseconds, and how many hundredths of the step it takes at least.
const RESTS: [(u64, u64, u64); 3] = [(0, 50, 400), (50, 5, 100), (100, 2, 50)];

/// The rest when nobody asks for anything.
const IDLE_REST_MS: u64 = 1;

/// The longest rest: a step that seems to have taken hours began before the wall clock jumped ahead.
const REST_MAX_MS: u64 = 10_000;

/// Nobody asks for anything when nobody has for so long: who comes more rarely waits for one large step at most.
const IDLE_MS: u64 = 5_000;

/// When the next step may begin.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    resume_at: Timestamp,
    /// When the last step began.
    began: Timestamp,
    /// The record of the last step, while it is not durable.
    unsynced: Option<u64>,
    /// When a client last asked for something.
    asked_at: Timestamp,
}

impl Pace {
    /// Lets the first step begin at once, but counts the start of the shard as work for a client.
    pub(crate) fn new(now: Timestamp) -> Self {
        Pace { resume_at: Timestamp::ZERO, began: now, unsynced: None, asked_at: now }
    }

    /// Notes that a client asks for something.
    pub(crate) fn asked(&mut self, now: Timestamp) {
        self.asked_at = now;
    }

    /// Tells whether nobody asks for anything.
    pub(crate) fn is_idle(&self, now: Timestamp) -> bool {
        now.millis_since(self.asked_at) >= IDLE_MS
    }

    /// Returns when the next step may begin; [`Timestamp::NEVER`] while the last one is not durable.
    pub(crate) fn resume_at(&self) -> Timestamp {
        if self.unsynced.is_some() { Timestamp::NEVER } else { self.resume_at }
    }

    /// Notes that a step begins. If it writes nothing, the next may begin after the shortest rest.
    pub(crate) fn begin(&mut self, now: Timestamp, pressure: u64) {
        self.began = now;
        self.rest(now, pressure);
    }

    /// Notes that the step wrote the record at a position.
    pub(crate) fn wrote(&mut self, position: u64) {
        self.unsynced = Some(position);
    }

    /// Notes that everything up to a position is durable: the rest begins when the step is among it.
    pub(crate) fn synced(&mut self, position: u64, now: Timestamp, pressure: impl FnOnce() -> u64) {
        if self.unsynced.take_if(|own| *own <= position).is_some() {
            self.rest(now, pressure());
        }
    }

    /// Lets no step begin before a moment.
    pub(crate) fn wait_until(&mut self, moment: Timestamp) {
        self.resume_at = moment;
    }

    /// Ends a rest.
    pub(crate) fn hurry(&mut self, now: Timestamp) {
        self.resume_at = self.resume_at.min(now);
    }

    fn rest(&mut self, now: Timestamp, pressure: u64) {
        let took = now.millis_since(self.began);
        let rest = if self.is_idle(now) { IDLE_REST_MS } else { rest_ms(pressure, took) };
        self.resume_at = now.plus_millis(rest);
    }
}

/// Returns how long to rest after a step that took so long, 0 to 100 being how pressing it is.
fn rest_ms(pressure: u64, took_ms: u64) -> u64 {
    let pressure = pressure.min(100);
    let after = RESTS.partition_point(|(from, ..)| *from <= pressure).clamp(1, RESTS.len() - 1);
    let ((from, long, more), (to, short, less)) = (RESTS[after - 1], RESTS[after]);
    let between = |high: u64, low: u64| low + (high - low) * (to - pressure) / (to - from);
    between(long, short).max(took_ms.saturating_mul(between(more, less)) / 100).min(REST_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn a_rest_is_shorter_the_more_pressing_it_is() {
        let rests = [0, 25, 50, 75, 100, 1_000].map(|pressure| rest_ms(pressure, 0));
        assert_eq!(rests, [50, 27, 5, 3, 2, 2]);
    }

    #[test]
    fn a_rest_after_a_slow_step_leaves_clients_their_share_of_the_time() {
        let rests = [0, 25, 50, 75, 100].map(|pressure| rest_ms(pressure, 200));
        assert_eq!(rests, [800, 500, 200, 150, 100]);
    }

    #[test]
    fn a_clock_that_jumps_ahead_during_a_step_lets_the_next_one_wait_for_seconds_and_not_for_hours() {
        let mut pace = Pace::new(NOW);
        pace.begin(NOW, 0);
        pace.wrote(7);
        let later = NOW.plus_seconds(6 * 3600);
        pace.asked(later);
        pace.synced(7, later, || 0);
        assert_eq!(pace.resume_at(), later.plus_millis(REST_MAX_MS));
        assert_eq!(rest_ms(100, u64::MAX), REST_MAX_MS);
    }

    #[test]
    fn the_rest_begins_when_the_step_is_durable() {
        let mut pace = Pace::new(NOW);
        pace.begin(NOW, 50);
        assert_eq!(pace.resume_at(), NOW.plus_millis(5), "the rest of a step that writes nothing");
        pace.wrote(7);
        assert_eq!(pace.resume_at(), Timestamp::NEVER);
        let later = NOW.plus_millis(20);
        pace.synced(6, later, || panic!("it is not durable"));
        assert_eq!(pace.resume_at(), Timestamp::NEVER);
        pace.synced(9, later, || 50);
        assert_eq!(pace.resume_at(), later.plus_millis(20), "as long as the step");
        pace.synced(10, later.plus_millis(9), || panic!("it was durable before"));
        assert_eq!(pace.resume_at(), later.plus_millis(20));
    }

    #[test]
    fn there_is_next_to_no_rest_when_nobody_has_asked_for_anything_for_a_while() {
        let mut pace = Pace::new(NOW);
        pace.asked(NOW);
        let moments = [NOW.plus_millis(IDLE_MS - 1), NOW.plus_millis(IDLE_MS)];
        assert_eq!(moments.map(|now| pace.is_idle(now)), [false, true]);
        pace.begin(moments[1], 0);
        assert_eq!(pace.resume_at(), moments[1].plus_millis(IDLE_REST_MS));
        pace.asked(moments[1]);
        pace.begin(moments[1], 0);
        assert_eq!(pace.resume_at(), moments[1].plus_millis(50));
    }
}
