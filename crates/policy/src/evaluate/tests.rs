//! Decisions as tables: the rules of IAM, on documents like those that AWS publishes; then random documents against an
//! evaluator that shares nothing with the real one.

mod naive;
mod random;
mod sessions;

use std::sync::Arc;

use stanchion_types::request::Action;
use stanchion_types::{AccountId, Region};

use super::*;
use crate::request::{Assuming, Circumstances, Principal, Session};
use crate::{Permission, permission};

const OWNER: &str = "111122223333";
const OTHER: &str = "444455556666";
const QUEUE: &str = "arn:aws:sqs:us-east-1:111122223333:orders";

fn root(account: &str) -> Principal {
    Principal { arn: format!("arn:aws:iam::{account}:root").into(), kind: Kind::Root, ..user(account, "", &[]) }
}

fn user(account: &str, name: &str, policies: &[&str]) -> Principal {
    let compile = |(text, number): (&&str, usize)| {
        (Arc::from(format!("p{number}")), Arc::new(Policy::of_identity(text).expect("an identity policy")))
    };
    Principal {
        account: AccountId::new(account).expect("an account"),
        kind: Kind::User(name.into()),
        arn: format!("arn:aws:iam::{account}:user/{name}").into(),
        id: format!("AIDA{name}").into(),
        tags: vec![("team".into(), "red".into())],
        policies: policies.iter().zip(1..).map(compile).collect(),
        session: None,
    }
}

/// Returns the session `s1` of the role `worker`, which must keep within the session policies.
fn role(account: &str, policies: &[&str], session: &[&str]) -> Principal {
    let compile = |text: &&str| (Arc::from("inline"), Arc::new(Policy::of_identity(text).expect("a session policy")));
    let within = session.iter().map(compile).collect();
    Principal {
        kind: Kind::AssumedRole(format!("arn:aws:iam::{account}:role/worker").into()),
        arn: format!("arn:aws:sts::{account}:assumed-role/worker/s1").into(),
        id: "AROAWORKER:s1".into(),
        session: Some(Session {
            issued: 1_795_286_000,
            source_identity: Some("carl".into()),
            policies: within,
            passed_on: Vec::new(),
        }),
        ..user(account, "", policies)
    }
}

fn anonymous() -> Principal {
    Principal::anonymous(AccountId::new(OWNER).expect("an account"))
}

fn circumstances() -> Circumstances {
    Circumstances {
        source: Some("203.0.113.7".parse().expect("an address")),
        secure: false,
        now: 1_795_286_846,
        user_agent: Some(http::HeaderValue::from_static("tests/1")),
        referer: None,
    }
}

fn ask(principal: &Principal, permission: Permission, queue: Option<&Policy>, given: &Circumstances) -> Decision {
    let region = Region::new("us-east-1").expect("a region");
    let tags = || vec![("stage".to_owned(), "test".to_owned())];
    let question = Question {
        principal,
        permission,
        resource: QUEUE,
        owner: AccountId::new(OWNER).expect("an account"),
        region: &region,
        circumstances: given,
        request_tags: &[],
        resource_tags: &tags,
        assuming: None,
    };
    decide(&question, queue)
}

/// Asks whether a principal may send, under the policy of the queue.
#[track_caller]
fn check(principal: &Principal, queue: Option<&str>, expected: Reason) {
    let queue = queue.map(|text| Policy::of_queue(text).expect("a policy"));
    let decision = ask(principal, permission(Action::SendMessage), queue.as_ref(), &circumstances());
    assert_eq!(decision.reason, expected, "{decision:?}");
}

/// Returns the policy of a queue with one statement that allows sending to whom the text says.
fn queue_policy(effect: &str, principal: &str, more: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"s","Effect":"{effect}",{principal},"Action":"sqs:SendMessage","Resource":"{QUEUE}"{more}}}]}}"#
    )
}

const MAY_SEND: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:Send*","Resource":"arn:aws:sqs:*:111122223333:ord*"}}"#;
const MUST_NOT: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sqs:*","Resource":"*"}}"#;

