//! Moments as signatures write them: `20150830T123600Z`.

use std::time::UNIX_EPOCH;

use stanchion_types::calendar::Date;

/// Writes seconds since 1970.
pub(crate) fn write(seconds: u64) -> String {
    Date::of(seconds).basic()
}

/// Reads seconds since 1970.
pub(crate) fn read(text: &str) -> Option<u64> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    let shaped = bytes.iter().enumerate().all(|(at, byte)| match at {
        8 => *byte == b'T',
        15 => *byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    let number = |at: usize, digits: usize| {
        bytes[at..at + digits].iter().fold(0, |number, digit| number * 10 + u64::from(digit & 15))
    };
    let (year, month, day) = (number(0, 4), number(4, 2), number(6, 2));
    let (hour, minute, second) = (number(9, 2), number(11, 2), number(13, 2));
    shaped.then(|| Date { year, month, day, hour, minute, second }.seconds())?
}

/// Reads the header `date` of HTTP.
pub(crate) fn read_http(text: &str) -> Option<u64> {
    let moment = httpdate::parse_http_date(text).ok()?;
    moment.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        for (text, seconds) in [("20150830T123600Z", 1_440_938_160), ("20000229T235959Z", 951_868_799)] {
            assert_eq!(write(seconds), text);
            assert_eq!(read(text), Some(seconds));
        }
        assert_eq!(read_http("Sun, 30 Aug 2015 12:36:00 GMT"), Some(1_440_938_160));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in
            ["", "20150830T123600", "20150830 123600Z", "2015083xT123600Z", "20151330T123600Z", "20150830T1236000"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read_http("yesterday"), None);
    }
}
