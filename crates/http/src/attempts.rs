//! A bound on how often one source may fail to say who it is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a source may fail at once.
const BURST: u32 = 100;
/// How long it takes until it may fail once more.
const EVERY: Duration = Duration::from_millis(100);
/// How many sources are remembered.
const SOURCES_MAX: usize = 4096;

/// Sources that have failed lately.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    sources: Mutex<HashMap<IpAddr, Failures>>,
    /// How many there are, for the many requests that come when there is none.
    remembered: AtomicUsize,
}

/// What a source has done.
#[derive(Debug)]
struct Failures {
    /// Failures that time has not yet made up for.
    count: u32,
    /// Up to when it has.
    since: Instant,
}

impl Failures {
    /// Takes time into account.
    fn pass(&mut self, now: Instant) {
        let forgiven = now.saturating_duration_since(self.since).as_millis() / EVERY.as_millis();
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
        if forgiven >= self.count {
            *self = Failures { count: 0, since: now };
        } else {
            self.count -= forgiven;
            self.since += EVERY * forgiven;
        }
    }
}

impl Attempts {
    /// Tells whether a source may try.
    pub(crate) fn may_try(&self, source: IpAddr, now: Instant) -> bool {
        if self.remembered.load(Ordering::Relaxed) == 0 {
            return true;
        }
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failures) = sources.get_mut(&network(source)) else { return true };
        failures.pass(now);
        failures.count < BURST
    }

    /// Remembers a failure.
    pub(crate) fn failed(&self, source: IpAddr, now: Instant) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() >= SOURCES_MAX && !sources.contains_key(&network(source)) {
            sources.retain(|_, failures| {
                failures.pass(now);
                failures.count > 0
            });
            if sources.len() >= SOURCES_MAX {
                // So many at once that each of them alone means little.
                sources.clear();
            }
        }
        let failures = sources.entry(network(source)).or_insert(Failures { count: 0, since: now });
        failures.pass(now);
        failures.count = failures.count.saturating_add(1).min(BURST);
        self.remembered.store(sources.len(), Ordering::Relaxed);
    }
}

/// Returns what counts as one source: an address, or the network that one host with IPv6 has for itself.
pub(crate) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_that_fails_too_often_has_to_wait_and_others_have_not() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..BURST {
            assert!(attempts.may_try(one, start));
            attempts.failed(one, start);
        }
        assert!(!attempts.may_try(one, start));
        assert!(attempts.may_try(other, start));
        assert!(attempts.may_try(one, start + EVERY));
        attempts.failed(one, start + EVERY);
        assert!(!attempts.may_try(one, start + EVERY));
        assert!(attempts.may_try(one, start + EVERY * BURST * 2));
    }

    #[test]
    fn a_host_cannot_hide_behind_its_many_addresses() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for number in 0..BURST {
            attempts.failed(address(&format!("2001:db8::{number:x}")), start);
        }
        assert!(!attempts.may_try(address("2001:db8::ffff"), start));
        assert!(attempts.may_try(address("2001:db8:0:1::1"), start));
    }

    #[test]
    fn what_is_remembered_stays_within_its_bound() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for number in 0..SOURCES_MAX as u32 + 10 {
            attempts.failed(IpAddr::V4(number.into()), start);
        }
        assert!(attempts.sources.lock().unwrap().len() <= SOURCES_MAX);
        attempts.failed(IpAddr::V4(0.into()), start + EVERY * 1000);
        assert!(attempts.may_try(IpAddr::V4(0.into()), start + EVERY * 1000));
    }
}
