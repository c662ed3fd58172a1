//! Conditions of statements.

use std::net::IpAddr;

use serde_json::Value;

use crate::fault::Fault;
use crate::key::Key;
use crate::network::Network;
use crate::pattern::{Pattern, Syntax};
use crate::request::Question;
use crate::time;

/// One key under one operator.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    key: Key,
    test: Test,
    /// Whether the operator is one that says what must not be.
    negated: bool,
    quantifier: Option<Quantifier>,
    /// Whether it holds for a request without the key.
    if_exists: bool,
}

/// How many values of the request have to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    All,
    Any,
}

/// What a value of the request is compared with: it passes if any of these fits.
#[derive(Clone, Debug)]
enum Test {
    Text(Vec<Pattern>),
    TextIgnoringCase(Vec<Pattern>),
    Arn(Vec<Vec<Pattern>>),
    Number(Order, Vec<f64>),
    Date(Order, Vec<u64>),
    Bool(Vec<bool>),
    Address(Vec<Network>),
    /// Whether the key must be absent: the only test of the key and not of its value.
    Null(Vec<bool>),
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Order::Equal => left == right,
            Order::Less => left < right,
            Order::LessOrEqual => left <= right,
            Order::Greater => left > right,
            Order::GreaterOrEqual => left >= right,
        }
    }
}

/// Reads the conditions of a statement: operators, each with keys, each with values.
pub(crate) fn parse(conditions: &Value, variables: bool) -> Result<Vec<Condition>, Fault> {
    let not_maps = || Fault::new("Condition must map operators to keys, and those to values");
    let mut parsed = Vec::new();
    for (operator, keys) in conditions.as_object().ok_or_else(not_maps)? {
        for (key, values) in keys.as_object().ok_or_else(not_maps)? {
            parsed.push(Condition::parse(operator, key, values, variables)?);
        }
    }
    Ok(parsed)
}

impl Condition {
    fn parse(operator: &str, key: &str, values: &Value, variables: bool) -> Result<Self, Fault> {
        let values = texts(values).ok_or_else(|| Fault::new(format!("the values of {key} must be texts")))?;
        let (quantifier, rest) = match operator.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(Quantifier::All), rest),
            Some(("ForAnyValue", rest)) => (Some(Quantifier::Any), rest),
            Some(_) => return Err(unknown(operator)),
            None => (None, operator),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let wrong = |what: &str| Fault::new(format!("a value of {key} under {operator} is no {what}"));
        let patterns = |wildcards: bool| -> Result<Vec<Pattern>, Fault> {
            let syntax = Syntax { wildcards, variables };
            values.iter().map(|value| Pattern::parse(value, syntax).ok_or_else(|| wrong("text"))).collect()
        };
        let numbers = || -> Result<Vec<f64>, Fault> {
            values.iter().map(|value| value.parse().map_err(|_| wrong("number"))).collect()
        };
        let dates = || -> Result<Vec<u64>, Fault> {
            values.iter().map(|value| time::read(value).ok_or_else(|| wrong("date"))).collect()
        };
        let truths = || -> Result<Vec<bool>, Fault> {
            let read = |value: &String| value.to_ascii_lowercase().parse().map_err(|_| wrong("true or false"));
            values.iter().map(read).collect()
        };
        let networks = || -> Result<Vec<Network>, Fault> {
            values.iter().map(|value| Network::parse(value).ok_or_else(|| wrong("address"))).collect()
        };
        let arns = || -> Result<Vec<Vec<Pattern>>, Fault> {
            let syntax = Syntax { wildcards: true, variables };
            let part = |part: &str| Pattern::parse(part, syntax).ok_or_else(|| wrong("ARN"));
            values.iter().map(|value| value.splitn(6, ':').map(part).collect()).collect()
        };
        let (test, negated) = match name {
            "StringEquals" => (Test::Text(patterns(false)?), false),
            "StringNotEquals" => (Test::Text(patterns(false)?), true),
            "StringEqualsIgnoreCase" => (Test::TextIgnoringCase(patterns(false)?), false),
            "StringNotEqualsIgnoreCase" => (Test::TextIgnoringCase(patterns(false)?), true),
            "StringLike" => (Test::Text(patterns(true)?), false),
            "StringNotLike" => (Test::Text(patterns(true)?), true),
            "NumericEquals" => (Test::Number(Order::Equal, numbers()?), false),
            "NumericNotEquals" => (Test::Number(Order::Equal, numbers()?), true),
            "NumericLessThan" => (Test::Number(Order::Less, numbers()?), false),
            "NumericLessThanEquals" => (Test::Number(Order::LessOrEqual, numbers()?), false),
            "NumericGreaterThan" => (Test::Number(Order::Greater, numbers()?), false),
            "NumericGreaterThanEquals" => (Test::Number(Order::GreaterOrEqual, numbers()?), false),
            "DateEquals" => (Test::Date(Order::Equal, dates()?), false),
            "DateNotEquals" => (Test::Date(Order::Equal, dates()?), true),
            "DateLessThan" => (Test::Date(Order::Less, dates()?), false),
            "DateLessThanEquals" => (Test::Date(Order::LessOrEqual, dates()?), false),
            "DateGreaterThan" => (Test::Date(Order::Greater, dates()?), false),
            "DateGreaterThanEquals" => (Test::Date(Order::GreaterOrEqual, dates()?), false),
            "Bool" => (Test::Bool(truths()?), false),
            // Base64 has one spelling for a value, so comparing the texts compares the bytes.
            "BinaryEquals" => (Test::Text(patterns(false)?), false),
            "IpAddress" => (Test::Address(networks()?), false),
            "NotIpAddress" => (Test::Address(networks()?), true),
            // ArnEquals minds wildcards, too: for IAM the two are the same.
            "ArnEquals" | "ArnLike" => (Test::Arn(arns()?), false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn(arns()?), true),
            "Null" if !if_exists => (Test::Null(truths()?), false),
            _ => return Err(unknown(operator)),
        };
        Ok(Condition { key: Key::parse(key), test, negated, quantifier, if_exists })
    }

    /// Tells whether a request meets the condition.
    pub(crate) fn holds(&self, question: &Question<'_>) -> bool {
        let values = question.values(&self.key);
        if let Test::Null(wanted) = &self.test {
            return wanted.contains(&values.is_none());
        }
        // Without its value a variable says nothing, so neither does what must not equal it.
        if self.negated && !self.test.can_be_resolved(question) {
            return false;
        }
        let passes = |value: &str| self.test.fits(value, question) != self.negated;
        match (values, self.quantifier) {
            (None, _) if self.if_exists => true,
            (None, Some(Quantifier::All)) => true,
            (None, Some(Quantifier::Any)) => false,
            (None, None) => self.negated,
            (Some(values), Some(Quantifier::All)) => values.iter().all(|value| passes(value)),
            (Some(values), Some(Quantifier::Any) | None) => values.iter().any(|value| passes(value)),
        }
    }
}

