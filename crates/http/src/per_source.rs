//! A bound on the connections of one source.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::attempts::network;

/// How many connections each source has.
#[derive(Debug)]
pub(crate) struct PerSource {
    max: usize,
    sources: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    all: Arc<PerSource>,
    source: IpAddr,
}

impl PerSource {
    /// Lets each source have so many; any number if that is 0.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(PerSource { max, sources: Mutex::default() })
    }

    /// Counts a connection; an error if its source has as many as it may. This machine's own are not counted: who is on
    /// it can do worse.
    pub(crate) fn enter(self: &Arc<Self>, source: IpAddr) -> Result<Option<Counted>, Full> {
        if self.max == 0 || source.to_canonical().is_loopback() {
            return Ok(None);
        }
        let source = network(source);
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sources.entry(source).or_insert(0);
        if *count >= self.max {
            return Err(Full);
        }
        *count += 1;
        Ok(Some(Counted { all: self.clone(), source }))
    }
}

/// A source has as many connections as it may.
#[derive(Debug)]
pub(crate) struct Full;

impl Drop for Counted {
    fn drop(&mut self) {
        let mut sources = self.all.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = sources.entry(self.source) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_has_so_many_connections_and_no_more_until_one_ends() {
        let all = PerSource::new(2);
        let one = address("192.0.2.1");
        let first = all.enter(one).unwrap();
        let _second = all.enter(one).unwrap();
        assert!(all.enter(one).is_err());
        let _other = all.enter(address("192.0.2.2")).unwrap();
        drop(first);
        let _third = all.enter(one).unwrap();
        assert!(all.enter(one).is_err());
    }

    #[test]
    fn the_machine_itself_is_not_bounded_and_nobody_is_where_there_is_no_bound() {
        let all = PerSource::new(1);
        for source in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let held: Vec<_> = (0..3).map(|_| all.enter(address(source)).unwrap()).collect();
            assert_eq!(held.len(), 3);
        }
        let unbounded = PerSource::new(0);
        let held: Vec<_> = (0..3).map(|_| unbounded.enter(address("192.0.2.1")).unwrap()).collect();
        assert!(held.iter().all(Option::is_none));
    }

    #[test]
    fn what_has_ended_is_forgotten() {
        let all = PerSource::new(2);
        for number in 0..100_u32 {
            drop(all.enter(IpAddr::V4(number.into())).unwrap());
        }
        assert!(all.sources.lock().unwrap().is_empty());
    }
}
