//! Figures and places in words.

use stanchion_journal::inspect::Damage;

/// Prints a line. A reader that has seen enough and left, such as `head`, is no reason to stop, nor to fail.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout().lock(), $($words)*);
    }};
}

pub(crate) use say;

/// Returns a number with its noun in the right form.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// Returns a number of bytes, rounded to what people compare.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >= 1 << shift) {
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => count(usize::try_from(bytes).unwrap_or(usize::MAX), "byte"),
    }
}

/// Returns where something is wrong, and what.
pub(crate) fn damage(damage: &Damage) -> String {
    format!("{} at offset {}: {}", damage.file.display(), damage.offset, damage.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_digit_after_the_point() {
        let sizes = [0, 1, 1023, 1024, 1536, 64 << 20, 5 << 30].map(size);
        assert_eq!(sizes, ["no bytes", "1 byte", "1023 bytes", "1.0 KiB", "1.5 KiB", "64.0 MiB", "5.0 GiB"]);
    }

    #[test]
    fn nouns_follow_their_numbers() {
        assert_eq!(
            [count(0, "record"), count(1, "record"), count(2, "record")],
            ["no records", "1 record", "2 records"]
        );
    }
}
