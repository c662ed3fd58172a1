//! The meaning of policies spelled out over the JSON itself: slow, and written apart from the evaluator it judges.

use serde_json::Value;

/// A caller and a request, as plain facts.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// `None` for somebody who did not sign.
    pub(super) account: Option<String>,
    /// `None` for root and for sessions of roles.
    pub(super) user: Option<String>,
    /// The role and the name of a session.
    pub(super) session: Option<(String, String)>,
    pub(super) owner: String,
    pub(super) action: String,
    pub(super) shared: bool,
    pub(super) resource: String,
    pub(super) secure: bool,
}

/// Decides. Without session policies a session is not limited.
pub(super) fn may(facts: &Facts, identity: &[Value], session: Option<&[Value]>, queue: Option<&Value>) -> bool {
    let signed = facts.account.is_some();
    let root = signed && facts.user.is_none() && facts.session.is_none();
    let of_session: Vec<&Value> =
        session.unwrap_or_default().iter().flat_map(statements).filter(|s| speaks(s, facts)).collect();
    if of_session.iter().any(|s| s["Effect"] == "Deny") {
        return false;
    }
    let within_session = session.is_none() || of_session.iter().any(|s| s["Effect"] == "Allow");
    let own = facts.account.as_ref() == Some(&facts.owner);
    let of_identity: Vec<&Value> = identity.iter().flat_map(statements).filter(|s| speaks(s, facts)).collect();
    let of_queue: Vec<&Value> =
        queue.map(statements).unwrap_or_default().into_iter().filter(|s| speaks(s, facts)).collect();
    let denied_by_identity = of_identity.iter().any(|s| s["Effect"] == "Deny");
    let denied_by_queue = of_queue.iter().any(|s| s["Effect"] == "Deny" && concerns(s, facts));
    if denied_by_identity || denied_by_queue {
        return false;
    }
    if own && root {
        return true;
    }
    let identity_allows = root || (within_session && of_identity.iter().any(|s| s["Effect"] == "Allow"));
    let allowing: Vec<&&Value> = of_queue.iter().filter(|s| s["Effect"] == "Allow" && concerns(s, facts)).collect();
    if own {
        let gives = |s: &&&Value| names_directly(s, facts) && (within_session || names_session(s, facts));
        return identity_allows || allowing.iter().any(gives);
    }
    facts.shared && !allowing.is_empty() && (!signed || identity_allows)
}

fn statements(document: &Value) -> Vec<&Value> {
    match &document["Statement"] {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    }
}

/// Whether action, resource and conditions fit, whoever is concerned.
fn speaks(statement: &Value, facts: &Facts) -> bool {
    let action = match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), _) => any_like(actions, &facts.action, true),
        (_, Some(actions)) => !any_like(actions, &facts.action, true),
        _ => panic!("a statement without action"),
    };
    let resource = match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(resources), _) => any_like(resources, &facts.resource, false),
        (_, Some(resources)) => !any_like(resources, &facts.resource, false),
        _ => true,
    };
    let conditions = statement.get("Condition").and_then(Value::as_object);
    let met = conditions.is_none_or(|operators| {
        operators.iter().all(|(operator, keys)| {
            keys.as_object().expect("keys").iter().all(|(key, values)| meets(operator, key, values, facts))
        })
    });
    action && resource && met
}

fn meets(operator: &str, key: &str, values: &Value, facts: &Facts) -> bool {
    let actual = match key {
        "aws:username" => facts.user.clone(),
        "aws:SecureTransport" => Some(facts.secure.to_string()),
        "aws:Nothing" => None,
        other => panic!("{other} is not asked for"),
    };
    match (operator, actual) {
        ("StringEquals" | "Bool" | "StringLike", None) => false,
        ("StringNotEquals", None) => true,
        ("StringEquals" | "Bool", Some(actual)) => texts(values).contains(&actual),
        ("StringNotEquals", Some(actual)) => !texts(values).contains(&actual),
        ("StringLike", Some(actual)) => any_like(values, &actual, false),
        (operator, _) => panic!("{operator} is not asked for"),
    }
}

/// Whether a statement of a queue's policy is about the caller in any way.
fn concerns(statement: &Value, facts: &Facts) -> bool {
    let by_account = |principal: &Value| {
        let account = facts.account.clone().unwrap_or_default();
        everyone(principal)
            || listed(principal).iter().any(|text| {
                facts.account.is_some() && (*text == account || *text == format!("arn:aws:iam::{account}:root"))
            })
    };
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), _) => names(principal, facts) || by_account(principal),
        // A denial spares only those whom it names themselves; an allowance passes over all whom it names at all.
        (_, Some(principal)) if statement["Effect"] == "Deny" && facts.session.is_some() => {
            !everyone(principal) && !lists_session(principal, facts)
        }
        (_, Some(principal)) if statement["Effect"] == "Deny" => !names(principal, facts),
        (_, Some(principal)) => !names(principal, facts) && !by_account(principal),
        _ => panic!("a statement without principal"),
    }
}

fn names_directly(statement: &Value, facts: &Facts) -> bool {
    statement.get("Principal").is_none_or(|principal| names(principal, facts))
}

/// Whether a statement names the session by its own ARN.
fn names_session(statement: &Value, facts: &Facts) -> bool {
    statement.get("Principal").is_some_and(|principal| lists_session(principal, facts))
}

fn lists_session(principal: &Value, facts: &Facts) -> bool {
    let (Some(account), Some((role, name))) = (&facts.account, &facts.session) else { return false };
    listed(principal).contains(&format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"))
}

/// Whether a list of principals has the caller itself, or everybody; a session's role is the session itself.
fn names(principal: &Value, facts: &Facts) -> bool {
    if everyone(principal) {
        return true;
    }
    let Some(account) = &facts.account else { return false };
    if let Some((role, _)) = &facts.session {
        let role = format!("arn:aws:iam::{account}:role/{role}");
        return lists_session(principal, facts) || listed(principal).contains(&role);
    }
    let listed = listed(principal);
    match &facts.user {
        Some(user) => listed.contains(&format!("arn:aws:iam::{account}:user/{user}")),
        None => listed.contains(account) || listed.contains(&format!("arn:aws:iam::{account}:root")),
    }
}

fn everyone(principal: &Value) -> bool {
    principal == "*" || listed(principal).iter().any(|text| text == "*")
}

fn listed(principal: &Value) -> Vec<String> {
    principal.get("AWS").map(texts).unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().map(|one| one.as_str().expect("a text").to_owned()).collect(),
        one => vec![one.as_str().expect("a text").to_owned()],
    }
}

fn any_like(patterns: &Value, text: &str, ignore_case: bool) -> bool {
    let fold = |text: &str| if ignore_case { text.to_lowercase() } else { text.to_owned() };
    texts(patterns).iter().any(|pattern| like(fold(pattern).as_bytes(), fold(text).as_bytes()))
}

fn like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*', more @ ..], _) => (0..=text.len()).any(|skipped| like(more, &text[skipped..])),
        ([b'?', more @ ..], [_, rest @ ..]) => like(more, rest),
        ([first, more @ ..], [head, rest @ ..]) => first == head && like(more, rest),
        (_, []) => false,
    }
}
