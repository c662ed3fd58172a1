//! Writing JSON straight into bytes.

use data_encoding::BASE64;

use crate::fields::{MapName, Name};
use crate::writer::Writer;

/// Writes one JSON object.
#[derive(Debug)]
pub(crate) struct JsonWriter {
    out: Vec<u8>,
}

impl JsonWriter {
    /// Begins an object that is likely to have up to so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.push(b'{');
        JsonWriter { out }
    }

    /// Ends the object and returns it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    /// Writes a comma unless the structure has just begun. No value ends in an opening bracket, since text ends in a
    /// quotation mark.
    fn separate(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }

    /// Writes the name of a member, which has nothing to escape.
    // Inlined, the bytes of a name are written without a loop over them.
    #[inline]
    fn name(&mut self, name: &'static str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Writes the key of a map.
    fn key(&mut self, key: &str) {
        self.separate();
        self.string(key);
        self.out.push(b':');
    }

    fn string(&mut self, text: &str) {
        self.out.push(b'"');
        escape(text, &mut self.out);
        self.out.push(b'"');
    }
}

impl Writer for JsonWriter {
    fn text(&mut self, name: Name, value: &str) {
        self.name(name.json);
        self.string(value);
    }

    #[inline]
    fn plain(&mut self, name: Name, value: &[u8]) {
        self.name(name.json);
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
    }

    fn number(&mut self, name: Name, value: u64) {
        self.name(name.json);
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    fn boolean(&mut self, name: Name, value: bool) {
        self.name(name.json);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn blob(&mut self, name: Name, value: &[u8]) {
        self.name(name.json);
        self.string(&BASE64.encode(value));
    }

    fn texts(&mut self, name: Name, values: impl Iterator<Item = String>) {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return;
        }
        self.name(name.json);
        self.out.push(b'[');
        for value in values {
            self.separate();
            self.string(&value);
        }
        self.out.push(b']');
    }

    fn empty_list(&mut self, name: Name) {
        self.name(name.json);
        self.out.extend_from_slice(b"[]");
    }

    fn list<T>(&mut self, name: Name, items: impl Iterator<Item = T>, item: impl Fn(&mut Self, T)) {
        let mut items = items.peekable();
        if items.peek().is_none() {
            return;
        }
        self.name(name.json);
        self.out.push(b'[');
        for each in items {
            self.separate();
            self.out.push(b'{');
            item(self, each);
            self.out.push(b'}');
        }
        self.out.push(b']');
    }

    fn pairs<'a>(&mut self, name: MapName, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut pairs = pairs.peekable();
        if pairs.peek().is_none() {
            return;
        }
        self.name(name.name.json);
        self.out.push(b'{');
        for (key, value) in pairs {
            self.key(key);
            self.string(value);
        }
        self.out.push(b'}');
    }

    fn map<'a, T>(&mut self, name: MapName, entries: impl Iterator<Item = (&'a str, T)>, value: impl Fn(&mut Self, T)) {
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            return;
        }
        self.name(name.name.json);
        self.out.push(b'{');
        for (key, each) in entries {
            self.key(key);
            self.out.push(b'{');
            value(self, each);
            self.out.push(b'}');
        }
        self.out.push(b'}');
    }
}

/// Appends the inside of a JSON string.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    // Runs without anything to escape are copied whole, and looked through in chunks that compile to vector code.
    const CHUNK: usize = 64;
    out.reserve(text.len());
    for chunk in text.as_bytes().chunks(CHUNK) {
        if chunk.iter().fold(false, |any, byte| any | needs_escape(*byte)) {
            escape_slowly(chunk, out);
        } else {
            out.extend_from_slice(chunk);
        }
    }
}

const fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn escape_slowly(chunk: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = chunk;
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        out.extend_from_slice(&rest[..at]);
        let byte = rest[at];
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back_as_it_was() {
        let awkward: String = ('\0'..='\u{ff}').chain(['\u{2028}', '\u{fffd}', '😀']).collect();
        for text in ["", "plain", "\"", "\\\"\n", &awkward, &format!("{}\"", "x".repeat(63)), &"\"".repeat(200)] {
            let mut out = b"\"".to_vec();
            escape(text, &mut out);
            out.push(b'"');
            assert_eq!(serde_json::from_slice::<String>(&out).expect("a JSON string"), *text);
        }
    }

    #[test]
    fn empty_lists_and_maps_are_left_out() {
        let name = Name::new("Json", "Query");
        let map = MapName::named("Json", "Query");
        let mut writer = JsonWriter::new(64);
        writer.texts(name, std::iter::empty());
        writer.list(name, std::iter::empty::<()>(), |_, ()| {});
        writer.pairs(map, std::iter::empty());
        writer.map(map, std::iter::empty::<(&str, ())>(), |_, ()| {});
        assert_eq!(writer.finish(), b"{}");
    }
}
