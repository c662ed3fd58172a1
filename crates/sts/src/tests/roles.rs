//! Who may assume which role, and what a session of it is then.

use stanchion_policy::Kind;

use super::*;

#[test]
fn a_session_of_a_role_is_the_role_with_a_name() {
    let authenticator = authenticator();
    let answer = assume(&authenticator, &key("AKIAANNA"), WORKER, &[]);
    let role_id = element(&answer.1, "AssumedRoleId").expect("an id").to_owned();
    assert!(role_id.starts_with("AROA") && role_id.ends_with(":s1"), "{role_id}");
    assert_eq!(element(&answer.1, "Arn"), Some("arn:aws:sts::111122223333:assumed-role/worker/s1"));
    assert_eq!(element(&answer.1, "Expiration"), Some("2026-11-21T19:47:26Z"));
    assert_eq!(element(&answer.1, "PackedPolicySize"), None);
    let session = credentials(answer);
    assert_eq!((session.id.len(), &session.id[..4], session.secret.len()), (20, "ASIA", 40));

    for service in [Service::Sqs, Service::Sts] {
        let principal = identify(&authenticator, &session, service, NOW).expect("known").principal;
        assert_eq!(principal.kind, Kind::AssumedRole(WORKER.into()));
        assert_eq!(&*principal.arn, "arn:aws:sts::111122223333:assumed-role/worker/s1");
        assert_eq!(*principal.id, *role_id);
        assert_eq!(&*principal.policies[0].0, "receive");
    }
    let (_, xml) = ask(&authenticator, &session, &[("Action", "GetCallerIdentity")]);
    assert_eq!(element(&xml, "Arn"), Some("arn:aws:sts::111122223333:assumed-role/worker/s1"));
    assert_eq!(element(&xml, "UserId"), Some(role_id.as_str()));
}

#[test]
fn a_role_and_the_callers_policies_decide() {
    let authenticator = authenticator();
    let denied = |caller: &str, role: &str, arn: &str| {
        let text = refused(assume(&authenticator, &key(caller), role, &[]), 403, "AccessDenied");
        assert_eq!(text, format!("User: {arn} is not authorized to perform: sts:AssumeRole on resource: {role}"));
    };
    let other = |role: &str| format!("arn:aws:iam::111122223333:role/{role}");
    denied("AKIABERT", WORKER, "arn:aws:iam::111122223333:user/bert");
    denied("AKIAOTHERBERT", WORKER, "arn:aws:iam::444455556666:user/bert");
    denied("AKIAANNA", &other("chained"), "arn:aws:iam::111122223333:user/anna");
    // Whether there is a role is nothing to tell a stranger.
    denied("AKIAANNA", &other("none"), "arn:aws:iam::111122223333:user/anna");
    let session = credentials(assume(&authenticator, &key("AKIAOTHER"), WORKER, &[]));
    let principal = identify(&authenticator, &session, Service::Sqs, NOW).expect("known").principal;
    assert_eq!(principal.account.as_str(), "111122223333", "the role's account, not the caller's");

    let text = refused(assume(&authenticator, &key("AKIAROOT"), WORKER, &[]), 403, "AccessDenied");
    assert_eq!(text, "Roles may not be assumed by root accounts.");
    let external = other("external");
    refused(assume(&authenticator, &key("AKIABERT"), &external, &[]), 403, "AccessDenied");
    refused(assume(&authenticator, &key("AKIABERT"), &external, &[("ExternalId", "54321")]), 403, "AccessDenied");
    credentials(assume(&authenticator, &key("AKIABERT"), &external, &[("ExternalId", "12345")]));
}

