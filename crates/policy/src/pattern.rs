//! Texts with wildcards and variables, as they stand in resources and conditions.

use std::borrow::Cow;

use crate::key::Key;

/// Something to compare a text with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

/// What matches a stretch of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// This text.
    Text(String),
    /// One character, whichever it is.
    One,
    /// Any number of characters.
    Run,
    /// The value that a key has in the request.
    Variable(Variable),
}

/// A policy variable, `${key}` or `${key, 'default'}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    key: Key,
    default: Option<String>,
}

/// Which characters of a pattern mean more than themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// `*` and `?`.
    pub(crate) wildcards: bool,
    /// `${...}`, from version 2012-10-17 on.
    pub(crate) variables: bool,
}

impl Pattern {
    /// Reads a pattern; `None` if a variable in it is none.
    pub(crate) fn parse(text: &str, syntax: Syntax) -> Option<Self> {
        let mut parts = Parts::default();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if syntax.variables && rest.starts_with("${") {
                let (inside, after) = rest[2..].split_once('}')?;
                match inside {
                    "*" | "?" | "$" => parts.text(inside),
                    _ => parts.0.push(Part::Variable(Variable::parse(inside)?)),
                }
                rest = after;
                continue;
            }
            match next {
                '*' if syntax.wildcards => parts.0.push(Part::Run),
                '?' if syntax.wildcards => parts.0.push(Part::One),
                _ => parts.text(next.encode_utf8(&mut [0; 4])),
            }
            rest = &rest[next.len_utf8()..];
        }
        Some(Pattern { parts: parts.0 })
    }

    /// Tells whether the whole text matches. A variable without a value matches nothing.
    pub(crate) fn matches<'v>(&self, text: &str, value: &impl Fn(&Key) -> Option<Cow<'v, str>>) -> bool {
        match self.parts.as_slice() {
            [] => text.is_empty(),
            [Part::Text(whole)] => text == whole,
            [Part::Run] => true,
            parts if parts.iter().any(|part| matches!(part, Part::Variable(_))) => {
                resolve(parts, value).is_some_and(|resolved| covers(&resolved, text))
            }
            parts => covers(parts, text),
        }
    }

    /// Tells whether text and pattern are equal but for upper and lower case.
    pub(crate) fn equals_ignoring_case<'v>(&self, text: &str, value: &impl Fn(&Key) -> Option<Cow<'v, str>>) -> bool {
        let Some(resolved) = resolve(&self.parts, value) else { return false };
        let mut whole = String::new();
        for part in &resolved {
            match part {
                Part::Text(text) => whole.push_str(text),
                // Only patterns without wildcards are compared like this.
                Part::One | Part::Run | Part::Variable(_) => return false,
            }
        }
        whole.to_lowercase() == text.to_lowercase()
    }

    /// Tells whether every variable has a value or a default.
    pub(crate) fn can_be_resolved<'v>(&self, value: &impl Fn(&Key) -> Option<Cow<'v, str>>) -> bool {
        resolve(&self.parts, value).is_some()
    }
}

/// Parts under construction: neighbouring texts become one.
#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn text(&mut self, more: &str) {
        match self.0.last_mut() {
            Some(Part::Text(text)) => text.push_str(more),
            _ => self.0.push(Part::Text(more.to_owned())),
        }
    }
}

impl Variable {
    fn parse(inside: &str) -> Option<Self> {
        let (key, default) = match inside.split_once(',') {
            None => (inside, None),
            Some((key, default)) => {
                let quoted = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
                (key, Some(quoted.to_owned()))
            }
        };
        let key = key.trim();
        // A key without a name could never have a value; whoever wrote it meant something else.
        (!key.is_empty() && !key.contains(['{', '$', '\''])).then(|| Variable { key: Key::parse(key), default })
    }
}

