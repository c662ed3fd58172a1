//! Rules for the characters of texts.

use stanchion_types::limits::{BATCH_ID_CHARS_MAX, TOKEN_CHARS_MAX};

/// What the service says of characters that a message must not have.
pub(crate) const ILLEGAL_CHARACTERS: &str = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";

/// Tells whether a text has only characters that a message may have: no control characters below U+0020 but tab and
/// the line ends, and neither U+FFFE nor U+FFFF. Text in memory has no surrogates.
pub(crate) fn is_legal(text: &str) -> bool {
    // The first look has no early exit and compiles to vector code; it doubts every text with a byte 0xEF.
    const CHUNK: usize = 256;
    text.as_bytes().chunks(CHUNK).enumerate().all(|(index, chunk)| {
        let doubtful = chunk.iter().fold(false, |doubtful, byte| doubtful | is_doubtful(*byte));
        !doubtful || is_legal_slowly(text.as_bytes(), index * CHUNK, chunk.len())
    })
}

/// Tells whether a byte is an illegal control character or may begin U+FFFE or U+FFFF.
const fn is_doubtful(byte: u8) -> bool {
    is_control(byte) | (byte == 0xef)
}

const fn is_control(byte: u8) -> bool {
    (byte < 0x20) & (byte != 0x09) & (byte != 0x0a) & (byte != 0x0d)
}

/// Looks at every byte of one chunk; a sequence may go on behind its end.
fn is_legal_slowly(text: &[u8], from: usize, len: usize) -> bool {
    (from..from + len).all(|at| !is_control(text[at]) && !matches!(text[at..], [0xef, 0xbf, 0xbe | 0xbf, ..]))
}

/// Tells whether a text is a group, deduplication or attempt id: 1 to 128 ASCII letters, digits and punctuation.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=TOKEN_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Tells whether a text is a batch entry's id or a permission's label: 1 to 80 letters, digits, hyphens, underscores.
pub(crate) fn is_plain_id(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=BATCH_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule as the service states it.
    fn is_legal_by_the_book(text: &str) -> bool {
        text.chars().all(|c| {
            matches!(c, '\u{9}' | '\u{a}' | '\u{d}' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        })
    }

    #[test]
    fn every_character_is_judged_as_the_service_states_wherever_it_stands() {
        for character in ('\0'..='\u{2ff}').chain('\u{e000}'..='\u{10100}').chain(['\u{10ffff}']) {
            for blanks in [0, 1, 254, 255, 256] {
                let text = format!("{}{character}x", " ".repeat(blanks));
                assert_eq!(is_legal(&text), is_legal_by_the_book(&text), "{character:?} after {blanks}");
            }
        }
        assert!(is_legal(""));
    }

    #[test]
    fn ids_have_1_to_128_characters_and_no_blanks() {
        assert!(is_token("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~aZ09") && is_token(&"x".repeat(128)));
        assert!(!is_token("") && !is_token("x y") && !is_token("é") && !is_token(&"x".repeat(129)));
        assert!(is_plain_id("a-B_9") && is_plain_id(&"x".repeat(80)));
        assert!(!is_plain_id("") && !is_plain_id("a.b") && !is_plain_id(&"x".repeat(81)));
    }
}
