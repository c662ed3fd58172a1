//! A journal that fails, and contents that cannot be read.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use stanchion_broker::Options;
use stanchion_journal::{Fault, Memory};
use stanchion_types::Code;

use stanchion_types::attributes::AttributeName;
use stanchion_types::request::{AttributeNames, GetQueueAttributes, PurgeQueue};
use stanchion_types::response::Response;

use crate::harness::{LONG, World, in_group, message, receive_count};

fn broken() -> Fault {
    Fault::corrupt("a file", 7, "a test broke it")
}

#[tokio::test]
async fn when_a_sync_fails_everyone_who_waits_is_told_and_the_broker_stays_failed() {
    let world = World::over(Memory::automatic(), Options::default());
    world.create("q", Vec::new()).await;
    world.send("q", message("durable")).await.unwrap();
    let failed = world.broker.failed();
    assert!(world.broker.is_serving());

    world.journal.memory.fail_next_sync(broken());
    let error = world.send("q", message("lost")).await.unwrap_err();
    assert_eq!(error.code, Code::InternalFailure);
    let failure = tokio::time::timeout(LONG, failed).await.expect("the failure is announced");
    let id = error.message.rsplit("fault ").next().unwrap().trim_end_matches('.');
    assert!(failure.to_string().contains(id), "{failure} does not tell of {id}");
    assert!(failure.to_string().contains("a test broke it"));

    assert!(!world.broker.is_serving());
    let error = world.send("q", message("later")).await.unwrap_err();
    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(world.broker.close().await.is_err());

    let world = world.crash();
    let received = world.receive("q", 0).await.unwrap();
    assert_eq!(received.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["durable"]);
}

#[tokio::test]
async fn when_an_append_fails_a_long_poll_is_told_as_well() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    world.create("other", Vec::new()).await;
    let mut poll = pin!(world.receive("q", 20));
    let pending = poll.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(pending, Poll::Pending));
    world.journal.memory.fail_next_append(broken());
    assert_eq!(world.send("other", message("lost")).await.unwrap_err().code, Code::InternalFailure);
    assert_eq!(poll.await.unwrap_err().code, Code::InternalFailure);
}

#[tokio::test]
async fn when_a_promise_of_ours_breaks_those_who_wait_are_told_at_once() {
    let world = Arc::new(World::new());
    world.create("q", Vec::new()).await;
    world.create("other", Vec::new()).await;
    let mut poll = pin!(world.receive("q", 20));
    let pending = poll.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(pending, Poll::Pending));
    let failed = world.broker.failed();

    world.journal.panic_at_appends();
    let caller = Arc::clone(&world);
    let lost = tokio::spawn(async move { caller.call("other", PurgeQueue).await.map(|_| ()) });
    assert!(lost.await.unwrap_err().is_panic());
    // Nobody else comes by: the shard's own task finds it out, long before the poll is over.
    let told = tokio::time::timeout(LONG / 4, poll).await.expect("an answer at once");
    assert_eq!(told.unwrap_err().code, Code::InternalFailure);
    tokio::time::timeout(LONG, failed).await.expect("the failure is announced");
    assert!(!world.broker.is_serving());
}

#[tokio::test]
async fn a_message_that_cannot_be_read_fails_its_receive_and_nothing_else() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    world.send("q", message("x")).await.unwrap();
    world.journal.set_unreadable(true);
    let error = world.receive("q", 0).await.unwrap_err();
    assert_eq!(error.code, Code::InternalFailure);
    assert!(world.broker.is_serving());
    world.journal.set_unreadable(false);
    world.send("q", message("y")).await.unwrap();
    assert_eq!(world.receive("q", 0).await.unwrap()[0].body, "y");
}

/// Counts the messages of a queue that are visible, and those in flight.
async fn standing(world: &World, queue: &str) -> (String, String) {
    let answer = world.call(queue, GetQueueAttributes { names: AttributeNames::All }).await.unwrap();
    let Response::Attributes(attributes) = answer else { panic!("{answer:?}") };
    let value = |name| attributes.iter().find(|(of, _)| *of == name).unwrap().1.clone();
    let visible = value(AttributeName::ApproximateNumberOfMessages);
    (visible, value(AttributeName::ApproximateNumberOfMessagesNotVisible))
}

#[tokio::test]
async fn a_message_that_cannot_be_read_fails_its_receive_as_a_whole_and_the_next_one_serves_the_others() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    // The queue is record 1.
    for body in ["a", "b", "c"] {
        world.send("q", message(body)).await.unwrap();
    }
    world.journal.make_unreadable(3);
    assert_eq!(world.receive("q", 0).await.unwrap_err().code, Code::InternalFailure);
    // Nobody has deleted it. It is in flight, and of the others no receive is counted.
    assert_eq!(standing(&world, "q").await, ("2".to_owned(), "1".to_owned()));
    let received = world.receive("q", 0).await.unwrap();
    let seen: Vec<_> = received.iter().map(|message| (message.body.as_str(), receive_count(message))).collect();
    assert_eq!(seen, [("a", "1"), ("c", "1")]);
}

#[tokio::test]
async fn nothing_overtakes_a_message_of_its_group_that_cannot_be_read() {
    let world = World::new();
    world.create("q.fifo", Vec::new()).await;
    for (body, group) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("b2", "b"), ("c1", "c")] {
        world.send("q.fifo", in_group(body, group, Some(body))).await.unwrap();
    }
    world.journal.make_unreadable(2);
    assert_eq!(world.receive("q.fifo", 0).await.unwrap_err().code, Code::InternalFailure);
    let received = world.receive("q.fifo", 0).await.unwrap();
    let mut bodies: Vec<_> = received.iter().map(|message| message.body.as_str()).collect();
    assert!(bodies.iter().position(|body| *body == "b1") < bodies.iter().position(|body| *body == "b2"), "{bodies:?}");
    bodies.sort_unstable();
    assert_eq!(bodies, ["b1", "b2", "c1"]);
}

#[tokio::test]
async fn when_the_disk_is_gone_a_receive_hands_out_nothing_rather_than_what_it_can_still_read() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    for body in ["a", "b"] {
        world.send("q", message(body)).await.unwrap();
    }
    world.journal.make_unreadable(3);
    // The receive itself is written, and what gives the rest of it back is not.
    world.journal.go_away_when_unreadable();
    let failed = world.broker.failed();
    assert_eq!(world.receive("q", 0).await.unwrap_err().code, Code::InternalFailure);
    tokio::time::timeout(LONG, failed).await.expect("the failure is announced");
}

#[tokio::test]
async fn contents_that_left_the_cache_are_fetched() {
    let world = World::over(Memory::automatic().without_cache(), Options::default());
    world.create("q", Vec::new()).await;
    for body in ["a", "b", "c"] {
        world.send("q", message(body)).await.unwrap();
    }
    let received = world.receive("q", 0).await.unwrap();
    assert_eq!(received.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
}
