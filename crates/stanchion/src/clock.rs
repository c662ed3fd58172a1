//! The wall clock, for what is named after a moment or does not say when it was.

use std::time::{SystemTime, UNIX_EPOCH};

use stanchion_types::Timestamp;

/// Reads the clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_millis(since.map_or(0, |since| since.as_millis() as u64))
}
