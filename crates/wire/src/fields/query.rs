//! Form parameters as a view: decoded once, sorted by the dotted parts of their names, so that what belongs to one
//! structure is one run.
//!
//! ```text
//! Action                                          plain members sort by name
//! Entry.1.Id            \                         numbered parts sort as numbers: 2 before 10
//! Entry.1.Body           | one structure
//! Entry.1.Attribute.Name | un-numbered: the only element of a list
//! Entry.2.Id            /
//! ```

use std::borrow::Cow;
use std::cmp::Ordering;
use std::str::Utf8Error;

use data_encoding::BASE64;
use memchr::{memchr, memchr2};
use stanchion_types::{Code, Error};

use crate::choices;
use crate::fields::{Fields, MapName, Name, keep_last};

/// Most parameters in a request: no request needs as many, a hostile one with more is refused while it is read.
const PARAMETERS_MAX: usize = 10_000;
/// Longest name that is looked at; longer ones are unknown for sure.
const NAME_BYTES_MAX: usize = 256;

/// A decoded parameter.
#[derive(Debug)]
struct Parameter<'q> {
    name: Cow<'q, str>,
    value: Cow<'q, str>,
}

/// Decoded parameters, sorted.
#[derive(Debug)]
pub(crate) struct Form<'q> {
    parameters: Vec<Parameter<'q>>,
}

impl<'q> Form<'q> {
    /// Decodes the parameters of several parts: the query string, then the body. Of a parameter that comes twice the
    /// last counts, so the body wins.
    ///
    /// # Errors
    /// `MalformedQueryString` if there are too many parameters, a `%` is not followed by two hexadecimal digits, or
    /// the decoded text is not UTF-8.
    pub(crate) fn parse(parts: [&'q [u8]; 2]) -> Result<Self, Error> {
        let mut parameters = Vec::with_capacity(16);
        let mut seen = 0;
        for part in parts.into_iter().flat_map(parameters_of) {
            seen += 1;
            if seen > PARAMETERS_MAX {
                return Err(malformed(format!("The request has more than {PARAMETERS_MAX} parameters.")));
            }
            if part.is_empty() {
                continue;
            }
            let at = memchr(b'=', part);
            let (name, value) = at.map_or((part, &[][..]), |at| (&part[..at], &part[at + 1..]));
            let parameter = Parameter { name: unescape(name)?, value: unescape(value)? };
            if parameter.name.len() <= NAME_BYTES_MAX {
                parameters.push(parameter);
            }
        }
        parameters.sort_by(|one, other| compare_names(&one.name, &other.name));
        Ok(Form { parameters })
    }

    /// Returns the members of the whole.
    pub(crate) fn members(&self) -> QueryFields<'_> {
        QueryFields { parameters: &self.parameters, depth: 0 }
    }
}

/// Walks the pieces between `&`, empty ones too.
fn parameters_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = memchr(b'&', text);
        rest = end.map(|end| &text[end + 1..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Code::MalformedQueryString, message)
}

/// Turns `+` into blanks and `%` sequences into bytes; borrows if there are none.
fn unescape(text: &[u8]) -> Result<Cow<'_, str>, Error> {
    let not_utf8 = |_: Utf8Error| malformed("The request contains text that is not UTF-8.");
    let Some(first) = memchr2(b'%', b'+', text) else {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(not_utf8);
    };
    let mut plain = Vec::with_capacity(text.len());
    plain.extend_from_slice(&text[..first]);
    // Escapes come in crowds, so from the first one on every byte is looked at.
    let mut bytes = text[first..].iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => hex_pair(bytes.next(), bytes.next())?,
            byte => *byte,
        });
    }
    String::from_utf8(plain).map(Cow::Owned).map_err(|error| not_utf8(error.utf8_error()))
}

/// Reads two hexadecimal digits.
fn hex_pair(high: Option<&u8>, low: Option<&u8>) -> Result<u8, Error> {
    let digit = |byte: Option<&u8>| Some(HEX_VALUES[usize::from(*byte?)]).filter(|value| *value < 16);
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(malformed("The request contains a % that is not followed by two hexadecimal digits.")),
    }
}

