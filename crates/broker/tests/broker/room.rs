//! A journal whose disk is full.

use std::time::Duration;

use stanchion_broker::{Carried, Options};
use stanchion_engine::queue::listing::Standing;
use stanchion_journal::{Address, Journal, Memory, Position, Room, ShardId};
use stanchion_types::message::NewMessage;
use stanchion_types::request::{
    Action, BatchEntry, ChangeMessageVisibility, CreateQueue, Envelope, PurgeQueue, SendMessageBatch,
};
use stanchion_types::response::Response;
use stanchion_types::{Code, Error, Timestamp};

use crate::harness::{World, locator, message, receive_count, until};

async fn create(world: &World, name: &str) -> Result<Response, Error> {
    let request = CreateQueue { name: locator(name).name, attributes: Vec::new(), tags: Vec::new() };
    let envelope = Envelope { action: Action::CreateQueue, queue: None, request: Ok(request.into()) };
    world.broker.call(&world.caller, envelope).await
}

#[tokio::test]
async fn on_a_full_disk_sends_are_refused_and_receives_and_deletes_go_on() {
    let world = World::over(Memory::automatic(), Options::default());
    world.create("q", Vec::new()).await;
    for body in ["one", "two", "three"] {
        world.send("q", message(body)).await.unwrap();
    }
    world.journal.memory.set_room(Room::Low);
    let refused = world.send("q", message("four")).await.unwrap_err();
    assert_eq!(refused.code, Code::ServiceUnavailable);
    assert!(refused.message.contains("disk of the server is full"), "{}", refused.message);
    assert_eq!(create(&world, "r").await.unwrap_err().code, Code::ServiceUnavailable);
    create(&world, "q").await.expect("a queue that is there takes no room");
    let received = world.receive("q", 0).await.unwrap();
    assert!(!received.is_empty());
    world.delete("q", &received[0].receipt_handle).await.unwrap();

    world.journal.memory.set_room(Room::Full);
    assert_eq!(world.receive("q", 0).await.unwrap_err().code, Code::ServiceUnavailable);
    for message in &received[1..] {
        world.delete("q", &message.receipt_handle).await.unwrap();
    }
    world.call("q", PurgeQueue).await.unwrap();

    world.journal.memory.set_room(Room::Plenty);
    world.send("q", message("five")).await.expect("there is space again, and nobody has restarted anything");
    let bodies: Vec<_> = world.receive("q", 0).await.unwrap().into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, ["five"], "what was refused has not happened");
}

#[tokio::test]
async fn what_died_before_the_disk_was_full_comes_back_though_nothing_more_is_written() {
    let mut options = Options::default();
    options.shard.engine.usage.bucket_bytes = 1;
    let world = World::over(Memory::automatic(), options);
    world.create("q", Vec::new()).await;
    for _ in 0..3 {
        world.send("q", message(&"x".repeat(1 << 20))).await.unwrap();
    }
    world.call("q", PurgeQueue).await.unwrap();
    assert_eq!(world.journal.trims(), 0, "three megabytes are no reason while there is space");
    world.journal.memory.set_room(Room::Low);
    world.send("q", message("refused")).await.unwrap_err();
    until("a trim", || world.journal.trims() > 0).await;
}

#[tokio::test]
async fn on_a_full_disk_imports_are_refused_as_sends_are() {
    let world = World::over(Memory::automatic(), Options::default());
    world.create("q", Vec::new()).await;
    let carried = Carried {
        id: None,
        message: message("one"),
        sender_id: None,
        sent_at: Timestamp::ZERO.plus_seconds(1),
        receive_count: 0,
        first_received_at: Timestamp::ZERO,
        sequence_number: None,
        source: None,
        standing: Standing::Visible,
    };
    let queue = locator("q").name;
    let import = || world.broker.import(&world.caller, &queue, std::slice::from_ref(&carried));
    for room in [Room::Low, Room::Full] {
        world.journal.memory.set_room(room);
        let (index, error) = import().await.unwrap_err();
        assert_eq!((index, error.code), (None, Code::ServiceUnavailable), "{room:?}");
    }
    world.journal.memory.set_room(Room::Plenty);
    import().await.expect("there is space again");
}