impl Test {
    fn can_be_resolved(&self, question: &Question<'_>) -> bool {
        let lookup = |key: &Key| question.value(key);
        match self {
            Test::Text(patterns) | Test::TextIgnoringCase(patterns) => {
                patterns.iter().all(|pattern| pattern.can_be_resolved(&lookup))
            }
            Test::Arn(arns) => arns.iter().flatten().all(|pattern| pattern.can_be_resolved(&lookup)),
            Test::Number(..) | Test::Date(..) | Test::Bool(_) | Test::Address(_) | Test::Null(_) => true,
        }
    }

    /// Tells whether a value of the request fits one of those in the policy. One that cannot be read fits none.
    fn fits(&self, value: &str, question: &Question<'_>) -> bool {
        let lookup = |key: &Key| question.value(key);
        match self {
            Test::Text(patterns) => patterns.iter().any(|pattern| pattern.matches(value, &lookup)),
            Test::TextIgnoringCase(patterns) => {
                patterns.iter().any(|pattern| pattern.equals_ignoring_case(value, &lookup))
            }
            Test::Arn(arns) => {
                let parts: Vec<&str> = value.splitn(6, ':').collect();
                let fits = |arn: &Vec<Pattern>| match arn.as_slice() {
                    // A lone star is any ARN, though it has not six parts.
                    [whole] => whole.matches(value, &lookup),
                    arn if arn.len() == parts.len() => {
                        arn.iter().zip(&parts).all(|(pattern, part)| pattern.matches(part, &lookup))
                    }
                    _ => false,
                };
                arns.iter().any(fits)
            }
            Test::Number(order, numbers) => {
                value.parse::<f64>().is_ok_and(|value| numbers.iter().any(|number| order.holds(value, *number)))
            }
            Test::Date(order, dates) => {
                time::read(value).is_some_and(|value| dates.iter().any(|date| order.holds(value, *date)))
            }
            Test::Bool(truths) => truths.iter().any(|truth| value == if *truth { "true" } else { "false" }),
            Test::Address(networks) => value
                .parse::<IpAddr>()
                .is_ok_and(|address| networks.iter().any(|network| network.contains(address.to_canonical()))),
            Test::Null(_) => false,
        }
    }
}

fn unknown(operator: &str) -> Fault {
    Fault::new(format!("there is no condition operator {operator}"))
}

/// Returns the texts of a value: one or several; numbers and truths count as their text.
fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) if !values.is_empty() => values.iter().map(text).collect(),
        value => Some(vec![text(value)?]),
    }
}
