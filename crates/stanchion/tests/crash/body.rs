//! Bodies that carry their label and can be checked.

use crate::random::Random;

/// One of so many consecutive messages is large.
const LARGE_EVERY: u64 = 64;
/// What fills a large one: enough for the journal to write its group past the
/// system's cache.
const LARGE_BYTES: usize = 280 << 10;

/// This function makes the body of the message `label`: the label and filling
/// whose length and content follow from it, with characters that need escaping
/// in every protocol.
pub(crate) fn write(label: &str) -> String {
    let seed = label.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(131) ^ u64::from(byte));
    let mut random = Random::new(seed);
    let mut body = format!("{label}|");
    for _ in 0..random.between(0, 60) {
        body.push_str(
            ["plain ", "\"q\" ", "<&> ", "\\ ", "\t", "\r\n", "é", "漢", "😀 "][(random.next() % 9) as usize],
        );
    }
    let number = label.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<u64>().ok());
    if number.is_some_and(|number| number % LARGE_EVERY == LARGE_EVERY - 1) {
        let piece = format!("{:016x}", random.next());
        body.push_str(&piece.repeat(LARGE_BYTES / piece.len()));
    }
    body
}

/// This function gives the label of a body, or the beginning of the body after
/// the word `corrupt` when it is not what [`write`] made.
pub(crate) fn read(body: &str) -> String {
    let label = body.split('|').next().unwrap_or("");
    if write(label) == body {
        return label.to_owned();
    }
    format!("corrupt {:?}", body.chars().take(40).collect::<String>())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_body_gives_its_label_back_and_an_altered_one_does_not() {
        for label in ["a-1", "b-77", "b-63", ""] {
            let body = super::write(label);
            assert_eq!(super::read(&body), label);
            assert!(super::read(&(body + "x")).starts_with("corrupt"));
        }
        assert!(super::write("b-63").len() > super::LARGE_BYTES && super::write("b-64").len() < 1 << 10);
    }
}
