//! Reads arbitrary bytes as policy documents of a queue, of a user and of a session, and asks them. The first byte chooses
//! who asks for what.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use stanchion_policy::{Circumstances, Kind, Policy, Principal, Question, Session, decide, parse, permission};
use stanchion_types::request::Action;
use stanchion_types::{AccountId, Region};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let queue = Policy::of_queue(text).ok();
    let identity = Policy::of_identity(text).ok();
    // What a client may set can be asked, also in the form in which it is kept.
    if let Ok(document) = parse(text) {
        assert!(queue.is_some() && Policy::of_queue(&document.canonical).is_ok());
    }
    let owner = AccountId::new("111122223333").expect("an account");
    let account = if first & 1 == 0 { owner } else { AccountId::new("444455556666").expect("an account") };
    let principal = match first & 6 {
        0 => Principal::anonymous(account),
        2 => principal(account, Kind::Root, None),
        4 => {
            let role = format!("arn:aws:iam::{account}:role/anna");
            principal(account, Kind::AssumedRole(role.into()), identity)
        }
        _ => principal(account, Kind::User("anna".into()), identity),
    };
    let action = Action::ALL[usize::from(first >> 3) % Action::ALL.len()];
    let circumstances = Circumstances {
        source: Some([203, 0, 113, 7].into()),
        secure: first & 1 == 0,
        now: 1_795_286_846,
        user_agent: Some(http::HeaderValue::from_static("fuzz")),
        referer: None,
    };
    let region = Region::new("us-east-1").expect("a region");
    let question = Question {
        principal: &principal,
        permission: permission(action),
        resource: "arn:aws:sqs:us-east-1:111122223333:orders",
        owner,
        region: &region,
        circumstances: &circumstances,
        request_tags: &[],
        resource_tags: &|| vec![("stage".into(), "test".into())],
        assuming: None,
    };
    let decision = decide(&question, queue.as_ref());
    let stranger = account != owner || principal.kind == Kind::Anonymous;
    assert!(!decision.allowed || !stranger || question.permission.shared, "what is the owner's alone is given away");
    assert!(!decision.allowed || !stranger || queue.is_some(), "nothing lets a stranger in");
});

/// Returns a caller with an identity policy, which a session must keep within as well.
fn principal(account: AccountId, kind: Kind, policy: Option<Policy>) -> Principal {
    let policies: Vec<_> = policy.map(|policy| (Arc::from("policy"), Arc::new(policy))).into_iter().collect();
    let arn = match &kind {
        Kind::User(name) => format!("arn:aws:iam::{account}:user/{name}"),
        Kind::AssumedRole(_) => format!("arn:aws:sts::{account}:assumed-role/anna/s1"),
        _ => format!("arn:aws:iam::{account}:root"),
    };
    let session = matches!(kind, Kind::AssumedRole(_)).then(|| Session {
        issued: 1_795_286_000,
        source_identity: None,
        policies: policies.clone(),
        passed_on: Vec::new(),
    });
    Principal { account, kind, arn: arn.into(), id: "AIDAX".into(), tags: Vec::new(), policies, session }
}
