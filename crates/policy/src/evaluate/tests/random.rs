//! Random policies and requests, drawn from few words so that they meet often.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::naive::{Facts, may};
use super::*;

const ACTIONS: &[&str] =
    &["*", "sqs:*", "SQS:SendMessage", "sqs:Send*", "sqs:receivemessage", "sqs:DeleteQueue", "sqs:?e*"];
const RESOURCES: &[&str] = &["*", QUEUE, "arn:aws:sqs:*:111122223333:*", "arn:aws:sqs:us-east-1:*:other", "*:ord?rs"];
const PRINCIPALS: &[&str] = &[
    "*",
    OWNER,
    OTHER,
    "arn:aws:iam::111122223333:root",
    "arn:aws:iam::444455556666:root",
    "arn:aws:iam::111122223333:user/anna",
    "arn:aws:iam::444455556666:user/anna",
    "arn:aws:iam::111122223333:user/bert",
];

fn words(from: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        select(from).prop_map(|one| json!(one)),
        prop::collection::vec(select(from), 1..4).prop_map(|several| json!(several)),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] = &["anna", "bert", "a*", "*"];
    let operator = select(vec!["StringEquals", "StringNotEquals", "StringLike"]);
    let key = select(vec!["aws:username", "aws:Nothing"]);
    prop_oneof![
        (operator, key, words(NAMES)).prop_map(|(operator, key, values)| json!({ operator: { key: values } })),
        any::<bool>().prop_map(|secure| json!({ "Bool": { "aws:SecureTransport": secure.to_string() } })),
    ]
}

fn statement(of_queue: bool) -> impl Strategy<Value = Value> {
    (
        select(vec!["Allow", "Allow", "Deny"]),
        (select(vec!["Action", "Action", "NotAction"]), words(ACTIONS)),
        (select(vec!["Resource", "Resource", "NotResource"]), words(RESOURCES)),
        prop::option::of(condition()),
        (select(vec!["Principal", "Principal", "NotPrincipal"]), words(PRINCIPALS)),
    )
        .prop_map(move |(effect, (action, actions), (resource, resources), condition, (principal, principals))| {
            let mut statement = Map::new();
            statement.insert("Effect".into(), json!(effect));
            statement.insert(action.into(), actions);
            statement.insert(resource.into(), resources);
            if let Some(condition) = condition {
                statement.insert("Condition".into(), condition);
            }
            if of_queue {
                statement.insert(principal.into(), json!({ "AWS": principals }));
            }
            Value::Object(statement)
        })
}

fn document(of_queue: bool) -> impl Strategy<Value = Value> {
    prop::collection::vec(statement(of_queue), 1..4)
        .prop_map(|statements| json!({ "Version": "2012-10-17", "Statement": statements }))
}

/// Account and name of a caller; neither of one that did not sign.
type Who = (Option<&'static str>, Option<&'static str>);

fn caller() -> impl Strategy<Value = Who> {
    select(vec![
        (Some(OWNER), None),
        (Some(OWNER), Some("anna")),
        (Some(OWNER), Some("bert")),
        (Some(OTHER), None),
        (Some(OTHER), Some("anna")),
        (None, None),
    ])
}

fn action() -> impl Strategy<Value = Action> {
    select(vec![Action::SendMessage, Action::SendMessageBatch, Action::ReceiveMessage, Action::DeleteQueue])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_naive_evaluator_decides_the_same(
        who in caller(),
        action in action(),
        secure in any::<bool>(),
        identity in prop::collection::vec(document(false), 0..3),
        queue in prop::option::of(document(true)),
    ) {
        // Root has no identity policies, nor has anybody who did not sign.
        let identity = if who.1.is_some() { identity } else { Vec::new() };
        let permission = permission(action);
        let facts = Facts {
            account: who.0.map(str::to_owned),
            user: who.1.map(str::to_owned),
            owner: OWNER.to_owned(),
            action: permission.name.to_owned(),
            shared: permission.shared,
            resource: QUEUE.to_owned(),
            secure,
        };
        let texts: Vec<String> = identity.iter().map(Value::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let principal = match who {
            (Some(account), Some(name)) => user(account, name, &texts),
            (Some(account), None) => root(account),
            (None, _) => anonymous(),
        };
        let given = Circumstances { secure, ..circumstances() };
        let compiled = queue.as_ref().map(|queue| Policy::of_queue(&queue.to_string()).expect("a policy"));
        let decision = ask(&principal, permission, compiled.as_ref(), &given);
        prop_assert_eq!(decision.allowed, may(&facts, &identity, queue.as_ref()), "{:?}", decision);
    }
}
