//! Durations as people write them on a command line.

use std::time::Duration;

/// This function reads a duration written as a number and a unit (`ms`, `s`,
/// `m`); a bare number is seconds. The error is a sentence for the user.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        _ => return Err(format!("unknown unit {unit:?}, use ms, s or m")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is not a duration such as 500ms, 10s or 2m"))?;
    Duration::try_from_secs_f64(number * seconds_per_unit).map_err(|_| format!("{text:?} is too long"))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn a_number_with_a_unit_is_a_duration() {
        for (text, millis) in [("500ms", 500), ("10s", 10_000), ("10", 10_000), ("2m", 120_000), ("0.5s", 500)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        for text in ["", "s", "ten", "1h", "-1s", "1.2.3s", "9e99", "99999999999999999999999s"] {
            assert!(parse(text).is_err(), "{text} was accepted");
        }
    }
}
