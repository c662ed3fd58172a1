//! Answers that wait: for the disk, for a message, for the end.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use stanchion_broker::Options;
use stanchion_journal::{Journal, Memory, ShardId};
use stanchion_types::attributes::{AttributeChange, RedrivePolicy};
use stanchion_types::request::{Action, DeleteQueue, Envelope, PurgeQueue, Request, StartMessageMoveTask};
use stanchion_types::{Code, QueueArn, QueueName};

use crate::harness::{LONG, World, message, receive, until};

/// Lets everything run that can; the tests here run on one thread.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn is_pending<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

/// A world whose records become durable when the test says so, with a queue `q`.
async fn by_hand(options: Options) -> World {
    let world = World::over(Memory::manual(), options);
    {
        let mut create = pin!(world.create("q", Vec::new()));
        assert!(is_pending(create.as_mut()));
        world.journal.memory.sync_all();
        create.await;
    }
    world
}

#[tokio::test]
async fn an_answer_waits_until_what_it_says_is_durable() {
    let world = by_hand(Options::default()).await;
    let mut send = pin!(world.send("q", message("x")));
    assert!(is_pending(send.as_mut()));
    settle().await;
    assert!(is_pending(send.as_mut()), "the record is not durable yet");

    // A receive that finds nothing tells of what came before it, so it waits for that, too.
    let mut other = pin!(world.receive("q", 0));
    assert!(is_pending(other.as_mut()));
    settle().await;
    assert!(is_pending(other.as_mut()));

    world.journal.memory.sync_all();
    assert!(send.await.is_ok());
    assert_eq!(other.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_missing_queue_is_told_when_its_deletion_is_durable() {
    let world = by_hand(Options::default()).await;
    let mut delete = pin!(world.call("q", DeleteQueue));
    assert!(is_pending(delete.as_mut()));
    let mut purge = pin!(world.call("q", PurgeQueue));
    assert!(is_pending(purge.as_mut()));
    settle().await;
    assert!(is_pending(purge.as_mut()), "a crash could still bring the queue back");
    world.journal.memory.sync_all();
    assert!(delete.await.is_ok());
    assert_eq!(purge.await.unwrap_err().code, Code::QueueDoesNotExist);
}

#[tokio::test]
async fn a_long_poll_is_answered_by_the_next_send() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    let mut poll = pin!(world.receive("q", 20));
    assert!(is_pending(poll.as_mut()));
    world.send("q", message("x")).await.unwrap();
    assert_eq!(poll.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_long_poll_ends_empty_handed_when_its_time_is_over() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    let started = std::time::Instant::now();
    assert_eq!(world.receive("q", 1).await.unwrap(), []);
    let took = started.elapsed();
    // The clock of the broker counts whole milliseconds.
    assert!(took >= Duration::from_millis(990) && took < LONG / 2, "{took:?}");
}

#[tokio::test]
async fn a_client_that_went_away_gets_no_message() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    {
        let mut poll = pin!(world.receive("q", 20));
        assert!(is_pending(poll.as_mut()));
        settle().await;
    }
    world.send("q", message("x")).await.unwrap();
    let received = world.receive("q", 0).await.unwrap();
    assert_eq!(received.len(), 1);
}

#[tokio::test]
async fn draining_hands_long_polls_back_and_lets_no_new_one_wait() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    let mut poll = pin!(world.receive("q", 20));
    assert!(is_pending(poll.as_mut()));
    world.broker.drain();
    assert_eq!(poll.await.unwrap(), []);
    let started = std::time::Instant::now();
    assert_eq!(world.receive("q", 20).await.unwrap(), []);
    assert!(started.elapsed() < LONG / 2);
    // Everything else is served until the end.
    assert!(world.send("q", message("x")).await.is_ok());
}

#[tokio::test]
async fn senders_that_are_faster_than_the_disk_are_slowed_and_then_throttled() {
    let options = Options { unsynced_bytes_max: 1000, throttle_after: Duration::from_millis(50), ..Options::default() };
    let world = by_hand(options).await;
    let mut first = pin!(world.send("q", message(&"x".repeat(900))));
    assert!(is_pending(first.as_mut()));
    let error = world.send("q", message(&"y".repeat(900))).await.unwrap_err();
    assert_eq!(error.code, Code::RequestThrottled);
    settle().await;
    world.journal.memory.sync_all();
    assert!(first.await.is_ok());
    let mut second = pin!(world.send("q", message(&"y".repeat(900))));
    assert!(is_pending(second.as_mut()));
    settle().await;
    world.journal.memory.sync_all();
    assert!(second.await.is_ok());
}