#[test]
fn nothing_is_allowed_unless_something_allows_it() {
    check(&user(OWNER, "anna", &[]), None, Reason::NoIdentityAllow);
    check(&user(OTHER, "anna", &[]), None, Reason::NoResourceAllow);
    check(&anonymous(), None, Reason::NoResourceAllow);
    check(&root(OWNER), None, Reason::Owner);
    check(&root(OTHER), None, Reason::NoResourceAllow);
}

#[test]
fn within_an_account_one_allow_is_enough() {
    check(&user(OWNER, "anna", &[MAY_SEND]), None, Reason::IdentityAllows);
    let anna = r#""Principal":{"AWS":"arn:aws:iam::111122223333:user/anna"}"#;
    check(&user(OWNER, "anna", &[]), Some(&queue_policy("Allow", anna, "")), Reason::ResourceAllows);
    check(&user(OWNER, "bert", &[]), Some(&queue_policy("Allow", anna, "")), Reason::NoIdentityAllow);
    let account = r#""Principal":{"AWS":"111122223333"}"#;
    check(&user(OWNER, "anna", &[]), Some(&queue_policy("Allow", account, "")), Reason::NoIdentityAllow);
}

#[test]
fn across_accounts_both_sides_must_allow() {
    for principal in [
        r#""Principal":{"AWS":"444455556666"}"#,
        r#""Principal":{"AWS":["arn:aws:iam::444455556666:root"]}"#,
        r#""Principal":{"AWS":"arn:aws:iam::444455556666:user/anna"}"#,
        r#""Principal":"*""#,
        r#""Principal":{"AWS":"*"}"#,
    ] {
        let policy = queue_policy("Allow", principal, "");
        check(&user(OTHER, "anna", &[MAY_SEND]), Some(&policy), Reason::BothAllow);
        check(&user(OTHER, "anna", &[]), Some(&policy), Reason::NoIdentityAllow);
    }
    check(&user(OTHER, "anna", &[MAY_SEND]), None, Reason::NoResourceAllow);
    let account = r#""Principal":{"AWS":"444455556666"}"#;
    check(&root(OTHER), Some(&queue_policy("Allow", account, "")), Reason::BothAllow);
}

#[test]
fn a_deny_wins_wherever_it_stands() {
    let everyone = r#""Principal":"*""#;
    let (allow, deny) = (queue_policy("Allow", everyone, ""), queue_policy("Deny", everyone, ""));
    check(&user(OWNER, "anna", &[MAY_SEND, MUST_NOT]), Some(&allow), Reason::IdentityDenies);
    check(&user(OWNER, "anna", &[MAY_SEND]), Some(&deny), Reason::ResourceDenies);
    check(&root(OWNER), Some(&deny), Reason::ResourceDenies);
    check(&anonymous(), Some(&deny), Reason::ResourceDenies);
}

