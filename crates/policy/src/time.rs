//! Moments as conditions write them.

use stanchion_types::calendar::Date;

/// Writes seconds since 1970 as `2026-11-21T18:00:00Z`.
pub(crate) fn write(seconds: u64) -> String {
    Date::of(seconds).extended()
}

/// Reads a moment as seconds since 1970: a number, a day such as `2026-11-21`, or a day with a time in UTC or with an
/// offset such as `+01:00`. `None` for anything else and for what was before 1970.
pub(crate) fn read(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let mut parts = day.splitn(3, '-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let midnight = Date { year, month, day, hour: 0, minute: 0, second: 0 };
    let Some(time) = time else { return midnight.seconds() };
    let (clock, offset) = offset(time)?;
    let whole = clock.split_once('.').map_or(clock, |(whole, _)| whole);
    let mut parts = whole.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |second| number(second, 2))?;
    Date { hour, minute, second, ..midnight }.seconds()?.checked_add_signed(-offset)
}

/// Splits the offset from UTC off, in seconds.
fn offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, 0)) };
    let (clock, offset) = time.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset[1..].split_once(':')?;
    Some((clock, sign * (number(hours, 2)? * 3600 + number(minutes, 2)? * 60) as i64))
}

fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2026-11-21T18:47:26Z", 1_795_286_846),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(write(seconds), text);
            assert_eq!(read(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn moments_have_several_forms() {
        for (text, expected) in [
            ("951868799", Some(951_868_799)),
            ("2000-03-01", Some(951_868_800)),
            ("2000-03-01T00:00Z", Some(951_868_800)),
            ("2000-03-01T00:00:00", Some(951_868_800)),
            ("2000-03-01T00:00:00.5Z", Some(951_868_800)),
            ("2000-03-01T01:00:00+01:00", Some(951_868_800)),
            ("2000-02-29T22:30:00-01:30", Some(951_868_800)),
            ("1969-12-31", None),
            ("2000-13-01", None),
            ("2000-1-01", None),
            ("2000-01-01T24:00:00Z", None),
            ("2000-01-01T00:00:00+1", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
