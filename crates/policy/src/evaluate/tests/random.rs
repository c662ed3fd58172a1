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
    "arn:aws:iam::111122223333:role/worker",
    "arn:aws:sts::111122223333:assumed-role/worker/s1",
    "arn:aws:sts::444455556666:assumed-role/worker/s1",
    "arn:aws:sts::111122223333:assumed-role/worker/s2",
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

/// A caller, by account.
#[derive(Clone, Copy, Debug)]
enum Who {
    Nobody,
    Root(&'static str),
    User(&'static str, &'static str),
    Session(&'static str),
}

fn caller() -> impl Strategy<Value = Who> {
    select(vec![
        Who::Nobody,
        Who::Root(OWNER),
        Who::Root(OTHER),
        Who::User(OWNER, "anna"),
        Who::User(OWNER, "bert"),
        Who::User(OTHER, "anna"),
        Who::Session(OWNER),
        Who::Session(OWNER),
        Who::Session(OTHER),
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
        session in prop::option::of(prop::collection::vec(document(false), 1..3)),
        queue in prop::option::of(document(true)),
    ) {
        // Root has no identity policies, nor has anybody who did not sign; only sessions of roles have session policies.
        let identity = if matches!(who, Who::User(..) | Who::Session(_)) { identity } else { Vec::new() };
        let session = session.filter(|_| matches!(who, Who::Session(_)));
        let permission = permission(action);
        let (account, user_name) = match who {
            Who::Nobody => (None, None),
            Who::Root(account) | Who::Session(account) => (Some(account), None),
            Who::User(account, name) => (Some(account), Some(name)),
        };
        let facts = Facts {
            account: account.map(str::to_owned),
            user: user_name.map(str::to_owned),
            session: matches!(who, Who::Session(_)).then(|| ("worker".to_owned(), "s1".to_owned())),
            owner: OWNER.to_owned(),
            action: permission.name.to_owned(),
            shared: permission.shared,
            resource: QUEUE.to_owned(),
            secure,
        };
        let write = |documents: &[Value]| documents.iter().map(Value::to_string).collect::<Vec<_>>();
        let (texts, within) = (write(&identity), write(session.as_deref().unwrap_or_default()));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let within: Vec<&str> = within.iter().map(String::as_str).collect();
        let principal = match who {
            Who::Nobody => anonymous(),
            Who::Root(account) => root(account),
            Who::User(account, name) => user(account, name, &texts),
            Who::Session(account) => role(account, &texts, &within),
        };
        let given = Circumstances { secure, ..circumstances() };
        let compiled = queue.as_ref().map(|queue| Policy::of_queue(&queue.to_string()).expect("a policy"));
        let decision = ask(&principal, permission, compiled.as_ref(), &given);
        let expected = may(&facts, &identity, session.as_deref(), queue.as_ref());
        prop_assert_eq!(decision.allowed, expected, "{:?}", decision);
    }
}
