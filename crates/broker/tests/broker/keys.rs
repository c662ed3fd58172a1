//! Queues with a key of their own, over a key management service that does what a test says.

mod service;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use stanchion_broker::{Carried, KeyBounds, Options};
use stanchion_engine::queue::listing::Standing;
use stanchion_journal::{Journal, Memory, Position, ShardId};
use stanchion_keyring::service::Reason;
use stanchion_types::attributes::{AttributeChange, RedrivePolicy};
use stanchion_types::request::{ChangeMessageVisibility, ReceiveMessage, SetQueueAttributes};
use stanchion_types::response::{ReceivedMessage, Response};
use stanchion_types::{Code, QueueArn, QueueName, Timestamp};

use crate::harness::{LONG, World, in_group, message, receive, receive_count};
use service::Service;

/// Longer than a refusal stands for the next calls.
const REST: Duration = Duration::from_secs(2);

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

fn key(key: &str) -> AttributeChange {
    AttributeChange::KmsMasterKeyId(Some(key.to_owned()))
}

fn world(service: &Arc<Service>, bounds: KeyBounds) -> World {
    World::over(Memory::automatic(), Options { keys: Some(service.clone()), key_bounds: bounds, ..Options::default() })
}

/// A world with a queue `q` whose key is `k`.
async fn with_key() -> (Arc<Service>, World) {
    let service = Arc::new(Service::default());
    let world = world(&service, KeyBounds::default());
    world.create("q", vec![key("k")]).await;
    (service, world)
}

async fn set(world: &World, queue: &str, change: AttributeChange) {
    world.call(queue, SetQueueAttributes { attributes: vec![change] }).await.expect("set");
}

