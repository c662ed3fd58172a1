//! Edits of a queue's policy document by `AddPermission` and `RemovePermission`.
//!
//! The document's other statements stay as they are.

use serde_json::{Map, Value, json};
use stanchion_types::attributes::Document;
use stanchion_types::limits::{POLICY_BYTES_MAX, POLICY_PRINCIPALS_MAX, POLICY_STATEMENTS_MAX};
use stanchion_types::request::AddPermission;
use stanchion_types::{Error, QueueArn};

use crate::document::{canonical, count_principals, within};

/// Returns the policy with one more statement.
///
/// # Errors
/// `InvalidParameterValue` if the label is in use, `OverLimit` if the document would exceed the service's quotas.
pub fn grant(policy: Option<&Document>, queue: &QueueArn, wish: &AddPermission) -> Result<Document, Error> {
    let mut document = parse(policy)?;
    document.entry("Version").or_insert_with(|| json!("2008-10-17"));
    document.entry("Id").or_insert_with(|| json!(format!("{queue}/SQSDefaultPolicy")));
    let mut statements = take_statements(&mut document);
    if statements.iter().any(|statement| is_labelled(statement, &wish.label)) {
        return Err(Error::invalid_value(&wish.label, "Label", "Already exists."));
    }
    let principals = wish.accounts.iter().map(|account| json!(format!("arn:aws:iam::{account}:root"))).collect();
    let actions = wish.actions.iter().map(|action| json!(format!("SQS:{action}"))).collect();
    statements.push(json!({
        "Sid": wish.label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_many(principals) },
        "Action": one_or_many(actions),
        "Resource": queue.to_string(),
    }));
    within(statements.len(), POLICY_STATEMENTS_MAX, "Statements")?;
    within(statements.iter().map(count_principals).sum(), POLICY_PRINCIPALS_MAX, "Principals")?;
    document.insert("Statement".to_owned(), Value::Array(statements));
    let document = make_document(&Value::Object(document));
    within(document.text.len(), POLICY_BYTES_MAX, "bytes")?;
    Ok(document)
}

/// Returns the policy without the statement of this label; nothing if it was the last one.
///
/// # Errors
/// `InvalidParameterValue` if no statement has the label.
pub fn revoke(policy: Option<&Document>, label: &str) -> Result<Option<Document>, Error> {
    let mut document = parse(policy)?;
    let mut statements = take_statements(&mut document);
    let before = statements.len();
    statements.retain(|statement| !is_labelled(statement, label));
    if statements.len() == before {
        return Err(Error::invalid_value(label, "Label", "can't find label on existing policy."));
    }
    if statements.is_empty() {
        return Ok(None);
    }
    document.insert("Statement".to_owned(), Value::Array(statements));
    Ok(Some(make_document(&Value::Object(document))))
}

fn parse(policy: Option<&Document>) -> Result<Map<String, Value>, Error> {
    let Some(policy) = policy else { return Ok(Map::new()) };
    match serde_json::from_str(&policy.text) {
        Ok(Value::Object(document)) => Ok(document),
        _ => Err(Error::invalid_attribute_value("Policy")),
    }
}

/// Takes the statements out of the document, in whose place an empty list stays. A lone statement needs no list.
fn take_statements(document: &mut Map<String, Value>) -> Vec<Value> {
    match document.insert("Statement".to_owned(), Value::Array(Vec::new())) {
        Some(Value::Array(statements)) => statements,
        Some(statement) => vec![statement],
        None => Vec::new(),
    }
}

fn is_labelled(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

fn one_or_many(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.swap_remove(0) } else { Value::Array(values) }
}

/// Returns the document as it is stored: compact text to return, and the form with sorted keys that is compared.
fn make_document(value: &Value) -> Document {
    Document { text: value.to_string(), canonical: canonical(value) }
}

#[cfg(test)]
mod tests {
    use stanchion_types::{AccountId, Code};

    use super::*;
    use crate::parse;

    fn arn() -> QueueArn {
        QueueArn::parse("arn:aws:sqs:us-east-1:123456789012:MyQueue").unwrap()
    }

    fn wish(label: &str, accounts: &[&str], actions: &[&str]) -> AddPermission {
        AddPermission {
            label: label.into(),
            accounts: accounts.iter().map(|id| AccountId::new(id).unwrap()).collect(),
            actions: actions.iter().map(|&action| action.to_owned()).collect(),
        }
    }

