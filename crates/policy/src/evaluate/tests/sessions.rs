//! Sessions of roles and users: whom policies mean by them, and what limits them.

use super::*;

const ROLE: &str = r#""Principal":{"AWS":"arn:aws:iam::111122223333:role/worker"}"#;
const SESSION: &str = r#""Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/s1"}"#;
const ANOTHER: &str = r#""Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/s2"}"#;
const ACCOUNT: &str = r#""Principal":{"AWS":"111122223333"}"#;
const EVERYONE: &str = r#""Principal":"*""#;
const MAY_RECEIVE: &str = r#"{"Statement":{"Effect":"Allow","Action":"sqs:ReceiveMessage","Resource":"*"}}"#;

fn allow(principal: &str) -> String {
    queue_policy("Allow", principal, "")
}

#[test]
fn a_queue_can_name_a_session_by_its_role_or_by_itself() {
    let session = role(OWNER, &[], &[]);
    check(&session, Some(&allow(ROLE)), Reason::ResourceAllows);
    check(&session, Some(&allow(SESSION)), Reason::ResourceAllows);
    check(&session, Some(&allow(EVERYONE)), Reason::ResourceAllows);
    check(&session, Some(&allow(ANOTHER)), Reason::NoIdentityAllow);
    check(&session, Some(&allow(ACCOUNT)), Reason::NoIdentityAllow);
    check(&role(OWNER, &[MAY_SEND], &[]), None, Reason::IdentityAllows);
    check(&session, None, Reason::NoIdentityAllow);
    for named in [ROLE, SESSION, ACCOUNT] {
        check(&role(OWNER, &[MAY_SEND], &[]), Some(&queue_policy("Deny", named, "")), Reason::ResourceDenies);
    }
}

#[test]
fn a_session_policy_limits_what_the_role_has_and_what_a_queue_gives_to_the_role() {
    check(&role(OWNER, &[MAY_SEND], &[MAY_SEND]), None, Reason::IdentityAllows);
    check(&role(OWNER, &[MAY_SEND], &[MAY_RECEIVE]), None, Reason::NoSessionAllow);
    check(&role(OWNER, &[], &[MAY_SEND]), None, Reason::NoIdentityAllow);
    check(&role(OWNER, &[], &[MAY_RECEIVE]), Some(&allow(ROLE)), Reason::NoSessionAllow);
    check(&role(OWNER, &[], &[MAY_SEND]), Some(&allow(ROLE)), Reason::ResourceAllows);
    check(&role(OWNER, &[], &[MAY_RECEIVE]), Some(&allow(EVERYONE)), Reason::NoSessionAllow);
    check(&role(OWNER, &[MAY_SEND], &[MAY_RECEIVE]), Some(&allow(ACCOUNT)), Reason::NoSessionAllow);
    check(&role(OWNER, &[MAY_SEND], &[MAY_RECEIVE, MAY_SEND]), None, Reason::IdentityAllows);
}

#[test]
fn what_a_queue_gives_to_the_session_itself_no_session_policy_limits() {
    check(&role(OWNER, &[], &[MAY_RECEIVE]), Some(&allow(SESSION)), Reason::ResourceAllows);
    check(&role(OWNER, &[], &[MUST_NOT]), Some(&allow(SESSION)), Reason::SessionDenies);
}

#[test]
fn across_accounts_the_callers_side_must_allow_within_the_session_policy() {
    let role_of_other = r#""Principal":{"AWS":"arn:aws:iam::444455556666:role/worker"}"#;
    let session_of_other = r#""Principal":{"AWS":"arn:aws:sts::444455556666:assumed-role/worker/s1"}"#;
    for named in [role_of_other, session_of_other, r#""Principal":{"AWS":"444455556666"}"#, EVERYONE] {
        let policy = allow(named);
        check(&role(OTHER, &[MAY_SEND], &[]), Some(&policy), Reason::BothAllow);
        check(&role(OTHER, &[MAY_SEND], &[MAY_SEND]), Some(&policy), Reason::BothAllow);
        check(&role(OTHER, &[MAY_SEND], &[MAY_RECEIVE]), Some(&policy), Reason::NoSessionAllow);
        check(&role(OTHER, &[], &[]), Some(&policy), Reason::NoIdentityAllow);
    }
}