fn bodies(messages: &[ReceivedMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

/// Tells whether a text is in any record of the journal.
fn is_written(world: &World, text: &str) -> bool {
    let mut found = false;
    let memory = &world.journal.memory;
    memory
        .replay(ShardId(0), Position(1), &mut |record| {
            found |= record.payload.windows(text.len()).any(|window| window == text.as_bytes());
            Ok(())
        })
        .expect("replays");
    found
}

#[tokio::test(start_paused = true)]
async fn what_a_message_carries_is_sealed_under_a_data_key_for_its_queue() {
    let (service, world) = with_key().await;
    world.create("plain", Vec::new()).await;
    world.send("plain", message("in the clear")).await.expect("sent");
    assert!(is_written(&world, "in the clear"), "a queue without a key is not sealed a second time");
    for body in ["secret-1", "secret-2"] {
        world.send("q", message(body)).await.expect("sent");
    }
    assert!(!is_written(&world, "secret"));
    assert_eq!(bodies(&world.receive("q", 0).await.expect("received")), ["secret-1", "secret-2"]);
    assert_eq!(service.asked(), [format!("generate k for {}", arn("q"))], "one data key for all of it");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_service_opens_the_data_key_once() {
    let (service, world) = with_key().await;
    for body in ["a", "b"] {
        world.send("q", message(body)).await.expect("sent");
    }
    let world = world.crash();
    service.forget_asked();
    assert_eq!(bodies(&world.receive("q", 0).await.expect("received")), ["a", "b"]);
    assert_eq!(service.asked(), [format!("open k for {}", arn("q"))]);
}

#[tokio::test(start_paused = true)]
async fn the_managed_key_works_without_any_service() {
    let _still = Service::default();
    let world = World::new();
    world.create("q", vec![key("alias/aws/sqs")]).await;
    world.send("q", message("a")).await.expect("sent");
    assert_eq!(bodies(&world.receive("q", 0).await.expect("received")), ["a"]);
    set(&world, "q", key("alias/other")).await;
    assert_eq!(world.send("q", message("b")).await.expect_err("no service").code, Code::KmsNotFound);
}

#[tokio::test(start_paused = true)]
async fn a_data_key_is_used_for_the_reuse_period_and_no_longer() {
    let (service, world) = with_key().await;
    set(&world, "q", AttributeChange::KmsDataKeyReusePeriodSeconds(60)).await;
    world.send("q", message("a")).await.expect("sent");
    tokio::time::advance(Duration::from_secs(59)).await;
    world.send("q", message("b")).await.expect("sent");
    assert_eq!(service.asked().len(), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    world.send("q", message("c")).await.expect("sent");
    assert_eq!(service.asked(), vec![format!("generate k for {}", arn("q")); 2]);
    // The first data key's time is up for opening, too.
    assert_eq!(bodies(&world.receive("q", 0).await.expect("received")), ["a", "b", "c"]);
    assert_eq!(service.asked()[2..], [format!("open k for {}", arn("q"))]);
}

#[tokio::test(start_paused = true)]
async fn a_data_key_that_has_sealed_its_share_is_followed_by_another() {
    let service = Arc::new(Service::default());
    let world = world(&service, KeyBounds { messages: 3, ..KeyBounds::default() });
    world.create("q", vec![key("k")]).await;
    for number in 0..7 {
        world.send("q", message(&number.to_string())).await.expect("sent");
    }
    assert_eq!(service.asked().len(), 3, "{:?}", service.asked());
    assert_eq!(world.receive("q", 0).await.expect("received").len(), 7);
}

#[tokio::test(start_paused = true)]
async fn every_refusal_has_its_error_and_nothing_is_stored_or_lost() {
    for (reason, code) in [
        (Reason::AccessDenied, Code::KmsAccessDenied),
        (Reason::Disabled, Code::KmsDisabled),
        (Reason::InvalidKeyUsage, Code::KmsInvalidKeyUsage),
        (Reason::InvalidState, Code::KmsInvalidState),
        (Reason::NotFound, Code::KmsNotFound),
        (Reason::OptInRequired, Code::KmsOptInRequired),
        (Reason::Throttled, Code::KmsThrottled),
        (Reason::Unavailable, Code::InternalFailure),
    ] {
        let (service, world) = with_key().await;
        world.send("q", message("a")).await.expect("sent");
        let world = world.crash();
        service.refuse("k", Some(reason));
        let refusal = world.send("q", message("b")).await.expect_err("refused");
        assert_eq!(refusal.code, code, "{reason:?}");
        assert_eq!(refusal.message.contains("words of the service"), code != Code::InternalFailure, "{refusal}");
        for _ in 0..3 {
            assert_eq!(world.receive("q", 0).await.expect_err("refused").code, code, "{reason:?}");
            tokio::time::advance(REST).await;
        }
        service.refuse("k", None);
        let received = world.receive("q", 0).await.expect("received");
        assert_eq!(bodies(&received), ["a"], "{reason:?}");
        assert_eq!(receive_count(&received[0]), "1", "what nobody got does not count");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_leaves_data_keys_until_their_time_is_up() {
    let (service, world) = with_key().await;
    world.send("q", message("a")).await.expect("sent");
    service.refuse("k", Some(Reason::Unavailable));
    tokio::time::advance(Duration::from_secs(299)).await;
    world.send("q", message("b")).await.expect("the data key is still there");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(world.send("q", message("c")).await.expect_err("its time is up").code, Code::InternalFailure);
    assert_eq!(world.receive("q", 0).await.expect_err("its time is up").code, Code::InternalFailure);
    service.refuse("k", None);
    tokio::time::advance(REST).await;
    assert_eq!(bodies(&world.receive("q", 0).await.expect("received")), ["a", "b"], "nothing is lost");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_opened_never_becomes_a_dead_letter_for_that() {
    let (service, world) = with_key().await;
    world.create("dead", Vec::new()).await;
    set(&world, "q", AttributeChange::RedrivePolicy(Some(redrive("dead", 1)))).await;
    world.send("q", message("a")).await.expect("sent");
    let world = world.crash();
    service.refuse("k", Some(Reason::Disabled));
    for _ in 0..5 {
        world.receive("q", 0).await.expect_err("refused");
    }
    assert!(world.receive("dead", 0).await.expect("received").is_empty());
    service.refuse("k", None);
    tokio::time::advance(REST).await;
    assert_eq!(bodies(&world.receive("q", 0).await.expect("received")), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_the_service_is_asked_consumes_nothing() {
    let (service, world) = with_key().await;
    world.send("q", message("a")).await.expect("sent");
    let world = world.crash();
    service.hang(true);
    {
        let mut waiting = pin!(world.receive("q", 0));
        // The journal reads on a thread of its own.
        let (started, opens) = (std::time::Instant::now(), format!("open k for {}", arn("q")));
        while service.asked().last() != Some(&opens) {
            assert!(matches!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
            assert!(started.elapsed() < LONG, "{:?}", service.asked());
            tokio::task::yield_now().await;
        }
    }
    service.hang(false);
    let received = world.receive("q", 0).await.expect("received");
    assert_eq!((bodies(&received), receive_count(&received[0])), (vec!["a"], "1"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_stops_nobody_who_does_not_need_it() {
    let (service, world) = with_key().await;
    world.create("other", vec![key("other")]).await;
    world.create("plain", Vec::new()).await;
    for queue in ["q", "other", "plain"] {
        world.send(queue, message("a")).await.expect("sent");
    }
    let mut held = world.receive("q", 0).await.expect("received");
    let held = held.remove(0);
    set(&world, "q", AttributeChange::KmsMasterKeyId(Some("slow".to_owned()))).await;
    service.hang(true);
    let mut waiting = pin!(world.send("q", message("b")));
    assert!(matches!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    let before = tokio::time::Instant::now();
    assert_eq!(bodies(&world.receive("plain", 0).await.expect("received")), ["a"]);
    assert_eq!(bodies(&world.receive("other", 0).await.expect("its data key is at hand")), ["a"]);
    let receipt_handle = held.receipt_handle.clone();
    let change = ChangeMessageVisibility { receipt_handle, visibility_seconds: 60 };
    world.call("q", change).await.expect("a timeout needs no key");
    world.delete("q", &held.receipt_handle).await.expect("a deletion needs no key");
    assert_eq!(tokio::time::Instant::now(), before, "somebody waited");
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(waiting.await.expect_err("at last").code, Code::InternalFailure);
}

#[tokio::test(start_paused = true)]
async fn each_message_stays_readable_by_the_key_that_it_was_sent_under() {
    let (service, world) = with_key().await;
    world.send("q", message("by k")).await.expect("sent");
    set(&world, "q", key("l")).await;
    world.send("q", message("by l")).await.expect("sent");
    set(&world, "q", AttributeChange::KmsMasterKeyId(None)).await;
    world.send("q", message("by none")).await.expect("sent");
    let world = world.crash();
    service.refuse("k", Some(Reason::Disabled));
    let received = world.receive("q", 0).await.expect("some can be opened");
    assert_eq!(bodies(&received), ["by l", "by none"], "the others are not held up");
    assert_eq!(world.receive("q", 0).await.expect_err("nothing else is there").code, Code::KmsDisabled);
    service.refuse("k", None);
    tokio::time::advance(REST).await;
    let received = world.receive("q", 0).await.expect("received");
    assert_eq!((bodies(&received), receive_count(&received[0])), (vec!["by k"], "1"));
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_dead_key_do_not_stand_in_the_way_of_a_standard_queue() {
    let (service, world) = with_key().await;
    for _ in 0..25 {
        world.send("q", message("old")).await.expect("sent");
    }
    set(&world, "q", key("l")).await;
    world.send("q", message("new")).await.expect("sent");
    let world = world.crash();
    service.refuse("k", Some(Reason::InvalidState));
    let mut found = Vec::new();
    for _ in 0..4 {
        found.extend(world.receive("q", 0).await.unwrap_or_default());
    }
    assert_eq!(bodies(&found), ["new"]);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queue_waits_for_what_cannot_be_opened_and_keeps_its_order() {
    let service = Arc::new(Service::default());
    let world = world(&service, KeyBounds::default());
    world.create("q.fifo", vec![key("k"), AttributeChange::ContentBasedDeduplication(true)]).await;
    let first = world.send("q.fifo", in_group("a1", "a", None)).await.expect("sent");
    let again = world.send("q.fifo", in_group("a1", "a", None)).await.expect("sent");
    assert_eq!(first.message_id, again.message_id, "the digest of the body is that of what was sent");
    set(&world, "q.fifo", key("l")).await;
    world.send("q.fifo", in_group("a2", "a", None)).await.expect("sent");
    world.send("q.fifo", in_group("b1", "b", None)).await.expect("sent");
    let world = world.crash();
    service.refuse("k", Some(Reason::Disabled));
    let received = world.receive("q.fifo", 0).await.expect("the other group is served");
    assert_eq!(bodies(&received), ["b1"]);
    service.refuse("k", None);
    tokio::time::advance(REST).await;
    let received = world.receive("q.fifo", 0).await.expect("received");
    assert_eq!(bodies(&received), ["a1", "a2"]);
    assert_eq!((receive_count(&received[0]), receive_count(&received[1])), ("1", "1"));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_failed_for_its_key_can_be_made_again() {
    let service = Arc::new(Service::default());
    let world = world(&service, KeyBounds::default());
    world.create("q.fifo", vec![key("k")]).await;
    world.send("q.fifo", in_group("a1", "a", Some("1"))).await.expect("sent");
    let world = world.crash();
    service.refuse("k", Some(Reason::Throttled));
    let attempt = || ReceiveMessage { attempt_id: Some(Ok("try".to_owned())), ..receive(0) };
    assert_eq!(world.call("q.fifo", attempt()).await.expect_err("refused").code, Code::KmsThrottled);
    service.refuse("k", None);
    tokio::time::advance(REST).await;
    let Response::Messages(received) = world.call("q.fifo", attempt()).await.expect("received") else {
        panic!("no messages")
    };
    assert_eq!((bodies(&received), receive_count(&received[0])), (vec!["a1"], "1"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_opened_by_the_key_of_the_queue_that_it_was_sent_to() {
    let (service, world) = with_key().await;
    world.create("dead", vec![key("d")]).await;
    set(&world, "q", AttributeChange::RedrivePolicy(Some(redrive("dead", 1)))).await;
    world.send("q", message("a")).await.expect("sent");
    let received =
        world.call("q", ReceiveMessage { visibility_seconds: Some(0), ..receive(0) }).await.expect("received");
    assert!(matches!(received, Response::Messages(messages) if messages.len() == 1));
    assert!(world.receive("q", 0).await.expect("it moves").is_empty());
    let world = world.crash();
    service.forget_asked();
    assert_eq!(bodies(&world.receive("dead", 0).await.expect("received")), ["a"]);
    assert_eq!(service.asked(), [format!("open k for {}", arn("q"))]);
}

#[tokio::test(start_paused = true)]
async fn imported_messages_are_sealed_as_sent_ones() {
    let (service, world) = with_key().await;
    let carried = Carried {
        id: None,
        message: message("carried-secret"),
        sender_id: None,
        sent_at: Timestamp::from_millis(1),
        receive_count: 0,
        first_received_at: Timestamp::ZERO,
        sequence_number: None,
        source: None,
        standing: Standing::Visible,
    };
    let name = QueueName::new("q").expect("a name");
    set(&world, "q", AttributeChange::MessageRetentionPeriod(1_209_600)).await;
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    let carried = Carried { sent_at: Timestamp::from_millis(now), ..carried };
    world.broker.import(&world.caller, &name, std::slice::from_ref(&carried)).await.expect("imported");
    assert!(!is_written(&world, "carried-secret"));
    assert_eq!(bodies(&world.receive("q", 0).await.expect("received")), ["carried-secret"]);
    service.refuse("l", Some(Reason::Disabled));
    set(&world, "q", key("l")).await;
    let (_, error) = world.broker.import(&world.caller, &name, &[carried]).await.expect_err("refused");
    assert_eq!(error.code, Code::KmsDisabled);
}

fn redrive(target: &str, max_receive_count: u32) -> RedrivePolicy {
    RedrivePolicy {
        target: QueueArn::parse(&arn(target)).expect("an ARN"),
        max_receive_count,
        text: String::new(),
        given: String::new(),
    }
}
