//! Dates of the calendar and seconds since 1970, in UTC.

/// A moment as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Year, 1970 or later.
    pub year: u64,
    /// Month, 1 to 12.
    pub month: u64,
    /// Day of the month, 1 to 31.
    pub day: u64,
    /// Hour, 0 to 23.
    pub hour: u64,
    /// Minute, 0 to 59.
    pub minute: u64,
    /// Second, 0 to 60.
    pub second: u64,
}

/// Days from 1 March of the year 0 to 1 January 1970. A year that begins in March ends with the day that only some years
/// have.
const DAYS_BEFORE_1970: u64 = 719_468;

impl Date {
    /// Returns the date of so many seconds after 1970 began.
    pub const fn of(seconds: u64) -> Self {
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let days = days + DAYS_BEFORE_1970;
        // 400 years have 146,097 days.
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = era * 400 + year + next_year;
        Date { year, month, day, hour: second / 3600, minute: second / 60 % 60, second: second % 60 }
    }

    /// Writes it as signatures do: `20150830T123600Z`.
    pub fn basic(&self) -> String {
        let Date { year, month, day, hour, minute, second } = self;
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// Writes it as documents do: `2015-08-30T12:36:00Z`.
    pub fn extended(&self) -> String {
        let Date { year, month, day, hour, minute, second } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Returns the seconds since 1970 began; `None` unless every part is in its range. The last days of short months
    /// count as the first of the next.
    pub fn seconds(&self) -> Option<u64> {
        let Date { year, month, day, hour, minute, second } = *self;
        let legal = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !legal || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
        Some((days - DAYS_BEFORE_1970) * 86_400 + hour * 3600 + minute * 60 + second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_seconds_tell_the_same_moment() {
        for (seconds, [year, month, day, hour, minute, second]) in [
            (0, [1970, 1, 1, 0, 0, 0]),
            (951_868_799, [2000, 2, 29, 23, 59, 59]),
            (951_868_800, [2000, 3, 1, 0, 0, 0]),
            (1_440_938_160, [2015, 8, 30, 12, 36, 0]),
            (1_798_761_599, [2026, 12, 31, 23, 59, 59]),
            (4_107_542_399, [2100, 2, 28, 23, 59, 59]),
            (4_107_542_400, [2100, 3, 1, 0, 0, 0]),
        ] {
            let date = Date { year, month, day, hour, minute, second };
            assert_eq!(Date::of(seconds), date);
            assert_eq!(date.seconds(), Some(seconds));
        }
    }

    #[test]
    fn a_date_is_written_in_two_ways() {
        let date = Date::of(1_440_938_160);
        assert_eq!((date.basic().as_str(), date.extended().as_str()), ("20150830T123600Z", "2015-08-30T12:36:00Z"));
    }

    #[test]
    fn what_is_no_date_has_no_seconds() {
        let good = Date::of(0);
        for bad in [
            Date { year: 1969, ..good },
            Date { year: 10_000, ..good },
            Date { month: 0, ..good },
            Date { month: 13, ..good },
            Date { day: 0, ..good },
            Date { day: 32, ..good },
            Date { hour: 24, ..good },
            Date { minute: 60, ..good },
            Date { second: 61, ..good },
        ] {
            assert_eq!(bad.seconds(), None, "{bad:?}");
        }
    }
}