#[tokio::test]
async fn receives_that_wait_when_the_reserve_is_used_up_are_refused_and_get_no_message() {
    let world = World::over(Memory::automatic(), Options::default());
    world.create("q", Vec::new()).await;
    for body in ["one", "two"] {
        world.send("q", NewMessage { delay_seconds: Some(3), ..message(body) }).await.unwrap();
    }
    let (first, second) = (world.receive("q", 20), world.receive("q", 20));
    let fills = async {
        // Both receives have been asked before this is polled.
        world.journal.memory.set_room(Room::Full);
    };
    let (first, second, ()) = tokio::join!(biased; first, second, fills);
    for received in [first, second] {
        assert_eq!(received.map_err(|error| error.code), Err(Code::ServiceUnavailable));
    }

    world.journal.memory.set_room(Room::Plenty);
    let mut found = Vec::new();
    while found.len() < 2 {
        let received = world.receive("q", 15).await.unwrap();
        assert!(!received.is_empty(), "only {found:?}");
        found.extend(received.iter().map(|message| (message.body.clone(), receive_count(message).to_owned())));
    }
    found.sort();
    assert_eq!(found, ["one", "two"].map(|body| (body.to_owned(), "1".to_owned())), "nobody has received them before");
}

#[tokio::test]
async fn on_a_full_disk_survivors_make_way_though_less_is_dead_than_is_put_up_with() {
    let mut options = Options { trim_bytes: 1, snapshot_rest: Duration::ZERO, ..Options::default() };
    // A file is more than a snapshot is large, or none would be taken for what fills one.
    (options.shard.engine.usage.bucket_bytes, options.shard.engine.usage.segment_bytes) = (1, 4 << 10);
    let world = World::over(Memory::automatic(), options);
    world.create("q", Vec::new()).await;
    let long = "x".repeat(20 << 10);
    let bodies = [("goes", long.as_str()), ("stays", "stays")];
    let entries = bodies.map(|(id, body)| BatchEntry { id: id.into(), entry: Ok(message(body)) }).into();
    world.call("q", SendMessageBatch { entries }).await.unwrap();
    for received in world.receive("q", 0).await.unwrap() {
        let receipt_handle = received.receipt_handle;
        let answer = match received.body == long {
            true => world.delete("q", &receipt_handle).await,
            false => world.call("q", ChangeMessageVisibility { receipt_handle, visibility_seconds: 0 }).await,
        };
        answer.unwrap();
    }
    // The record of the batch, the one after that of the queue.
    let batch = Address { position: Position(2), offset: 0, length: 1 };
    let is_there = || world.journal.cached(ShardId(0), batch).is_some();
    until("a trim of what nobody needs", || world.journal.trims() > 0).await;
    assert!(is_there(), "there is space");
    world.journal.memory.set_room(Room::Low);
    world.send("q", message("refused")).await.unwrap_err();
    until("the place of both messages to be given back", || !is_there()).await;
    let left: Vec<_> = world.receive("q", 0).await.unwrap().into_iter().map(|message| message.body).collect();
    assert_eq!(left, ["stays"]);
}

#[tokio::test]
async fn what_is_dead_is_given_back_although_a_snapshot_failed_and_nothing_happens_any_more() {
    let retry = Duration::from_millis(20);
    let mut options =
        Options { trim_bytes: 1, snapshot_rest: Duration::ZERO, snapshot_retry: retry, ..Options::default() };
    (options.shard.engine.usage.bucket_bytes, options.shard.engine.usage.segment_bytes) = (1, 4 << 10);
    let world = World::over(Memory::automatic(), options);
    world.create("q", Vec::new()).await;
    world.send("q", message(&"x".repeat(20 << 10))).await.unwrap();
    let received = world.receive("q", 0).await.unwrap().remove(0);
    world.journal.refuse_snapshots(true);
    world.delete("q", &received.receipt_handle).await.unwrap();
    until("a snapshot that fails", || world.journal.refused_snapshots() > 0).await;
    let sent = Address { position: Position(2), offset: 0, length: 1 };
    assert!(world.journal.cached(ShardId(0), sent).is_some());
    world.journal.refuse_snapshots(false);
    until("the place of the message to be given back", || world.journal.cached(ShardId(0), sent).is_none()).await;
}