#[test]
fn not_principal_spares_a_session_only_by_its_own_arn() {
    let deny = |listed: &str| queue_policy("Deny", &format!(r#""NotPrincipal":{{"AWS":[{listed}]}}"#), "");
    let (role_arn, session_arn) =
        (r#""arn:aws:iam::111122223333:role/worker""#, r#""arn:aws:sts::111122223333:assumed-role/worker/s1""#);
    let session = role(OWNER, &[MAY_SEND], &[]);
    check(&session, Some(&deny(&format!(r#"{role_arn},{session_arn},"111122223333""#))), Reason::IdentityAllows);
    check(&session, Some(&deny(&format!(r#"{role_arn},"111122223333""#))), Reason::ResourceDenies);
}

#[test]
fn temporary_credentials_of_a_user_may_what_the_user_may() {
    let session = Session { issued: 1_795_286_000, source_identity: None, policies: Vec::new(), passed_on: Vec::new() };
    let anna = Principal { session: Some(session.clone()), ..user(OWNER, "anna", &[MAY_SEND]) };
    check(&anna, None, Reason::IdentityAllows);
    let named = r#""Principal":{"AWS":"arn:aws:iam::111122223333:user/anna"}"#;
    check(&anna, Some(&queue_policy("Deny", named, "")), Reason::ResourceDenies);
    check(&Principal { session: Some(session), ..root(OWNER) }, None, Reason::Owner);
}

#[test]
fn conditions_know_a_session() {
    let condition = |condition: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}}}"#
        )
    };
    for (text, expected) in [
        (r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/worker"}}"#, true),
        (r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:sts::*:assumed-role/*"}}"#, false),
        (r#"{"StringEquals":{"aws:PrincipalType":"AssumedRole"}}"#, true),
        (r#"{"StringLike":{"aws:userid":"AROAWORKER:*"}}"#, true),
        (r#"{"Null":{"aws:username":"true"}}"#, true),
        (r#"{"StringEquals":{"aws:PrincipalTag/team":"red"}}"#, true),
        (r#"{"StringEquals":{"aws:SourceIdentity":"carl"}}"#, true),
        // Sessions that began before something came to light: their holders have to ask again.
        (r#"{"DateLessThan":{"aws:TokenIssueTime":"2026-11-21T18:30:00Z"}}"#, false),
        (r#"{"DateLessThan":{"aws:TokenIssueTime":"2026-11-21T18:40:00Z"}}"#, true),
        (r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#, true),
    ] {
        let session = role(OWNER, &[&condition(text)], &[]);
        check(&session, None, if expected { Reason::IdentityAllows } else { Reason::NoIdentityAllow });
    }
    for text in [r#"{"Null":{"aws:TokenIssueTime":"true"}}"#, r#"{"Null":{"aws:MultiFactorAuthPresent":"true"}}"#] {
        check(&user(OWNER, "anna", &[&condition(text)]), None, Reason::IdentityAllows);
    }
}

/// Asks whether a principal may have a session of a role of `OWNER`.
#[track_caller]
fn check_trust(principal: &Principal, trust: &str, expected: Reason) {
    let trust = Policy::of_trust(trust).expect("a trust policy");
    let region = Region::new("us-east-1").expect("a region");
    let question = Question {
        principal,
        permission: Permission { name: "sts:assumerole", shared: true },
        resource: "arn:aws:iam::111122223333:role/worker",
        owner: AccountId::new(OWNER).expect("an account"),
        region: &region,
        circumstances: &circumstances(),
        request_tags: &[("project".to_owned(), "x".to_owned())],
        resource_tags: &Vec::new,
        assuming: Some(Assuming { session_name: "s1", external_id: Some("12345"), source_identity: None }),
    };
    let decision = decide_trust(&question, &trust);
    assert_eq!(decision.reason, expected, "{decision:?}");
}

fn trust(effect: &str, principal: &str, more: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}",{principal},"Action":"sts:AssumeRole"{more}}}}}"#
    )
}

const MAY_ASSUME: &str =
    r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:role/worker"}}"#;
const MUST_NOT_ASSUME: &str = r#"{"Statement":{"Effect":"Deny","Action":"sts:*","Resource":"*"}}"#;

#[test]
fn a_role_must_trust_whoever_assumes_it() {
    let anna = r#""Principal":{"AWS":"arn:aws:iam::111122223333:user/anna"}"#;
    // One that the role names itself needs nothing else within the account.
    check_trust(&user(OWNER, "anna", &[]), &trust("Allow", anna, ""), Reason::ResourceAllows);
    check_trust(&user(OWNER, "anna", &[MUST_NOT_ASSUME]), &trust("Allow", anna, ""), Reason::IdentityDenies);
    check_trust(&user(OWNER, "bert", &[MAY_ASSUME]), &trust("Allow", anna, ""), Reason::NoTrust);
    // One of an account that the role names needs his own account's word.
    check_trust(&user(OWNER, "bert", &[MAY_ASSUME]), &trust("Allow", ACCOUNT, ""), Reason::IdentityAllows);
    check_trust(&user(OWNER, "bert", &[]), &trust("Allow", ACCOUNT, ""), Reason::NoIdentityAllow);
    check_trust(&user(OWNER, "bert", &[MAY_ASSUME]), &trust("Deny", ACCOUNT, ""), Reason::ResourceDenies);
}

#[test]
fn across_accounts_a_role_and_the_callers_account_must_agree() {
    let other = r#""Principal":{"AWS":"arn:aws:iam::444455556666:root"}"#;
    let anna = r#""Principal":{"AWS":"arn:aws:iam::444455556666:user/anna"}"#;
    for named in [other, anna] {
        check_trust(&user(OTHER, "anna", &[MAY_ASSUME]), &trust("Allow", named, ""), Reason::BothAllow);
        check_trust(&user(OTHER, "anna", &[]), &trust("Allow", named, ""), Reason::NoIdentityAllow);
        check_trust(&role(OWNER, &[MAY_ASSUME], &[]), &trust("Allow", named, ""), Reason::NoTrust);
    }
    check_trust(&role(OTHER, &[MAY_ASSUME], &[MAY_SEND]), &trust("Allow", other, ""), Reason::NoSessionAllow);
}

#[test]
fn a_role_can_ask_for_an_external_id_a_name_and_tags() {
    for (condition, expected) in [
        (r#"{"StringEquals":{"sts:ExternalId":"12345"}}"#, Reason::ResourceAllows),
        (r#"{"StringEquals":{"sts:ExternalId":"54321"}}"#, Reason::NoTrust),
        (r#"{"StringLike":{"sts:RoleSessionName":"s?"}}"#, Reason::ResourceAllows),
        (r#"{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}"#, Reason::NoTrust),
        (r#"{"StringEquals":{"aws:RequestTag/project":"x"}}"#, Reason::ResourceAllows),
        (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["project"]}}"#, Reason::ResourceAllows),
        (r#"{"Null":{"sts:SourceIdentity":"false"}}"#, Reason::NoTrust),
    ] {
        let anna = r#""Principal":{"AWS":"arn:aws:iam::111122223333:user/anna"}"#;
        let policy = trust("Allow", anna, &format!(r#","Condition":{condition}"#));
        check_trust(&user(OWNER, "anna", &[]), &policy, expected);
    }
}

#[test]
fn a_trust_policy_says_who_and_never_which_resource() {
    let with_resource = trust("Allow", EVERYONE, r#","Resource":"*""#);
    let fault = Policy::of_trust(&with_resource).expect_err("refused").to_string();
    assert_eq!(fault, "statement 1: a trust policy has no Resource");
    let fault = Policy::of_trust(MAY_ASSUME).expect_err("refused").to_string();
    assert_eq!(fault, "statement 1: Principal is missing");
}
