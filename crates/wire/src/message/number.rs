//! The range of attributes of type `Number`.

/// Most significant digits.
const DIGITS_MAX: usize = 38;
/// Smallest and largest power of ten of the first significant digit.
const POWERS: std::ops::RangeInclusive<i64> = -128..=126;
/// Longest exponent in digits that is read; a longer one is out of range whatever it says.
const EXPONENT_CHARS_MAX: usize = 6;

/// Tells whether a text is a decimal number of at most 38 significant digits, and 0 or of a magnitude from 10^-128 to
/// 10^126: sign, digits with at most one point, and exponent.
pub(super) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        None => (unsigned, Some(0)),
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)),
    };
    let Some(exponent) = exponent else { return false };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || !digits().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let Some(first) = digits().position(|digit| digit != b'0') else { return true };
    let significant = digits().enumerate().filter(|(_, digit)| *digit != b'0');
    let last = significant.last().map_or(first, |(at, _)| at);
    let power = whole.len() as i64 - 1 - first as i64 + exponent;
    last - first < DIGITS_MAX && POWERS.contains(&power)
}

fn parse_exponent(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let legal = (1..=EXPONENT_CHARS_MAX).contains(&unsigned.len()) && unsigned.bytes().all(|b| b.is_ascii_digit());
    if legal { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_with_38_digits_between_10_to_the_minus_128_and_126() {
        let good = ["0", "-0.0", "42", "+1", ".5", "5.", "1e126", "1E-128", "-12.5e+3", "0e999999"];
        for text in good {
            assert!(is_number(text), "{text}");
        }
        assert!(is_number(&"9".repeat(38)) && is_number(&format!("000{}000", "9".repeat(38))));
        assert!(is_number(&format!("1{}", "0".repeat(126))));
        let bad = ["", "-", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "1,5", " 1", "1 ", "NaN", "1e127", "1e-129", "٣"];
        for text in bad {
            assert!(!is_number(text), "{text}");
        }
        assert!(!is_number(&"9".repeat(39)) && !is_number(&format!("1{}", "0".repeat(127))));
        assert!(!is_number("1e99999999999999999999"));
    }
}
