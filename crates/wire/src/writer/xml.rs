//! Writing XML straight into bytes.

use data_encoding::BASE64;

use crate::fields::{MapName, Name};
use crate::writer::Writer;

/// Writes XML elements one after the other.
#[derive(Debug)]
pub struct XmlWriter {
    out: Vec<u8>,
}

impl XmlWriter {
    /// Begins a document with its declaration, which is likely to have up to so many bytes.
    pub fn new(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.extend_from_slice(b"<?xml version=\"1.0\"?>");
        XmlWriter { out }
    }

    /// Returns what was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Returns how much was written so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Begins an element; the text between the brackets may have attributes.
    pub fn open(&mut self, tag: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(tag.as_bytes());
        self.out.push(b'>');
    }

    /// Ends an element.
    pub fn close(&mut self, tag: &str) {
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(tag.as_bytes());
        self.out.push(b'>');
    }

    /// Writes an element without content.
    pub fn empty(&mut self, tag: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(tag.as_bytes());
        self.out.extend_from_slice(b"/>");
    }

    /// Writes an element with text in it.
    pub fn element(&mut self, tag: &str, text: &str) {
        self.open(tag);
        escape(text, &mut self.out);
        self.close(tag);
    }

    /// Writes an element whose content came to nothing as one that is empty.
    pub(crate) fn close_or_empty(&mut self, tag: &str, opened_at: usize, content_at: usize) {
        if self.out.len() > content_at {
            return self.close(tag);
        }
        self.out.truncate(opened_at);
        self.empty(tag);
    }
}

impl Writer for XmlWriter {
    fn text(&mut self, name: Name, value: &str) {
        self.element(name.query, value);
    }

    fn plain(&mut self, name: Name, value: &[u8]) {
        self.open(name.query);
        self.out.extend_from_slice(value);
        self.close(name.query);
    }

    fn number(&mut self, name: Name, value: u64) {
        self.element(name.query, &value.to_string());
    }

    fn boolean(&mut self, name: Name, value: bool) {
        self.element(name.query, if value { "true" } else { "false" });
    }

    fn blob(&mut self, name: Name, value: &[u8]) {
        self.element(name.query, &BASE64.encode(value));
    }

    fn texts(&mut self, name: Name, values: impl Iterator<Item = String>) {
        values.for_each(|value| self.element(name.query, &value));
    }

    fn empty_list(&mut self, _: Name) {
        // A list is its elements: an empty one cannot be told from none.
    }

    fn list<T>(&mut self, name: Name, items: impl Iterator<Item = T>, item: impl Fn(&mut Self, T)) {
        for each in items {
            self.open(name.query);
            item(self, each);
            self.close(name.query);
        }
    }

    fn pairs<'a>(&mut self, name: MapName, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
        for (key, value) in pairs {
            self.open(name.name.query);
            self.element(name.key, key);
            self.element(name.value, value);
            self.close(name.name.query);
        }
    }

    fn map<'a, T>(&mut self, name: MapName, entries: impl Iterator<Item = (&'a str, T)>, value: impl Fn(&mut Self, T)) {
        for (key, each) in entries {
            self.open(name.name.query);
            self.element(name.key, key);
            self.open(name.value);
            value(self, each);
            self.close(name.value);
            self.close(name.name.query);
        }
    }
}

/// Appends text as the content of an element.
///
/// A raw carriage return would be read back as a line feed, and clients that check digests would refuse the message.
/// A quotation mark needs no escape here, but the service writes one: the bytes are to be the same.
/// Characters that XML cannot hold at all come only from values that a refusal repeats: they become U+FFFD.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len());
    while let Some(at) = rest.iter().position(|byte| needs_look(*byte)) {
        out.extend_from_slice(&rest[..at]);
        let (replacement, len): (&[u8], usize) = match rest[at..] {
            [b'&', ..] => (b"&amp;", 1),
            [b'<', ..] => (b"&lt;", 1),
            [b'>', ..] => (b"&gt;", 1),
            [b'"', ..] => (b"&quot;", 1),
            [b'\r', ..] => (b"&#xD;", 1),
            [0xef, 0xbf, 0xbe | 0xbf, ..] => (REPLACEMENT, 3),
            [0xef, ..] => (&[0xef], 1),
            _ => (REPLACEMENT, 1),
        };
        out.extend_from_slice(replacement);
        rest = &rest[at + len..];
    }
    out.extend_from_slice(rest);
}

/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

const fn needs_look(byte: u8) -> bool {
    match byte {
        b'\t' | b'\n' => false,
        b'&' | b'<' | b'>' | b'"' | 0xef => true,
        byte => byte < 0x20,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_quotation_marks_and_carriage_returns_are_escaped_and_nothing_else() {
        let mut out = Vec::new();
        escape("a<b>&\r\n\t\"'é😀\u{85}\u{f8ff}\u{fffd}", &mut out);
        assert_eq!(String::from_utf8(out).expect("text"), "a&lt;b&gt;&amp;&#xD;\n\t&quot;'é😀\u{85}\u{f8ff}\u{fffd}");
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        let mut out = Vec::new();
        escape("\0a\u{1f}\u{fffe}b\u{ffff}", &mut out);
        assert_eq!(String::from_utf8(out).expect("text"), "\u{fffd}a\u{fffd}\u{fffd}b\u{fffd}");
    }

    #[test]
    fn an_element_without_content_is_closed_at_once() {
        let mut writer = XmlWriter::new(64);
        let opened_at = writer.len();
        writer.open("R");
        let content_at = writer.len();
        writer.close_or_empty("R", opened_at, content_at);
        assert_eq!(writer.finish(), b"<?xml version=\"1.0\"?><R/>");
    }
}
