//! One view for reading members of a request, over a JSON object or over form parameters.

use std::collections::HashSet;

use stanchion_types::Error;

pub(crate) mod json;
pub(crate) mod query;

/// What a member is called in each protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Member of the JSON object.
    pub(crate) json: &'static str,
    /// Parameter of the form or element of the XML; of each element, if the member is a list or a map.
    pub(crate) query: &'static str,
}

impl Name {
    /// Makes the name of a member that both protocols call the same.
    pub(crate) const fn same(name: &'static str) -> Self {
        Name { json: name, query: name }
    }

    /// Makes the name of a member that differs: lists and maps, mostly, are singular in forms.
    pub(crate) const fn new(json: &'static str, query: &'static str) -> Self {
        Name { json, query }
    }
}

/// What a map is called in each protocol: an object in JSON, repeated pairs in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapName {
    /// The map itself.
    pub(crate) name: Name,
    /// Key of a pair: `Name` or `Key`.
    pub(crate) key: &'static str,
    /// Value of a pair.
    pub(crate) value: &'static str,
}

impl MapName {
    /// Makes the name of a map whose pairs are `Name` and `Value`.
    pub(crate) const fn named(json: &'static str, query: &'static str) -> Self {
        MapName { name: Name::new(json, query), key: "Name", value: "Value" }
    }

    /// Makes the name of a map of tags, whose pairs are `Key` and `Value`.
    pub(crate) const fn tags(json: &'static str) -> Self {
        MapName { name: Name::new(json, "Tag"), key: "Key", value: "Value" }
    }
}

/// The members of one structure of a request. Text lives as long as the parsed request, `'t`.
///
/// Every method answers `None` or nothing for a member that is absent or null, and fails with the protocol's own
/// error if the member has another type.
pub(crate) trait Fields<'t>: Copy {
    /// Reads text.
    fn text(self, name: Name) -> Result<Option<&'t str>, Error>;

    /// Reads a 32-bit integer.
    fn integer(self, name: Name) -> Result<Option<i32>, Error>;

    /// Reads bytes, which both protocols write in Base64.
    fn blob(self, name: Name) -> Result<Option<Vec<u8>>, Error>;

    /// Reads a list of texts.
    fn texts(self, name: Name) -> Result<Vec<&'t str>, Error>;

    /// Reads a list of structures.
    fn objects(self, name: Name) -> Result<Vec<Self>, Error>;

    /// Reads a map from text to text, each key once: the last value counts.
    fn pairs(self, name: MapName) -> Result<Vec<(&'t str, &'t str)>, Error>;

    /// Reads a map from text to structures. Only a form can repeat a key; it is returned as often as it comes.
    fn map(self, name: MapName) -> Result<Vec<(&'t str, Self)>, Error>;
}

/// Reads text that must be there and must not be empty.
pub(crate) fn required<'t>(fields: impl Fields<'t>, name: Name) -> Result<&'t str, Error> {
    match fields.text(name)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(Error::missing_parameter(name.json)),
    }
}

/// Keeps the last pair of each key, in the order given.
fn keep_last<T>(mut pairs: Vec<(&str, T)>) -> Vec<(&str, T)> {
    if pairs.len() < 2 {
        return pairs;
    }
    let mut seen = HashSet::with_capacity(pairs.len());
    pairs.reverse();
    pairs.retain(|(key, _)| seen.insert(*key));
    pairs.reverse();
    pairs
}