    fn document(text: &str) -> Document {
        make_document(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_first_permission_makes_the_services_default_document() {
        let granted = grant(None, &arn(), &wish("Send", &["111122223333"], &["SendMessage"])).unwrap();
        assert_eq!(
            granted.text,
            concat!(
                r#"{"Version":"2008-10-17","Id":"arn:aws:sqs:us-east-1:123456789012:MyQueue/SQSDefaultPolicy","#,
                r#""Statement":[{"Sid":"Send","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"#,
                r#""Action":"SQS:SendMessage","Resource":"arn:aws:sqs:us-east-1:123456789012:MyQueue"}]}"#
            )
        );
    }

    #[test]
    fn several_accounts_and_actions_become_lists() {
        let wish = wish("L", &["111122223333", "444455556666"], &["SendMessage", "*"]);
        let granted: Value = serde_json::from_str(&grant(None, &arn(), &wish).unwrap().text).unwrap();
        let statement = &granted["Statement"][0];
        assert_eq!(statement["Action"], json!(["SQS:SendMessage", "SQS:*"]));
        assert_eq!(
            statement["Principal"]["AWS"],
            json!(["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"])
        );
    }

    #[test]
    fn other_statements_stay_and_a_lone_statement_becomes_a_list() {
        let policy = document(r#"{"Version":"2012-10-17","Statement":{"Sid":"Mine","Effect":"Deny"}}"#);
        let granted = grant(Some(&policy), &arn(), &wish("L", &["111122223333"], &["SendMessage"])).unwrap();
        let granted: Value = serde_json::from_str(&granted.text).unwrap();
        assert_eq!(granted["Version"], "2012-10-17");
        assert_eq!(granted["Statement"][0], json!({"Sid":"Mine","Effect":"Deny"}));
        assert_eq!(granted["Statement"][1]["Sid"], "L");
    }

    #[test]
    fn a_label_can_be_used_once_and_be_removed_once() {
        let wish = wish("L", &["111122223333"], &["SendMessage"]);
        let granted = grant(None, &arn(), &wish).unwrap();
        let again = grant(Some(&granted), &arn(), &wish).unwrap_err();
        assert_eq!(again.message, "Value L for parameter Label is invalid. Reason: Already exists.");
        assert_eq!(revoke(Some(&granted), "L"), Ok(None));
        let missing = revoke(None, "L").unwrap_err();
        assert_eq!(
            missing.message,
            "Value L for parameter Label is invalid. Reason: can't find label on existing policy."
        );
    }

    #[test]
    fn removing_one_of_two_labels_leaves_the_other() {
        let first = grant(None, &arn(), &wish("A", &["111122223333"], &["SendMessage"])).unwrap();
        let both = grant(Some(&first), &arn(), &wish("B", &["111122223333"], &["SendMessage"])).unwrap();
        assert_eq!(revoke(Some(&both), "B").unwrap(), Some(first));
    }

    #[test]
    fn what_an_edit_makes_is_a_policy_like_one_that_a_client_sets() {
        let first = grant(None, &arn(), &wish("A", &["111122223333", "444455556666"], &["SendMessage", "*"])).unwrap();
        let both = grant(Some(&first), &arn(), &wish("B", &["111122223333"], &["SendMessage"])).unwrap();
        for document in [first, both] {
            let set = parse(&document.text).unwrap();
            assert_eq!((&set.text, &set.canonical), (&document.text, &document.canonical));
        }
    }

    #[test]
    fn the_quotas_of_policies_hold() {
        let mut policy = None;
        for index in 0..POLICY_STATEMENTS_MAX {
            let wish = wish(&format!("L{index}"), &["111122223333"], &["SendMessage"]);
            policy = Some(grant(policy.as_ref(), &arn(), &wish).unwrap());
        }
        let error = grant(policy.as_ref(), &arn(), &wish("more", &["111122223333"], &["SendMessage"])).unwrap_err();
        assert_eq!(error.code, Code::OverLimit);

        let accounts: Vec<String> = (0..=POLICY_PRINCIPALS_MAX).map(|n| format!("{n:012}")).collect();
        let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
        let error = grant(None, &arn(), &wish("L", &accounts, &["SendMessage"])).unwrap_err();
        assert_eq!(error.message, "51 Principals were found, maximum allowed is 50.");
    }
}
