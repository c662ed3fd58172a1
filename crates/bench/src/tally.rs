//! What one thread counts while it works.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// Latencies by kind of request, and errors by code.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    rows: Vec<(&'static str, Counted)>,
    errors: BTreeMap<String, u64>,
}

/// One kind of request.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) requests: u64,
    pub(crate) messages: u64,
    /// In nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

/// Three digits: a reported latency is off by at most one in a thousand.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Longer than any run; keeps a histogram small whatever the clock does.
const LATENCY_NANOS_MAX: u64 = 1 << 50;

impl Tally {
    /// This function counts a request that succeeded.
    pub(crate) fn record(&mut self, name: &'static str, latency: Duration, messages: u64) {
        let row = self.row(name);
        row.requests += 1;
        row.messages += messages;
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        row.latency.record(nanos.min(LATENCY_NANOS_MAX)).expect("all histograms grow as they need");
    }

    /// This function counts errors of one kind.
    pub(crate) fn error(&mut self, code: String, count: u64) {
        *self.errors.entry(code).or_default() += count;
    }

    /// This function adds what another thread, or an earlier round, counted.
    pub(crate) fn merge(&mut self, other: Self) {
        for (name, counted) in other.rows {
            let row = self.row(name);
            row.requests += counted.requests;
            row.messages += counted.messages;
            row.latency.add(counted.latency).expect("all histograms grow as they need");
        }
        for (code, count) in other.errors {
            self.error(code, count);
        }
    }

    /// This function gives the rows in the order in which they first appeared.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, &Counted)> {
        self.rows.iter().map(|(name, counted)| (*name, counted))
    }

    /// This function gives the errors by code.
    pub(crate) fn errors(&self) -> &BTreeMap<String, u64> {
        &self.errors
    }

    fn row(&mut self, name: &'static str) -> &mut Counted {
        let at = self.rows.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            let latency = Histogram::new(SIGNIFICANT_DIGITS).expect("three digits are supported");
            self.rows.push((name, Counted { requests: 0, messages: 0, latency }));
            self.rows.len() - 1
        });
        &mut self.rows[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use std::time::Duration;

    #[test]
    fn merged_tallies_count_as_one() {
        let mut first = Tally::default();
        let mut second = Tally::default();
        for millis in 1..=50 {
            first.record("a", Duration::from_millis(millis), 10);
            second.record("a", Duration::from_millis(50 + millis), 1);
        }
        second.record("b", Duration::ZERO, 0);
        second.error("x".into(), 2);
        first.error("x".into(), 1);
        first.merge(second);
        let rows: Vec<_> = first.rows().collect();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].1.requests, rows[0].1.messages), (100, 550));
        let median = rows[0].1.latency.value_at_quantile(0.5);
        assert!(median.abs_diff(50_000_000) < 100_000, "{median}");
        assert_eq!(first.errors().get("x"), Some(&3));
    }

    #[test]
    fn a_latency_of_any_length_is_counted() {
        let mut tally = Tally::default();
        tally.record("a", Duration::MAX, 1);
        let (_, row) = tally.rows().next().expect("a row");
        assert_eq!(row.latency.len(), 1);
    }
}