#[test]
fn a_stranger_who_did_not_sign_needs_a_policy_for_everybody() {
    check(&anonymous(), Some(&queue_policy("Allow", r#""Principal":"*""#, "")), Reason::ResourceAllows);
    let own = r#""Principal":{"AWS":"111122223333"}"#;
    check(&anonymous(), Some(&queue_policy("Allow", own, "")), Reason::NoResourceAllow);
    let service = r#""Principal":{"Service":"sns.amazonaws.com"}"#;
    check(&anonymous(), Some(&queue_policy("Allow", service, "")), Reason::NoResourceAllow);
}

#[test]
fn what_is_the_owners_alone_cannot_be_given_away() {
    let all = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"SQS:*"}}"#;
    let all = Policy::of_queue(all).expect("a policy");
    let everything = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let stranger = user(OTHER, "anna", &[everything]);
    for action in Action::ALL {
        let permission = permission(*action);
        let shared = [
            "changemessagevisibility",
            "deletemessage",
            "getqueueattributes",
            "getqueueurl",
            "listdeadlettersourcequeues",
            "purgequeue",
            "receivemessage",
            "sendmessage",
        ];
        let expected = shared.iter().any(|name| permission.name == format!("sqs:{name}"));
        assert_eq!(ask(&stranger, permission, Some(&all), &circumstances()).allowed, expected, "{action:?}");
        assert!(ask(&root(OWNER), permission, Some(&all), &circumstances()).allowed, "{action:?}");
    }
}

#[test]
fn what_not_principal_names_is_left_out() {
    let not_anna = r#""NotPrincipal":{"AWS":["arn:aws:iam::111122223333:user/anna","111122223333"]}"#;
    let deny = queue_policy("Deny", not_anna, "");
    check(&user(OWNER, "anna", &[MAY_SEND]), Some(&deny), Reason::IdentityAllows);
    check(&user(OWNER, "bert", &[MAY_SEND]), Some(&deny), Reason::ResourceDenies);
    check(&root(OWNER), Some(&deny), Reason::Owner);
    let allow = queue_policy("Allow", r#""NotPrincipal":{"AWS":"444455556666"}"#, "");
    check(&user(OTHER, "anna", &[MAY_SEND]), Some(&allow), Reason::NoResourceAllow);
    check(&user(OWNER, "anna", &[]), Some(&allow), Reason::ResourceAllows);
}

#[test]
fn not_action_and_not_resource_mean_everything_else() {
    let all_but = |what: &str| format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow",{what}}}}}"#);
    for (what, expected) in [
        (r#""NotAction":"sqs:DeleteQueue","Resource":"*""#, Reason::IdentityAllows),
        (r#""NotAction":["sqs:SENDMESSAGE"],"Resource":"*""#, Reason::NoIdentityAllow),
        (r#""Action":"*","NotResource":"arn:aws:sqs:*:*:other""#, Reason::IdentityAllows),
        (r#""Action":"*","NotResource":"arn:aws:sqs:*:*:orders""#, Reason::NoIdentityAllow),
        (r#""Action":"*","NotResource":"${aws:referer}""#, Reason::NoIdentityAllow),
        (r#""Action":"sqs:SendMessageBatch","Resource":"*""#, Reason::NoIdentityAllow),
        (r#""Action":"SQS:sendmessage","Resource":"*""#, Reason::IdentityAllows),
        (r#""Action":"sqs:*","Resource":"arn:aws:sqs:us-east-1:111122223333:ORDERS""#, Reason::NoIdentityAllow),
    ] {
        check(&user(OWNER, "anna", &[&all_but(what)]), None, expected);
    }
}

#[test]
fn conditions_are_met_or_not() {
    for (condition, expected) in [
        // A queue that only answers calls from some network, or not over plain HTTP.
        (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":["198.51.100.0/24","203.0.113.7"]}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}"#, false),
        (r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":"::/0"}}"#, false),
        (r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, false),
        (r#"{"Bool":{"aws:SecureTransport":"false"}}"#, true),
        (r#"{"Bool":{"aws:SecureTransport":true}}"#, false),
        // A window of time; the clock of the tests stands at 2026-11-21T18:47:26Z.
        (
            r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-11-21T18:00:00Z"},"DateLessThan":{"aws:CurrentTime":"2026-11-21T19:00:00Z"}}"#,
            true,
        ),
        (r#"{"DateLessThan":{"aws:CurrentTime":"2026-11-21T18:00:00Z"}}"#, false),
        (r#"{"NumericGreaterThanEquals":{"aws:EpochTime":1795286846}}"#, true),
        (r#"{"NumericLessThan":{"aws:EpochTime":"1795286846"}}"#, false),
        (r#"{"DateEquals":{"aws:EpochTime":"2026-11-21T18:47:26Z"}}"#, true),
        // Texts, with variables and wildcards.
        (r#"{"StringEquals":{"aws:username":"anna"}}"#, true),
        (r#"{"StringEquals":{"aws:UserName":["bert","anna"]}}"#, true),
        (r#"{"StringNotEquals":{"aws:username":["bert","anna"]}}"#, false),
        (r#"{"StringEquals":{"aws:username":"a*"}}"#, false),
        (r#"{"StringLike":{"aws:username":"a*"}}"#, true),
        (r#"{"StringNotLike":{"aws:username":"a*"}}"#, false),
        (r#"{"StringEqualsIgnoreCase":{"aws:username":"ANNA"}}"#, true),
        (r#"{"StringNotEqualsIgnoreCase":{"aws:username":"ANNA"}}"#, false),
        (r#"{"StringEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/${aws:username}"}}"#, true),
        (r#"{"StringEquals":{"aws:PrincipalTag/Team":"red"}}"#, true),
        (r#"{"StringEquals":{"aws:ResourceTag/stage":"test"}}"#, true),
        (r#"{"StringEquals":{"aws:ResourceTag/stage":"live"}}"#, false),
        (r#"{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}"#, true),
        (r#"{"StringNotEquals":{"aws:username":"${aws:referer}"}}"#, false),
        (r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/*"}}"#, true),
        (r#"{"ArnLike":{"aws:PrincipalArn":"arn:*:user/*"}}"#, false),
        (r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::1111?2223333:user/anna"}}"#, true),
        (r#"{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/anna"}}"#, false),
        // Keys that the request does not have.
        (r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-east-1:111122223333:topic"}}"#, false),
        (r#"{"StringNotEquals":{"aws:SourceAccount":"111122223333"}}"#, true),
        (r#"{"StringEqualsIfExists":{"aws:Referer":"x"}}"#, true),
        (r#"{"StringEqualsIfExists":{"aws:username":"bert"}}"#, false),
        (r#"{"Null":{"aws:Referer":"true"}}"#, true),
        (r#"{"Null":{"aws:username":"true"}}"#, false),
        (r#"{"Null":{"aws:username":false}}"#, true),
        (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a"]}}"#, true),
        (r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["a"]}}"#, false),
        // All of several.
        (r#"{"StringEquals":{"aws:username":"anna","aws:Referer":"x"}}"#, false),
    ] {
        let statement = format!(r#""Action":"*","Resource":"*","Condition":{condition}"#);
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow",{statement}}}}}"#);
        let decision = ask(&user(OWNER, "anna", &[&policy]), permission(Action::SendMessage), None, &circumstances());
        assert_eq!(decision.allowed, expected, "{condition}");
    }
}

#[test]
fn a_header_of_unreasonable_length_counts_as_absent() {
    let condition = r#""Condition":{"StringLike":{"aws:UserAgent":"a*"}}"#;
    let policy = format!(r#"{{"Statement":{{"Effect":"Allow","Action":"*","Resource":"*",{condition}}}}}"#);
    for (length, allowed) in [(2048, true), (2049, false)] {
        let user_agent = Some("a".repeat(length).parse().expect("a value"));
        let given = Circumstances { user_agent, ..circumstances() };
        let decision = ask(&user(OWNER, "anna", &[&policy]), permission(Action::SendMessage), None, &given);
        assert_eq!(decision.allowed, allowed, "{length} bytes");
    }
}

#[test]
fn variables_need_the_version_that_knows_them() {
    for (version, expected) in [("2012-10-17", true), ("2008-10-17", false)] {
        let policy = format!(
            r#"{{"Version":"{version}","Statement":{{"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*:*:${{aws:username}}"}}}}"#
        );
        let decision = ask(&user(OWNER, "orders", &[&policy]), permission(Action::SendMessage), None, &circumstances());
        assert_eq!(decision.allowed, expected, "{version}");
    }
}

#[test]
fn an_ip_4_address_on_an_ip_6_socket_is_an_ip_4_address() {
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}}"#;
    let given = Circumstances { source: "::ffff:203.0.113.9".parse().ok(), ..circumstances() };
    assert!(ask(&user(OWNER, "anna", &[policy]), permission(Action::SendMessage), None, &given).allowed);
}

#[test]
fn a_denial_has_the_services_words_and_names_its_statement() {
    let anna = user(OWNER, "anna", &[MAY_SEND]);
    let deny = Policy::of_queue(&queue_policy("Deny", r#""Principal":"*""#, "")).expect("a policy");
    let decision = ask(&anna, permission(Action::SendMessageBatch), Some(&deny), &circumstances());
    assert_eq!(
        decision.statement.as_ref().map(ToString::to_string).as_deref(),
        Some("statement \"s\" of the queue's policy")
    );
    let region = Region::new("us-east-1").expect("a region");
    let given = circumstances();
    let question = Question {
        principal: &anna,
        permission: permission(Action::SendMessageBatch),
        resource: QUEUE,
        owner: AccountId::new(OWNER).expect("an account"),
        region: &region,
        circumstances: &given,
        request_tags: &[],
        resource_tags: &Vec::new,
        assuming: None,
    };
    let start = "User: arn:aws:iam::111122223333:user/anna is not authorized to perform: sqs:sendmessage on resource: \
                 arn:aws:sqs:us-east-1:111122223333:orders ";
    for (reason, end) in [
        (Reason::ResourceDenies, "with an explicit deny in a resource-based policy"),
        (Reason::IdentityDenies, "with an explicit deny in an identity-based policy"),
        (Reason::NoResourceAllow, "because no resource-based policy allows the sqs:sendmessage action"),
        (Reason::NoIdentityAllow, "because no identity-based policy allows the sqs:sendmessage action"),
        (Reason::SessionDenies, "with an explicit deny in a session policy"),
        (Reason::NoSessionAllow, "because no session policy allows the sqs:sendmessage action"),
    ] {
        let decision = Decision::because(reason, None);
        assert!(!decision.allowed);
        assert_eq!(decision.denial(&question), format!("{start}{end}"));
    }
}

#[test]
fn what_is_no_policy_says_what_is_wrong() {
    for (text, expected) in [
        ("[]", "a policy is a JSON object"),
        (r#"{"Statement":[]}"#, "Statement must be an object or a list of objects"),
        (r#"{"Version":"2020-01-01","Statement":{}}"#, "Version must be 2012-10-17 or 2008-10-17"),
        (r#"{"Statements":{}}"#, "a policy has no member Statements"),
        (r#"{"Statement":{"Effect":"allow"}}"#, "statement 1: Effect must be Allow or Deny"),
        (r#"{"Statement":{"Sid":"a","Effect":"Allow"}}"#, "statement \"a\": Action is missing"),
        (r#"{"Statement":{"Effect":"Allow","Action":"*"}}"#, "statement 1: Resource is missing"),
        (
            r#"{"Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}"#,
            "statement 1: Action and NotAction exclude each other",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}"#,
            "statement 1: an identity policy has no Principal",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringIs":{"a":"b"}}}}"#,
            "statement 1: there is no condition operator StringIs",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}}}"#,
            "statement 1: a value of aws:SourceIp under IpAddress is no address",
        ),
    ] {
        assert_eq!(Policy::of_identity(text).expect_err(text).to_string(), expected);
    }
    let misspelled = queue_policy("Deny", r#""Principal":{"aws":"*"}"#, "");
    let fault = Policy::of_queue(&misspelled).expect_err("a kind that is none");
    assert_eq!(fault.to_string(), "statement \"s\": there is no kind of principal aws");
}

/// Read as usual, only the last of the two would be left, and the caller could come from anywhere.
#[test]
fn a_policy_in_which_a_condition_would_silently_be_dropped_is_refused() {
    let text = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{
        "StringEquals":{"aws:SourceIp":"10.0.0.1"},"StringEquals":{"aws:username":"anna"}}}}"#;
    let fault = Policy::of_identity(text).expect_err("a member that is there twice").to_string();
    assert!(fault.contains("the member StringEquals is there twice"), "{fault}");
}
