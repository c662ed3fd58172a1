//! Parameters of a request, and the bounds that the service model sets them.

use std::borrow::Cow;

use crate::refusal::Refusal;

/// Most parameters of a request. The largest has fifty tags with two each, and as many keys.
const PARAMETERS_MAX: usize = 1000;
/// How much of a wrong value is repeated, in characters.
const SHOWN_MAX: usize = 256;

/// Decoded parameters.
#[derive(Debug)]
pub(crate) struct Form<'q> {
    parameters: Vec<(Cow<'q, str>, Cow<'q, str>)>,
}

impl<'q> Form<'q> {
    /// Reads the query string and the body.
    pub(crate) fn read(query: Option<&'q str>, body: &'q [u8]) -> Result<Self, Refusal> {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let all = query.chain(form_urlencoded::parse(body));
        let parameters: Vec<_> = all.take(PARAMETERS_MAX + 1).collect();
        if parameters.len() > PARAMETERS_MAX {
            return Err(Refusal::malformed_input());
        }
        Ok(Form { parameters })
    }

    /// Returns the value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Returns the elements of a list of texts: `name.member.1` and so on.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        (1..=PARAMETERS_MAX).map_while(|number| self.get(&format!("{name}.member.{number}"))).collect()
    }

    /// Returns the elements of a list of structures with one or two members each.
    pub(crate) fn pairs(&self, name: &str, [first, second]: [&str; 2]) -> Vec<(Option<&str>, Option<&str>)> {
        let member = |number: usize| {
            let member = |of: &str| self.get(&format!("{name}.member.{number}.{of}"));
            Some((member(first), member(second))).filter(|pair| *pair != (None, None))
        };
        (1..=PARAMETERS_MAX).map_while(member).collect()
    }

    /// Reads a whole number; one without a value counts as absent.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let text = self.get(name).filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(|_| Refusal::malformed_input())).transpose()
    }
}

/// What a text may be.
pub(crate) struct Shape {
    pub(crate) min: usize,
    pub(crate) max: usize,
    /// The characters, as the model writes them.
    pub(crate) pattern: &'static str,
    pub(crate) is_legal: fn(char) -> bool,
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// Letters, digits, blanks and a few signs of any script.
fn is_tag(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

pub(crate) const ARN: Shape = Shape {
    min: 20,
    max: 2048,
    pattern: "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u0085\\u00A0-\\uD7FF\\uE000-\\uFFFD\\u10000-\\u10FFFF]+",
    is_legal: |c| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..),
};
pub(crate) const SESSION_NAME: Shape = Shape { min: 2, max: 64, pattern: "[\\w+=,.@-]*", is_legal: is_name };
pub(crate) const EXTERNAL_ID: Shape =
    Shape { min: 2, max: 1224, pattern: "[\\w+=,.@:\\/-]*", is_legal: |c| is_name(c) || c == ':' || c == '/' };
pub(crate) const SERIAL_NUMBER: Shape =
    Shape { min: 9, max: 256, pattern: "[\\w+=/:,.@-]*", is_legal: EXTERNAL_ID.is_legal };
pub(crate) const TOKEN_CODE: Shape = Shape { min: 6, max: 6, pattern: "[\\d]*", is_legal: |c| c.is_ascii_digit() };
/// Without a bound on its length: what counts is how large the session becomes.
pub(crate) const POLICY: Shape = Shape {
    min: 1,
    max: usize::MAX,
    pattern: "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+",
    is_legal: |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}'),
};
pub(crate) const TAG_KEY: Shape =
    Shape { min: 1, max: 128, pattern: "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+", is_legal: is_tag };
pub(crate) const TAG_VALUE: Shape =
    Shape { min: 0, max: 256, pattern: "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", is_legal: is_tag };

/// What is wrong with the parameters of a request, all of it together.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    wrong: Vec<String>,
}

impl Checks {
    /// Checks a text that must be there.
    pub(crate) fn required(&mut self, at: &str, value: Option<&str>, shape: &Shape) {
        match value {
            Some(value) => self.text(at, value, shape),
            None => self.add(at, None, "Member must not be null"),
        }
    }

    /// Checks a text that may be absent.
    pub(crate) fn optional(&mut self, at: &str, value: Option<&str>, shape: &Shape) {
        if let Some(value) = value {
            self.text(at, value, shape);
        }
    }

    fn text(&mut self, at: &str, value: &str, shape: &Shape) {
        let Shape { min, max, pattern, is_legal } = shape;
        let length = value.chars().count();
        if length < *min {
            self.add(at, Some(value), &format!("Member must have length greater than or equal to {min}"));
        }
        if length > *max {
            self.add(at, Some(value), &format!("Member must have length less than or equal to {max}"));
        }
        if !value.chars().all(is_legal) {
            self.add(at, Some(value), &format!("Member must satisfy regular expression pattern: {pattern}"));
        }
    }

    /// Checks a number.
    pub(crate) fn number(&mut self, at: &str, value: Option<u64>, min: u64, max: u64) {
        let Some(value) = value else { return };
        let shown = value.to_string();
        if value < min {
            self.add(at, Some(&shown), &format!("Member must have value greater than or equal to {min}"));
        }
        if value > max {
            self.add(at, Some(&shown), &format!("Member must have value less than or equal to {max}"));
        }
    }

    /// Checks how many elements a list has.
    pub(crate) fn count(&mut self, at: &str, length: usize, max: usize) {
        if length > max {
            self.add(at, Some("[]"), &format!("Member must have length less than or equal to {max}"));
        }
    }

    fn add(&mut self, at: &str, value: Option<&str>, constraint: &str) {
        let value =
            value.map_or("null".to_owned(), |value| format!("'{}'", value.chars().take(SHOWN_MAX).collect::<String>()));
        self.wrong.push(format!("Value {value} at '{at}' failed to satisfy constraint: {constraint}"));
    }

    /// Refuses the request if anything is wrong.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        let several = if self.wrong.len() == 1 { "" } else { "s" };
        match self.wrong.len() {
            0 => Ok(()),
            count => Err(Refusal::validation(format!(
                "{count} validation error{several} detected: {}",
                self.wrong.join("; ")
            ))),
        }
    }
}
