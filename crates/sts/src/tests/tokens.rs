//! Session tokens: whose they are, and when they are worth nothing.

use stanchion_policy::Kind;

use super::*;

const GET: &[(&str, &str)] = &[("Action", "GetSessionToken")];

#[test]
fn a_user_gets_credentials_that_may_what_he_may() {
    let authenticator = authenticator();
    let answer = ask(&authenticator, &key("AKIAANNA"), GET);
    assert_eq!(element(&answer.1, "Expiration"), Some("2026-11-22T06:47:26Z"));
    let session = credentials(answer);
    let principal = identify(&authenticator, &session, Service::Sqs, NOW).expect("known").principal;
    assert_eq!(principal.kind, Kind::User("anna".into()));
    assert_eq!(&*principal.arn, "arn:aws:iam::111122223333:user/anna");
    assert_eq!(&*principal.policies[0].0, "assume");
    assert_eq!(principal.session.as_ref().map(|session| session.issued), Some(NOW));
    // With them a role can be assumed, and nothing else be asked for.
    credentials(assume(&authenticator, &session, WORKER, &[]));
    let text = refused(ask(&authenticator, &session, GET), 403, "AccessDenied");
    assert_eq!(text, "Cannot call GetSessionToken with session credentials");
}

#[test]
fn an_account_gets_them_for_an_hour_at_most() {
    let authenticator = authenticator();
    for seconds in ["3600", "129600"] {
        let answer = ask(&authenticator, &key("AKIAROOT"), &[GET[0], ("DurationSeconds", seconds)]);
        assert_eq!(element(&answer.1, "Expiration"), Some("2026-11-21T19:47:26Z"), "{seconds}");
        let session = credentials(answer);
        let principal = identify(&authenticator, &session, Service::Sqs, NOW).expect("known").principal;
        assert_eq!(principal.kind, Kind::Root);
    }
}

#[test]
fn a_token_goes_with_its_own_key_and_no_other() {
    let authenticator = authenticator();
    let session = credentials(ask(&authenticator, &key("AKIAANNA"), GET));
    // Once it is kept, a request without the token, or with another one, must not find it.
    identify(&authenticator, &session, Service::Sqs, NOW).expect("known");
    let other = |token: Option<String>| Credentials { token, ..session.clone() };
    let mut changed = session.token.clone().expect("a token");
    changed.replace_range(60..61, if &changed[60..61] == "A" { "B" } else { "A" });
    for with in [
        other(None),
        other(Some(changed)),
        other(Some("token".into())),
        other(Some(String::new())),
        Credentials { token: session.token.clone(), ..key("AKIAANNA") },
        Credentials { id: "ASIAAAAAAAAAAAAAAAAA".into(), ..session.clone() },
    ] {
        let refusal = identify(&authenticator, &with, Service::Sqs, NOW).expect_err("no such credentials");
        assert_eq!(refusal, Refusal::UnknownKey, "{with:?}");
    }
    let wrong = Credentials { secret: "x".repeat(40), ..session.clone() };
    assert_eq!(identify(&authenticator, &wrong, Service::Sqs, NOW).expect_err("wrong"), Refusal::Mismatch);
    // Whether a session is over is told only to whoever holds its secret.
    assert_eq!(identify(&authenticator, &wrong, Service::Sqs, NOW + 50_000).expect_err("wrong"), Refusal::Mismatch);
}

#[test]
fn a_session_outlives_its_key_and_a_restart_but_not_its_user_or_role() {
    let (authenticator, anna) = (authenticator(), key("AKIAANNA"));
    let of_user = credentials(ask(&authenticator, &anna, GET));
    let named = [("PolicyArns.member.1.arn", "arn:aws:iam::111122223333:policy/assume")];
    let of_role = credentials(assume(&authenticator, &anna, WORKER, &named));
    let known = |with: &Credentials| identify(&authenticator, with, Service::Sqs, NOW).map(|found| found.principal);
    known(&of_user).expect("known");
    known(&of_role).expect("known");

    authenticator.replace(directory(&FILE.replace("\"AKIAANNA\"", "\"AKIANEW\"")));
    assert!(known(&anna).is_err());
    known(&of_user).expect("as on the service, a key that is gone ends no session");

    // What a role may is asked anew with every request.
    authenticator.replace(directory(&FILE.replace("policies = [\"receive\"]", "policies = []")));
    assert!(known(&of_role).expect("known").policies.is_empty());

    for gone in [
        FILE.replace("name = \"anna\"", "name = \"alma\""),
        FILE.replace("name = \"worker\"", "name = \"walker\""),
        FILE.replace("assume = ", "presume = ").replace("policies = [\"assume\"]", ""),
    ] {
        authenticator.replace(directory(&gone));
        let refused = [&of_user, &of_role].map(|with| known(with).err());
        assert!(refused.contains(&Some(Refusal::UnknownKey)), "{refused:?}");
    }
    let fresh = super::authenticator();
    identify(&fresh, &of_user, Service::Sqs, NOW).expect("the same key after a restart");
    let key = SessionKey::new(Zeroizing::new([8; SessionKey::BYTES]));
    let other = super::authenticator().with_sessions(key);
    assert_eq!(identify(&other, &of_user, Service::Sqs, NOW).expect_err("another key"), Refusal::UnknownKey);
}

#[test]
fn a_server_that_asks_nobody_who_he_is_has_no_sessions() {
    let root = Principal::root(AccountId::DEFAULT);
    refused(ask_as(None, &root, GET), 403, "AccessDenied");
    let form = [("Action", "AssumeRole"), ("RoleArn", WORKER), ("RoleSessionName", "s1")];
    refused(ask_as(None, &root, &form), 403, "AccessDenied");
}
