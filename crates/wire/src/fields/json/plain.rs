//! The JSON that clients send almost always: texts without escapes, and whole numbers.
//!
//! What is neither, and whatever is wrong, is left to the library's parser, so that only that one decides what is JSON.
//! It takes several times as many instructions for a batch of small messages, most of them for short texts.

use std::borrow::Cow;

use super::{NODES_MAX, Node};

/// Levels of lists and objects that are read here. Requests of the service have four.
const DEPTH_MAX: u32 = 16;

/// Most digits of a whole number that is read here: any that has so many is a 64-bit integer.
const DIGITS_MAX: usize = 18;

/// About how many bytes of a body make one value.
const NODE_BYTES: usize = 16;

/// Parses a body that is one value; `None` if another parser has to.
pub(super) fn parse(body: &[u8]) -> Option<Vec<Node<'_>>> {
    let text = std::str::from_utf8(body).ok()?;
    let nodes = Vec::with_capacity((text.len() / NODE_BYTES + 4).min(NODES_MAX));
    let mut plain = Plain { text, at: 0, nodes };
    let first = plain.next()?;
    plain.value(first, DEPTH_MAX)?;
    plain.next().is_none().then_some(plain.nodes)
}

/// Bytes of a text that are looked at together.
const CHUNK: usize = 16;

/// Bytes of a text that are looked at together where its end is near.
const WORD: usize = size_of::<u64>();

/// Tells whether a byte ends a text, or makes it one that is not plain.
const fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// Returns the index of the first special byte of a word.
///
/// A byte is below a bound if taking the bound away borrows from its highest bit. That may also borrow from the byte above
/// it, so what the other marks say is not certain, but the first one always is.
const fn first_special(word: [u8; WORD]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; WORD]);
    const HIGHS: u64 = ONES << 7;
    const fn below(word: u64, bound: u8) -> u64 {
        word.wrapping_sub(ONES * bound as u64) & !word & HIGHS
    }
    let word = u64::from_le_bytes(word);
    let quotes = below(word ^ (ONES * b'"' as u64), 1);
    let backslashes = below(word ^ (ONES * b'\\' as u64), 1);
    let marks = below(word, 0x20) | quotes | backslashes;
    if marks == 0 { None } else { Some(marks.trailing_zeros() as usize / 8) }
}

/// Returns how many plain bytes a text begins with, `None` if it has no others.
fn plain_bytes(text: &[u8]) -> Option<usize> {
    let mut length = 0;
    // Without an early exit a chunk compiles to vector code.
    while let Some(chunk) = text[length..].first_chunk::<CHUNK>()
        && !chunk.iter().fold(false, |any, byte| any | is_special(*byte))
    {
        length += CHUNK;
    }
    while let Some(word) = text[length..].first_chunk::<WORD>() {
        if let Some(at) = first_special(*word) {
            return Some(length + at);
        }
        length += WORD;
    }
    Some(length + text[length..].iter().position(|byte| is_special(*byte))?)
}

/// A body that is being read.
struct Plain<'j> {
    text: &'j str,
    /// Where the reading goes on.
    at: usize,
    nodes: Vec<Node<'j>>,
}