/// The value of each hexadecimal digit, 16 for every other byte.
const HEX_VALUES: [u8; 256] = {
    let mut values = [16; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        values[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// Orders names part by part, numbers as numbers and before words.
fn compare_names(one: &str, other: &str) -> Ordering {
    let mut ones = one.split('.');
    let mut others = other.split('.');
    loop {
        let order = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => match (index(one), index(other)) {
                (Some(one), Some(other)) => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => one.cmp(other),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Returns the digits of an index without leading zeros, `None` if the part of a name is a word.
fn index(part: &str) -> Option<&str> {
    let numeric = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numeric.then(|| part.trim_start_matches('0'))
}

/// The members of a structure: a run of parameters whose names agree in their first `depth` parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryFields<'t> {
    parameters: &'t [Parameter<'t>],
    depth: usize,
}

impl<'t> Parameter<'t> {
    /// Returns one part of the name.
    fn part(&self, depth: usize) -> Option<&str> {
        self.name.split('.').nth(depth)
    }
}

impl<'t> QueryFields<'t> {
    /// Returns the run of parameters that belong to a member, itself included.
    fn run(self, name: &str) -> QueryFields<'t> {
        let depth = self.depth;
        let belongs = |parameter: &Parameter| parameter.part(depth) == Some(name);
        let from = self.parameters.iter().position(belongs).unwrap_or(self.parameters.len());
        let run = &self.parameters[from..];
        let len = run.iter().position(|parameter| !belongs(parameter)).unwrap_or(run.len());
        QueryFields { parameters: &run[..len], depth: depth + 1 }
    }

    /// Returns the value of the run itself: of the last parameter whose name ends here.
    fn value(self) -> Option<&'t str> {
        let whole = self.parameters.iter().take_while(|parameter| parameter.part(self.depth).is_none()).last();
        whole.map(|parameter| &*parameter.value)
    }

    /// Splits a run into its elements in the order of their numbers; parameters without number are one element.
    fn elements(self) -> Vec<QueryFields<'t>> {
        let mut elements = Vec::new();
        let whole = self.parameters.iter().take_while(|parameter| parameter.part(self.depth).is_none()).count();
        let mut rest = &self.parameters[whole..];
        while let Some(number) = rest.first().map(|first| first.part(self.depth).and_then(index)) {
            let same = |parameter: &Parameter| parameter.part(self.depth).and_then(index) == number;
            let len = rest.iter().position(|parameter| !same(parameter)).unwrap_or(rest.len());
            let depth = self.depth + usize::from(number.is_some());
            elements.push(QueryFields { parameters: &rest[..len], depth });
            rest = &rest[len..];
        }
        elements
    }

    /// Returns the keys of a map with the elements that they stand in.
    fn keyed(self, name: MapName) -> Result<Vec<(&'t str, QueryFields<'t>)>, Error> {
        let keyed = self.run(name.name.query).elements().into_iter().map(|element| {
            let key = element.run(name.key).value();
            let key = key.ok_or_else(|| Error::missing_parameter(&format!("{}.{}", name.name.query, name.key)))?;
            Ok((key, element))
        });
        keyed.collect()
    }
}

impl<'t> Fields<'t> for QueryFields<'t> {
    fn text(self, name: Name) -> Result<Option<&'t str>, Error> {
        Ok(self.run(name.query).value())
    }

    fn integer(self, name: Name) -> Result<Option<i32>, Error> {
        match self.run(name.query).value() {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| choices::not_an_integer(text, name.query)),
        }
    }

    fn blob(self, name: Name) -> Result<Option<Vec<u8>>, Error> {
        let Some(text) = self.run(name.query).value() else { return Ok(None) };
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map(Some).map_err(|error| Error::invalid_value(text, name.query, &format!("Not valid Base64: {error}.")))
    }

    fn texts(self, name: Name) -> Result<Vec<&'t str>, Error> {
        let run = self.run(name.query);
        let numbered = run.elements().into_iter().filter_map(QueryFields::value);
        // Some clients write an empty list as one parameter without value.
        Ok(run.value().filter(|only| !only.is_empty()).into_iter().chain(numbered).collect())
    }

    fn objects(self, name: Name) -> Result<Vec<Self>, Error> {
        Ok(self.run(name.query).elements())
    }

    fn pairs(self, name: MapName) -> Result<Vec<(&'t str, &'t str)>, Error> {
        let keyed = self.keyed(name)?.into_iter();
        Ok(keep_last(keyed.map(|(key, element)| (key, element.run(name.value).value().unwrap_or_default())).collect()))
    }

    fn map(self, name: MapName) -> Result<Vec<(&'t str, Self)>, Error> {
        let keyed = self.keyed(name)?.into_iter();
        Ok(keyed.map(|(key, element)| (key, element.run(name.value))).collect())
    }
}

#[cfg(test)]
mod tests;