#[tokio::test]
async fn a_sender_that_went_away_still_takes_up_room() {
    let options = Options { unsynced_bytes_max: 1000, throttle_after: Duration::from_millis(50), ..Options::default() };
    let world = by_hand(options).await;
    {
        let mut send = pin!(world.send("q", message(&"x".repeat(900))));
        assert!(is_pending(send.as_mut()));
    }
    let error = world.send("q", message(&"y".repeat(900))).await.unwrap_err();
    assert_eq!(error.code, Code::RequestThrottled);
}

#[tokio::test]
async fn closing_saves_a_snapshot_from_which_the_next_start_goes_on() {
    let world = World::new();
    world.create("q", Vec::new()).await;
    world.send("q", message("x")).await.unwrap();
    world.broker.close().await.unwrap();
    let (position, _) = world.journal.load_snapshot(ShardId(0)).unwrap().expect("a snapshot");
    assert_eq!(position.0, 2);
    let world = world.crash();
    assert_eq!(world.receive("q", 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_snapshot_is_taken_when_the_journal_has_grown() {
    let world = World::over(Memory::automatic(), Options { snapshot_bytes: 4000, ..Options::default() });
    world.create("q", Vec::new()).await;
    for _ in 0..10 {
        world.send("q", message(&"x".repeat(1000))).await.unwrap();
    }
    until("a snapshot", || world.journal.load_snapshot(ShardId(0)).unwrap().is_some()).await;
    let world = world.crash();
    assert_eq!(world.receive("q", 0).await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_purge_that_a_crash_undoes_has_cost_no_contents() {
    let world = by_hand(Options { snapshot_bytes: 4000, ..Options::default() }).await;
    let bodies = ["x".repeat(100), "y".repeat(5000)];
    for body in &bodies {
        let mut send = pin!(world.send("q", message(body)));
        assert!(is_pending(send.as_mut()));
    }
    // Both are in one record. The snapshot is taken, and saved when all that it includes is durable: the purge comes
    // after it.
    settle().await;
    {
        let mut purge = pin!(world.call("q", PurgeQueue));
        assert!(is_pending(purge.as_mut()));
        assert!(world.journal.memory.sync_next());
        until("a snapshot", || world.journal.trims() > 0).await;
        assert!(is_pending(purge.as_mut()), "the purge is not durable yet");
    }
    let world = world.crash();
    let mut receive = pin!(world.receive("q", 0));
    assert!(is_pending(receive.as_mut()));
    world.journal.memory.sync_all();
    let received = receive.await.unwrap();
    assert!(received.iter().map(|message| &message.body).eq(&bodies), "{received:?}");
}

#[tokio::test]
async fn the_queue_of_an_envelope_that_names_none_is_missed() {
    let world = World::new();
    let request = Ok(Request::from(receive(0)));
    let envelope = Envelope { action: Action::ReceiveMessage, queue: None, request };
    assert_eq!(world.broker.call(&world.caller, envelope).await.unwrap_err().code, Code::MissingParameter);
}

#[tokio::test]
async fn what_time_causes_goes_on_after_a_restart_without_anybody_asking() {
    let world = World::new();
    world.create("dead", Vec::new()).await;
    let arn = QueueArn::parse("arn:aws:sqs:us-east-1:000000000000:dead").unwrap();
    let policy = RedrivePolicy { target: arn.clone(), max_receive_count: 1, text: "{}".into(), given: "{}".into() };
    world.create("q", vec![AttributeChange::RedrivePolicy(Some(policy))]).await;
    for _ in 0..60 {
        world.send("dead", message("x")).await.unwrap();
    }
    let destination = QueueArn { name: QueueName::new("q").unwrap(), ..arn.clone() };
    // One message a second: most are still to be moved when the crash comes.
    let start = StartMessageMoveTask { source: arn, destination: Some(destination), rate: Some(1) };
    world.call("q", start).await.unwrap();
    world.broker.close().await.unwrap();

    let world = world.crash();
    until("the task goes on", || world.journal.stats().records >= 2).await;
    assert!(!world.receive("q", 0).await.unwrap().is_empty());
}
