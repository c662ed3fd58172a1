//! Who may do what: callers of several accounts and regions in one broker.

use std::sync::Arc;

use stanchion_broker::Caller;
use stanchion_policy::{Circumstances, Kind, Policy, Principal};
use stanchion_types::attributes::{AttributeChange, Document, RedrivePolicy};
use stanchion_types::request::{
    AddPermission, CreateQueue, DeleteQueue, Envelope, GetQueueUrl, ListQueues, PurgeQueue, RemovePermission, Request,
    SendMessage, SetQueueAttributes, StartMessageMoveTask, TagQueue,
};
use stanchion_types::response::Response;
use stanchion_types::{AccountId, Code, Error, QueueArn, QueueLocator, QueueName, Region};

use crate::harness::{World, message, receive};

const OWNER: &str = "111122223333";
const OTHER: &str = "444455556666";

fn caller(account: &str, kind: Kind, policy: Option<&str>) -> Caller {
    let account = AccountId::new(account).unwrap();
    let arn = match &kind {
        Kind::User(name) => format!("arn:aws:iam::{account}:user/{name}"),
        _ => format!("arn:aws:iam::{account}:root"),
    };
    let policies = policy.map(|text| (Arc::from("policy"), Arc::new(Policy::of_identity(text).unwrap())));
    let principal = Principal {
        account,
        kind,
        arn: arn.into(),
        id: account.as_str().into(),
        tags: Vec::new(),
        policies: policies.into_iter().collect(),
        session: None,
    };
    identified(principal)
}

fn identified(principal: Principal) -> Caller {
    let circumstances = Circumstances { source: None, secure: false, now: 0, user_agent: None, referer: None };
    Caller::identified(Arc::new(principal), Region::new("us-east-1").unwrap(), circumstances)
}

fn root(account: &str) -> Caller {
    caller(account, Kind::Root, None)
}

fn user(account: &str, policy: &str) -> Caller {
    caller(account, Kind::User("anna".into()), Some(policy))
}

fn anonymous() -> Caller {
    identified(Principal::anonymous(AccountId::new(OWNER).unwrap()))
}

fn allowing(actions: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":{actions},"Resource":"*"}}}}"#)
}

/// A broker in which the account `OWNER` has the queue `q`.
async fn world() -> World {
    let world = World::new();
    ask(&world, &root(OWNER), None, create("q")).await.unwrap();
    world
}

fn create(name: &str) -> CreateQueue {
    CreateQueue { name: QueueName::new(name).unwrap(), attributes: Vec::new(), tags: Vec::new() }
}

/// Asks as a caller; the queue is one of `OWNER`.
async fn ask(
    world: &World,
    caller: &Caller,
    queue: Option<&str>,
    request: impl Into<Request>,
) -> Result<Response, Error> {
    let request = request.into();
    let account = AccountId::new(OWNER);
    let queue = queue.map(|name| QueueLocator { account, name: QueueName::new(name).unwrap() });
    world.broker.call(caller, Envelope { action: request.action(), queue, request: Ok(request) }).await
}

async fn send(world: &World, caller: &Caller, queue: &str) -> Option<Code> {
    let sent = ask(world, caller, Some(queue), SendMessage { message: message("x") }).await;
    sent.err().map(|error| error.code)
}

#[tokio::test]
async fn a_stranger_sees_nothing_of_another_account() {
    let world = world().await;
    let stranger = root(OTHER);
    assert_eq!(send(&world, &stranger, "q").await, Some(Code::AccessDenied));
    assert_eq!(send(&world, &stranger, "none").await, Some(Code::AccessDenied), "nor what does not exist");
    ask(&world, &stranger, None, create("q")).await.expect("a queue of his own");
    for (caller, account) in [(root(OWNER), OWNER), (stranger, OTHER)] {
        let list = ListQueues { prefix: String::new(), page: Default::default() };
        let Response::Queues(listed) = ask(&world, &caller, None, list).await.unwrap() else { panic!("a list") };
        let accounts: Vec<_> = listed.queues.iter().map(|arn| arn.account.to_string()).collect();
        assert_eq!(accounts, [account]);
    }
}