#[test]
fn a_session_has_the_tags_of_its_role_and_its_own() {
    let authenticator = authenticator();
    let tags = [
        ("Tags.member.1.Key", "Stage"),
        ("Tags.member.1.Value", "test"),
        ("Tags.member.2.Key", "project"),
        ("Tags.member.2.Value", "x"),
        ("TransitiveTagKeys.member.1", "project"),
        ("SourceIdentity", "carl"),
    ];
    let answer = assume(&authenticator, &key("AKIAANNA"), WORKER, &tags);
    assert_eq!(element(&answer.1, "SourceIdentity"), Some("carl"));
    assert_eq!(element(&answer.1, "PackedPolicySize"), Some("1"));
    let session = credentials(answer);
    let tags_of = |with: &Credentials| {
        let principal = identify(&authenticator, with, Service::Sqs, NOW).expect("known").principal.clone();
        let tags: Vec<_> = principal.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let source_identity = principal.session.as_ref().and_then(|session| session.source_identity.clone());
        (tags.join(" "), source_identity)
    };
    assert_eq!(tags_of(&session), ("team=red Stage=test project=x".into(), Some("carl".into())));
    // What is passed on reaches the next session, and cannot be changed there.
    let chained = "arn:aws:iam::111122223333:role/chained";
    let next = credentials(assume(&authenticator, &session, chained, &[]));
    assert_eq!(tags_of(&next), ("project=x".into(), Some("carl".into())));
    let again = [("Tags.member.1.Key", "PROJECT"), ("Tags.member.1.Value", "y")];
    refused(assume(&authenticator, &session, chained, &again), 400, "InvalidParameterValue");
    refused(assume(&authenticator, &session, chained, &[("SourceIdentity", "dora")]), 403, "AccessDenied");

    let twice = [tags[0], tags[1], ("Tags.member.2.Key", "stage"), ("Tags.member.2.Value", "x")];
    refused(assume(&authenticator, &key("AKIAANNA"), WORKER, &twice), 400, "InvalidParameterValue");
    refused(assume(&authenticator, &key("AKIAANNA"), WORKER, &tags[4..5]), 400, "InvalidParameterValue");
    let external = "arn:aws:iam::111122223333:role/external";
    let more = [("ExternalId", "12345"), tags[0], tags[1]];
    let text = refused(assume(&authenticator, &key("AKIABERT"), external, &more), 403, "AccessDenied");
    assert!(text.contains("not authorized to perform: sts:TagSession on resource"), "{text}");
    let more = [("ExternalId", "12345"), ("SourceIdentity", "carl")];
    let text = refused(assume(&authenticator, &key("AKIABERT"), external, &more), 403, "AccessDenied");
    assert!(text.contains("not authorized to perform: sts:SetSourceIdentity on resource"), "{text}");
}

#[test]
fn a_session_lasts_as_long_as_its_role_allows() {
    let authenticator = authenticator();
    let lasting = |seconds: &'static str| [("DurationSeconds", seconds)];
    let anna = key("AKIAANNA");
    let text = refused(assume(&authenticator, &anna, WORKER, &lasting("3601")), 400, "ValidationError");
    assert_eq!(text, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
    let session = credentials(assume(&authenticator, &anna, WORKER, &lasting("900")));
    let chained = "arn:aws:iam::111122223333:role/chained";
    let text = refused(assume(&authenticator, &session, chained, &lasting("3601")), 400, "ValidationError");
    assert!(text.ends_with("exceeds the 1 hour session limit for roles assumed by role chaining."), "{text}");

    identify(&authenticator, &session, Service::Sqs, NOW + 899).expect("not over yet");
    for service in [Service::Sqs, Service::Sts] {
        let refusal = identify(&authenticator, &session, service, NOW + 900).expect_err("over");
        assert_eq!(refusal, Refusal::SessionExpired);
        assert_eq!(refusal.to_string(), "The security token included in the request is expired");
    }
    assert!(identify(&authenticator, &session, Service::Sqs, NOW).is_ok(), "the clock decides, not who asked before");
}

#[test]
fn a_session_must_keep_within_its_policies() {
    let authenticator = authenticator();
    let anna = key("AKIAANNA");
    let inline = r#"{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}"#;
    let named = ("PolicyArns.member.1.arn", "arn:aws:iam::111122223333:policy/receive");
    let answer = assume(&authenticator, &anna, WORKER, &[("Policy", inline), named]);
    assert_eq!(element(&answer.1, "PackedPolicySize"), Some("5"));
    let principal = identify(&authenticator, &credentials(answer), Service::Sqs, NOW).expect("known").principal;
    let names: Vec<_> =
        principal.session.iter().flat_map(|session| &session.policies).map(|(name, _)| &**name).collect();
    assert_eq!(names, ["receive", "of the session"]);

    refused(assume(&authenticator, &anna, WORKER, &[("Policy", "{}")]), 400, "MalformedPolicyDocument");
    let of_length = |bytes: usize| format!("{inline}{}", " ".repeat(bytes - inline.len()));
    credentials(assume(&authenticator, &anna, WORKER, &[("Policy", &of_length(2048))]));
    let text =
        refused(assume(&authenticator, &anna, WORKER, &[("Policy", &of_length(2049))]), 400, "PackedPolicyTooLarge");
    assert_eq!(text, "Packed policy consumes 101% of allotted space, please use smaller policy.");
    for arn in ["arn:aws:iam::111122223333:policy/none", "arn:aws:iam::444455556666:policy/receive"] {
        let more = [("PolicyArns.member.1.arn", arn)];
        refused(assume(&authenticator, &anna, WORKER, &more), 400, "MalformedPolicyDocument");
    }
}
