//! What is a policy document: its shape, its quotas, and the form in which two are compared.

use serde_json::Value;
use stanchion_types::Error;
use stanchion_types::attributes::Document;
use stanchion_types::limits::{
    PERMISSION_ACTIONS_MAX, POLICY_BYTES_MAX, POLICY_CONDITIONS_MAX, POLICY_PRINCIPALS_MAX, POLICY_STATEMENTS_MAX,
};

use crate::json;
use crate::policy::Policy;

/// Reads a policy document.
///
/// # Errors
/// `InvalidAttributeValue` if it is none that could be asked: an object with statements, each with an effect, a principal,
/// an action, and conditions that can be read. `OverLimit` if it breaks a quota.
pub fn parse(text: &str) -> Result<Document, Error> {
    let invalid = || Error::invalid_attribute_value("Policy");
    let document = json::read(text).map_err(|_| invalid())?;
    let statements = statements(&document).ok_or_else(invalid)?;
    within(text.len(), POLICY_BYTES_MAX, "bytes")?;
    within(statements.len(), POLICY_STATEMENTS_MAX, "Statements")?;
    Policy::of_queue_document(&document).map_err(|_| invalid())?;
    let mut principals = 0;
    let mut conditions = 0;
    for statement in statements {
        let actions = statement.get("Action").or(statement.get("NotAction")).map_or(0, count);
        within(actions, PERMISSION_ACTIONS_MAX, "Actions")?;
        principals += count_principals(statement);
        conditions += statement.get("Condition").map_or(0, count_conditions);
    }
    within(principals, POLICY_PRINCIPALS_MAX, "Principals")?;
    within(conditions, POLICY_CONDITIONS_MAX, "Conditions")?;
    Ok(Document { text: text.to_owned(), canonical: canonical(&document) })
}

/// Refuses what breaks a quota of the service.
pub(crate) fn within(found: usize, maximum: usize, what: &str) -> Result<(), Error> {
    if found > maximum { Err(Error::policy_over_quota(what, found, maximum)) } else { Ok(()) }
}

/// Returns the statements of a document: a list of them, or a single one.
fn statements(document: &Value) -> Option<&[Value]> {
    match document.get("Statement")? {
        Value::Array(statements) if !statements.is_empty() => Some(statements),
        statement @ Value::Object(_) => Some(std::slice::from_ref(statement)),
        _ => None,
    }
}

fn count(value: &Value) -> usize {
    value.as_array().map_or(1, Vec::len)
}

/// Counts the principals of a statement.
pub(crate) fn count_principals(statement: &Value) -> usize {
    let principal = statement.get("Principal").or(statement.get("NotPrincipal"));
    principal.map_or(0, |one| one.as_object().map_or(1, |principals| principals.values().map(count).sum()))
}

fn count_conditions(condition: &Value) -> usize {
    let operators = condition.as_object().into_iter().flat_map(|operators| operators.values());
    operators.map(|keys| keys.as_object().map_or(0, |keys| keys.len())).sum()
}

/// Writes a document with sorted keys and no blanks.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

/// Appends a value; the parser bounds how deep it can be.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                write_canonical(element, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}