#[tokio::test]
async fn regions_of_an_account_are_apart() {
    let world = world().await;
    let elsewhere = Caller { region: Region::new("eu-west-1").unwrap(), ..root(OWNER) };
    assert_eq!(send(&world, &elsewhere, "q").await, Some(Code::QueueDoesNotExist));
    ask(&world, &elsewhere, None, create("q")).await.unwrap();
    assert_eq!(send(&world, &elsewhere, "q").await, None);
}

#[tokio::test]
async fn a_user_may_do_what_a_policy_allows() {
    let world = world().await;
    let producer = user(OWNER, &allowing(r#""sqs:SendMessage""#));
    assert_eq!(send(&world, &producer, "q").await, None);
    assert_eq!(send(&world, &producer, "none").await, Some(Code::QueueDoesNotExist));
    let refused = ask(&world, &producer, Some("q"), receive(0)).await.unwrap_err();
    assert_eq!(
        refused.message,
        "User: arn:aws:iam::111122223333:user/anna is not authorized to perform: sqs:receivemessage on resource: \
         arn:aws:sqs:us-east-1:111122223333:q because no identity-based policy allows the sqs:receivemessage action"
    );
    for request in [Request::from(create("r")), ListQueues { prefix: String::new(), page: Default::default() }.into()] {
        assert_eq!(ask(&world, &producer, None, request).await.unwrap_err().code, Code::AccessDenied);
    }
}

#[tokio::test]
async fn permissions_take_effect_when_they_are_added_and_removed() {
    let world = world().await;
    let stranger = user(OTHER, &allowing(r#""sqs:*""#));
    let wish = AddPermission {
        label: "s".into(),
        accounts: vec![AccountId::new(OTHER).unwrap()],
        actions: vec!["SendMessage".into()],
    };
    ask(&world, &root(OWNER), Some("q"), wish).await.unwrap();
    assert_eq!(send(&world, &stranger, "q").await, None);
    assert_eq!(send(&world, &user(OTHER, &allowing(r#""sqs:ReceiveMessage""#)), "q").await, Some(Code::AccessDenied));
    assert_eq!(ask(&world, &stranger, Some("q"), PurgeQueue).await.unwrap_err().code, Code::AccessDenied);
    ask(&world, &root(OWNER), Some("q"), RemovePermission { label: "s".into() }).await.unwrap();
    assert_eq!(send(&world, &stranger, "q").await, Some(Code::AccessDenied));
}

#[tokio::test]
async fn a_policy_of_a_queue_counts_as_it_stands_also_after_a_crash() {
    let world = world().await;
    let policy = |effect: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"all","Effect":"{effect}","Principal":"*","Action":"sqs:*"}}]}}"#
        );
        let Document { text, canonical } = stanchion_policy::parse(&text).unwrap();
        SetQueueAttributes { attributes: vec![AttributeChange::Policy(Some(Document { text, canonical }))] }
    };
    ask(&world, &root(OWNER), Some("q"), policy("Allow")).await.unwrap();
    assert_eq!(send(&world, &anonymous(), "q").await, None);
    let world = world.crash();
    assert_eq!(send(&world, &anonymous(), "q").await, None);
    let refused = ask(&world, &anonymous(), Some("q"), DeleteQueue).await.unwrap_err();
    assert_eq!(refused.code, Code::AccessDenied, "that is the owner's alone");
    ask(&world, &root(OWNER), Some("q"), policy("Deny")).await.unwrap();
    assert_eq!(send(&world, &anonymous(), "q").await, Some(Code::AccessDenied));
    assert_eq!(send(&world, &root(OWNER), "q").await, Some(Code::AccessDenied), "a denial counts for the owner, too");
}

#[tokio::test]
async fn who_does_not_sign_is_told_so_where_no_queue_could_let_him_in() {
    let world = world().await;
    let list = ListQueues { prefix: String::new(), page: Default::default() };
    assert_eq!(ask(&world, &anonymous(), None, list).await.unwrap_err().code, Code::MissingAuthenticationToken);
    assert_eq!(ask(&world, &anonymous(), None, create("r")).await.unwrap_err().code, Code::MissingAuthenticationToken);
    assert_eq!(ask(&world, &anonymous(), Some("q"), GetQueueUrl).await.unwrap_err().code, Code::AccessDenied);
}

#[tokio::test]
async fn a_move_task_needs_all_that_it_does() {
    let world = world().await;
    let arn = |name: &str| QueueArn::parse(&format!("arn:aws:sqs:us-east-1:{OWNER}:{name}")).unwrap();
    let start = || StartMessageMoveTask { source: arn("q"), destination: Some(arn("r")), rate: None };
    let reads = r#""sqs:StartMessageMoveTask","sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes""#;
    let reader = user(OWNER, &allowing(&format!("[{reads}]")));
    assert_eq!(ask(&world, &reader, None, start()).await.unwrap_err().code, Code::AccessDenied);
    let mover = user(OWNER, &allowing(&format!(r#"[{reads},"sqs:SendMessage"]"#)));
    let refused = ask(&world, &mover, None, start()).await.unwrap_err();
    assert_ne!(refused.code, Code::AccessDenied, "he may; that the queue is no dead-letter queue is another matter");
    let stranger = user(OTHER, &allowing(r#""*""#));
    assert_eq!(ask(&world, &stranger, None, start()).await.unwrap_err().code, Code::AccessDenied);
}

#[tokio::test]
async fn a_move_task_without_a_destination_needs_to_send_to_the_queues_that_messages_came_from() {
    let world = world().await;
    let arn = |name: &str| QueueArn::parse(&format!("arn:aws:sqs:us-east-1:{OWNER}:{name}")).unwrap();
    let policy = RedrivePolicy { target: arn("q"), max_receive_count: 1, text: "{}".into(), given: "{}".into() };
    for name in ["a", "b"] {
        let attributes = vec![AttributeChange::RedrivePolicy(Some(policy.clone()))];
        ask(&world, &root(OWNER), None, CreateQueue { attributes, ..create(name) }).await.unwrap();
    }
    let start = || StartMessageMoveTask { source: arn("q"), destination: None, rate: None };
    let reads = r#""sqs:StartMessageMoveTask","sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes""#;
    let sending_to = |queues: &str| {
        let send = format!(r#"{{"Effect":"Allow","Action":"sqs:SendMessage","Resource":[{queues}]}}"#);
        let rest = format!(r#"{{"Effect":"Allow","Action":[{reads}],"Resource":"*"}}"#);
        user(OWNER, &format!(r#"{{"Statement":[{send},{rest}]}}"#))
    };
    for queues in [format!("\"{}\"", arn("a")), format!("\"{}\"", arn("q"))] {
        let refused = ask(&world, &sending_to(&queues), None, start()).await.unwrap_err();
        assert_eq!(refused.code, Code::AccessDenied);
        assert!(refused.message.contains("perform: sqs:sendmessage on resource: "), "{}", refused.message);
    }
    let mover = sending_to(&format!("\"{}\",\"{}\"", arn("a"), arn("b")));
    ask(&world, &mover, None, start()).await.expect("he may send to both");
}

#[tokio::test]
async fn tags_of_the_queue_and_of_the_request_count() {
    let world = world().await;
    let tags = |stage: &str| vec![("stage".to_owned(), stage.to_owned())];
    ask(&world, &root(OWNER), Some("q"), TagQueue { tags: tags("test") }).await.unwrap();
    let condition = |key: &str| {
        user(
            OWNER,
            &format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"aws:{key}Tag/stage":"test"}}}}}}}}"#
            ),
        )
    };
    assert_eq!(send(&world, &condition("Resource"), "q").await, None);
    ask(&world, &root(OWNER), Some("q"), TagQueue { tags: tags("live") }).await.unwrap();
    assert_eq!(send(&world, &condition("Resource"), "q").await, Some(Code::AccessDenied));
    let tagger = condition("Request");
    assert!(ask(&world, &tagger, Some("q"), TagQueue { tags: tags("test") }).await.is_ok());
    assert!(ask(&world, &tagger, Some("q"), TagQueue { tags: tags("live") }).await.is_err());
    let create = |stage: &str| CreateQueue { tags: tags(stage), ..create("tagged") };
    assert!(ask(&world, &tagger, None, create("live")).await.is_err());
    assert!(ask(&world, &tagger, None, create("test")).await.is_ok());
}
