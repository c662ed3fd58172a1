//! Moments, in milliseconds since the Unix epoch. Nothing here reads a clock.

use std::fmt;

/// A moment: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The beginning of the epoch, earlier than every message.
    pub const ZERO: Timestamp = Timestamp(0);
    /// A moment that never comes.
    pub const NEVER: Timestamp = Timestamp(u64::MAX);

    /// Makes a timestamp from milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Timestamp(millis)
    }

    /// Returns milliseconds since the epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Returns whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Returns the moment `seconds` later; saturates at [`Timestamp::NEVER`].
    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        Timestamp(self.0.saturating_add(seconds as u64 * 1000))
    }

    /// Returns the moment `millis` later; saturates at [`Timestamp::NEVER`].
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Timestamp(self.0.saturating_add(millis))
    }

    /// Returns the milliseconds from `earlier` to this moment, 0 if it lies ahead.
    pub const fn millis_since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}