impl<'j> Plain<'j> {
    /// Takes the next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
        }
    }

    fn push(&mut self, node: Node<'j>) -> Option<()> {
        if self.nodes.len() == NODES_MAX {
            return None;
        }
        self.nodes.push(node);
        Some(())
    }

    /// Reads a value whose first byte was taken.
    fn value(&mut self, first: u8, depth: u32) -> Option<()> {
        match first {
            b'"' => self.string(),
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.list(depth.checked_sub(1)?),
            b'0'..=b'9' => self.number(),
            b't' => self.word("true", Node::Boolean(true)),
            b'f' => self.word("false", Node::Boolean(false)),
            b'n' => self.word("null", Node::Null),
            _ => None,
        }
    }

    /// Reads the rest of a text.
    fn string(&mut self) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = plain_bytes(rest)?;
        if rest[length] != b'"' {
            return None;
        }
        let text = self.text.get(self.at..self.at + length)?;
        self.at += length + 1;
        self.push(Node::Text(Cow::Borrowed(text)))
    }

    /// Reads the rest of a whole number.
    fn number(&mut self) -> Option<()> {
        let from = self.at - 1;
        let rest = &self.text.as_bytes()[from..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let is_whole = !matches!(rest.get(length), Some(b'.' | b'e' | b'E'));
        let is_plain = length <= DIGITS_MAX && (rest[0] != b'0' || length == 1);
        if !is_whole || !is_plain {
            return None;
        }
        self.at = from + length;
        self.push(Node::Integer(rest[..length].iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))))
    }

    /// Reads the rest of a word.
    fn word(&mut self, word: &str, node: Node<'j>) -> Option<()> {
        let from = self.at - 1;
        if !self.text.as_bytes()[from..].starts_with(word.as_bytes()) {
            return None;
        }
        self.at = from + word.len();
        self.push(node)
    }

    /// Reads the rest of a list.
    fn list(&mut self, depth: u32) -> Option<()> {
        let at = self.nodes.len();
        self.push(Node::List { len: 0 })?;
        let len = self.items(b']', |plain, first| plain.value(first, depth))?;
        self.nodes[at] = Node::List { len };
        Some(())
    }

    /// Reads the rest of an object.
    fn object(&mut self, depth: u32) -> Option<()> {
        let at = self.nodes.len();
        self.push(Node::Object { len: 0 })?;
        let len = self.items(b'}', |plain, key| {
            if key != b'"' {
                return None;
            }
            plain.string()?;
            if plain.next()? != b':' {
                return None;
            }
            let first = plain.next()?;
            plain.value(first, depth)
        })?;
        self.nodes[at] = Node::Object { len };
        Some(())
    }

    /// Reads what stands between commas up to the end of a list or an object, each by its first byte, and returns how many
    /// nodes that is.
    fn items(&mut self, end: u8, item: impl Fn(&mut Self, u8) -> Option<()>) -> Option<usize> {
        let before = self.nodes.len();
        let mut first = self.next()?;
        if first != end {
            loop {
                item(self, first)?;
                match self.next()? {
                    b',' => first = self.next()?,
                    byte if byte == end => break,
                    _ => return None,
                }
            }
        }
        Some(self.nodes.len() - before)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse_any;
    use super::*;

    /// What is read here is what the library reads.
    fn check(body: &[u8]) -> Option<Vec<Node<'_>>> {
        let plain = parse(body);
        if let Some(plain) = &plain {
            let any = parse_any(body).unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(body)));
            assert_eq!(format!("{plain:?}"), format!("{any:?}"), "{}", String::from_utf8_lossy(body));
        }
        plain
    }

    #[test]
    fn what_clients_send_is_read_here() {
        for body in [
            r#"{}"#,
            r#" { "QueueUrl" : "http://localhost/000000000000/q" , "MaxNumberOfMessages" : 10 } "#,
            r#"{"Entries":[{"Id":"a","MessageBody":"é 😀"},{"Id":"b","MessageBody":"","DelaySeconds":0}]}"#,
            r#"{"a":[],"b":[ ],"c":{},"d":{ },"e":[true,false,null,123456789012345678],"a":1}"#,
            "\r\n\t [ 1\t,2 ]\n",
        ] {
            assert!(check(body.as_bytes()).is_some(), "{body}");
        }
    }

    #[test]
    fn what_is_not_plain_or_not_json_is_left_to_the_library() {
        let deep = "[".repeat(17) + &"]".repeat(17);
        let many = format!("[{}1]", "1,".repeat(NODES_MAX));
        for body in [
            "",
            " ",
            "{",
            "}",
            "[",
            "{]",
            "[}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            "[1,]",
            "[,1]",
            "[1 2]",
            "{} {}",
            r#"{1:2}"#,
            r#"{"a" 1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{,}"#,
            "\"a",
            r#""a\"b""#,
            r#""\u0041""#,
            "\"a\nb\"",
            "\"\0\"",
            "-1",
            "01",
            "00",
            "1.0",
            "1e3",
            "1E3",
            "1234567890123456789",
            "nul",
            "nulll",
            "tru",
            "fals",
            "True",
            "1x",
            "'a'",
            "\u{a0}1",
            &deep,
            &many,
        ] {
            assert!(check(body.as_bytes()).is_none(), "{body}");
        }
        assert!(check(b"\"\xff\"").is_none());
    }

    #[test]
    fn the_first_special_byte_is_found_whatever_stands_around_it() {
        for byte in 0..=u8::MAX {
            for around in [0x00, 0x01, 0x1f, 0x20, 0x21, b'"', b'#', b'[', b'\\', b']', 0x7f, 0x80, 0xa2, 0xff] {
                for (length, at) in (1..40).flat_map(|length| (0..length).map(move |at| (length, at))) {
                    let mut text = vec![around; length];
                    text[at] = byte;
                    let expected = text.iter().position(|byte| is_special(*byte));
                    assert_eq!(plain_bytes(&text), expected, "{byte:#x} at {at} of {length} bytes {around:#x}");
                }
            }
        }
        assert_eq!(plain_bytes(b""), None);
    }

    proptest! {
        #[test]
        fn whatever_is_read_here_is_what_the_library_reads(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just(":"), Just("\""), Just("\"a\""), Just("\"é\":"),
                    Just("\\"), Just(" "), Just("0"), Just("17"), Just("-"), Just("."), Just("e1"), Just("true"), Just("null"),
                ],
                0..24,
            ),
        ) {
            check(pieces.concat().as_bytes());
        }

        #[test]
        fn plain_bodies_with_one_byte_changed_are_read_as_the_library_reads_them(at in 0..80usize, byte in any::<u8>()) {
            let mut body = br#"{"QueueUrl":"http://h/0/q","Entries":[{"Id":"1","MessageBody":"x"}],"N":[10,true]}"#.to_vec();
            body[at] = byte;
            check(&body);
        }
    }
}
