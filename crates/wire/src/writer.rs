//! One view for writing members of an answer, as a JSON object or as XML elements.

use crate::fields::{MapName, Name};

pub(crate) mod json;
pub(crate) mod xml;

/// Writes the members of a structure, one after the other.
pub(crate) trait Writer {
    /// Writes text.
    fn text(&mut self, name: Name, value: &str);

    /// Writes ids and digests, in ASCII of which neither protocol escapes anything.
    fn plain(&mut self, name: Name, value: &[u8]);

    /// Writes a number.
    fn number(&mut self, name: Name, value: u64);

    /// Writes a truth value.
    fn boolean(&mut self, name: Name, value: bool);

    /// Writes bytes in Base64.
    fn blob(&mut self, name: Name, value: &[u8]);

    /// Writes a list of texts; an empty one is left out.
    fn texts(&mut self, name: Name, values: impl Iterator<Item = String>);

    /// Writes an empty list where the client must see one.
    fn empty_list(&mut self, name: Name);

    /// Writes a list of structures; an empty one is left out.
    fn list<T>(&mut self, name: Name, items: impl Iterator<Item = T>, item: impl Fn(&mut Self, T));

    /// Writes a map from text to text; an empty one is left out.
    fn pairs<'a>(&mut self, name: MapName, pairs: impl Iterator<Item = (&'a str, &'a str)>);

    /// Writes a map from text to structures; an empty one is left out.
    fn map<'a, T>(&mut self, name: MapName, entries: impl Iterator<Item = (&'a str, T)>, value: impl Fn(&mut Self, T));
}