/// Puts values in the place of variables; `None` if one has neither value nor default.
fn resolve<'v>(parts: &[Part], value: &impl Fn(&Key) -> Option<Cow<'v, str>>) -> Option<Vec<Part>> {
    let mut resolved = Parts::default();
    for part in parts {
        match part {
            Part::Text(text) => resolved.text(text),
            Part::One | Part::Run => resolved.0.push(part.clone()),
            Part::Variable(Variable { key, default }) => match (value(key), default) {
                (Some(value), _) => resolved.text(&value),
                (None, Some(default)) => resolved.text(default),
                (None, None) => return None,
            },
        }
    }
    Some(resolved.0)
}

/// Tells whether parts without variables cover a text from end to end.
///
/// A run first takes nothing. When what follows does not fit, the last run takes one character more: no earlier one has
/// to, so the work is bounded by the product of both lengths.
fn covers(parts: &[Part], text: &str) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut last_run: Option<(usize, usize)> = None;
    loop {
        let rest = &text[at..];
        let step = match parts.get(part) {
            None if rest.is_empty() => return true,
            None => None,
            Some(Part::Run) => {
                last_run = Some((part, at));
                Some(0)
            }
            Some(Part::One) => rest.chars().next().map(char::len_utf8),
            Some(Part::Text(literal)) => rest.starts_with(literal.as_str()).then_some(literal.len()),
            Some(Part::Variable(_)) => None,
        };
        if let Some(step) = step {
            (part, at) = (part + 1, at + step);
            continue;
        }
        let Some((run, from)) = last_run else { return false };
        let Some(skipped) = text[from..].chars().next() else { return false };
        let from = from + skipped.len_utf8();
        last_run = Some((run, from));
        (part, at) = (run + 1, from);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GLOB: Syntax = Syntax { wildcards: true, variables: false };
    const FULL: Syntax = Syntax { wildcards: true, variables: true };

    fn value(key: &Key) -> Option<Cow<'static, str>> {
        match key {
            Key::UserName => Some("an*a".into()),
            _ => None,
        }
    }

    fn matches(pattern: &str, syntax: Syntax, text: &str) -> bool {
        Pattern::parse(pattern, syntax).expect("a pattern").matches(text, &value)
    }

    #[test]
    fn a_star_stands_for_any_run_and_a_question_mark_for_one_character() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a:b/c", true),
            ("a?c", "abc", true),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("?", "", false),
            ("a*c", "ac", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("**a**", "bab", true),
            ("Queue", "queue", false),
            ("${aws:username}", "${aws:username}", true),
        ] {
            assert_eq!(matches(pattern, GLOB, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_variable_stands_for_its_value_in_which_a_star_is_a_star() {
        for (pattern, text, expected) in [
            ("queue-${aws:username}", "queue-an*a", true),
            ("queue-${AWS:UserName}-*", "queue-an*a-1", true),
            ("queue-${aws:username}", "queue-anna", false),
            ("${aws:userid}", "", false),
            ("*${aws:userid}", "x", false),
            ("${aws:userid, 'nobody'}", "nobody", true),
            ("${aws:username, 'nobody'}", "nobody", false),
            ("${*}${?}${$}", "*?$", true),
            ("${*}", "x", false),
            ("$", "$", true),
        ] {
            assert_eq!(matches(pattern, FULL, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_variable_that_is_none_makes_no_pattern() {
        for text in ["${", "${}", "${aws:username", "${aws:username, nobody}", "${a${b}}"] {
            assert_eq!(Pattern::parse(text, FULL), None, "{text}");
        }
    }

    /// The meaning of a pattern, spelled out with no thought of cost.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([], _) => false,
            (['*', more @ ..], _) => (0..=text.len()).any(|taken| naive(more, &text[taken..])),
            (['?', more @ ..], [_, rest @ ..]) => naive(more, rest),
            ([one, more @ ..], [first, rest @ ..]) => one == first && naive(more, rest),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn wildcards_mean_what_they_say(pattern in "[ab*?é]{0,8}", text in "[abé]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, GLOB, &text), naive(&chars(&pattern), &chars(&text)));
        }
    }
}
