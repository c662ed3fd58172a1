//! What the journal may forget, and when.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use stanchion_broker::Options;
use stanchion_journal::{Fault, Journal, Memory, Position, ShardId};
use stanchion_types::request::PurgeQueue;

use crate::harness::{World, message, until};

/// Every record is a bucket of its own, and a thousand dead bytes are reason enough to give them back.
fn tidy() -> Options {
    let mut options = Options { trim_bytes: 1000, ..Options::default() };
    options.shard.engine.usage.bucket_bytes = 1;
    options
}

fn is_pending<T>(future: Pin<&mut impl Future<Output = T>>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

fn snapshot_at(world: &World) -> u64 {
    world.journal.load_snapshot(ShardId(0)).unwrap().map_or(0, |(position, _)| position.0)
}

#[tokio::test]
async fn a_purge_gives_its_space_back_though_nothing_more_is_written() {
    let world = World::over(Memory::automatic(), tidy());
    world.create("q", Vec::new()).await;
    for _ in 0..10 {
        world.send("q", message(&"x".repeat(1000))).await.unwrap();
    }
    assert_eq!(snapshot_at(&world), 0, "nothing is dead yet");
    world.call("q", PurgeQueue).await.unwrap();
    until("a trim", || world.journal.trims() > 0).await;
    assert_eq!(snapshot_at(&world), 12);
    let visited = world.journal.replay(ShardId(0), Position(1), &mut |_| Ok(()));
    assert!(matches!(visited, Err(Fault::Trimmed { first: Position(13), .. })), "{visited:?}");
}

#[tokio::test]
async fn what_died_before_a_crash_is_given_back_after_it() {
    let world = World::over(Memory::automatic(), Options { trim_bytes: u64::MAX, ..tidy() });
    world.create("q", Vec::new()).await;
    world.send("q", message(&"x".repeat(1000))).await.unwrap();
    world.call("q", PurgeQueue).await.unwrap();
    let world = world.crash_with(tidy());
    until("a trim", || world.journal.trims() > 0).await;
    assert_eq!(snapshot_at(&world), 3);
}

#[tokio::test]
async fn a_content_that_somebody_was_told_of_is_kept_until_it_was_read() {
    let world = World::over(Memory::manual().without_cache(), tidy());
    let memory = &world.journal.memory;
    {
        let mut create = pin!(world.create("q", Vec::new()));
        assert!(is_pending(create.as_mut()));
        memory.sync_all();
        create.await;
    }
    let body = "x".repeat(5000);
    let mut send = pin!(world.send("q", message(&body)));
    until("a record", || is_pending(send.as_mut()) && memory.sync_next()).await;
    send.await.unwrap();
    let mut receive = pin!(world.receive("q", 0));
    assert!(is_pending(receive.as_mut()));
    memory.sync_all();
    // The receive is answered, and its content is being read from now on.
    until("an answer", || is_pending(receive.as_mut()) && memory.waiting_fetches() == 1).await;
    let mut purge = pin!(world.call("q", PurgeQueue));
    assert!(is_pending(purge.as_mut()));
    memory.sync_all();
    purge.await.unwrap();
    until("a snapshot", || snapshot_at(&world) == 4).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.journal.trims(), 0, "the content is still being read");
    memory.deliver();
    assert_eq!(receive.await.unwrap()[0].body, body);
    until("a trim", || world.journal.trims() > 0).await;
}

#[tokio::test]
async fn a_large_snapshot_is_not_written_again_for_a_little_space() {
    let world = World::over(Memory::automatic(), Options { snapshot_rest: Duration::ZERO, ..tidy() });
    world.create("q", Vec::new()).await;
    world.create("other", Vec::new()).await;
    let body = "x".repeat(2000);
    for _ in 0..600 {
        world.send("q", message(&body)).await.unwrap();
    }
    world.send("other", message(&body)).await.unwrap();
    let before = world.journal.trims();
    world.call("other", PurgeQueue).await.unwrap();
    until("a snapshot of all messages", || world.journal.trims() > before).await;
    let size = |world: &World| world.journal.load_snapshot(ShardId(0)).unwrap().map_or(0, |(_, state)| state.len());
    let (large, before) = (size(&world), world.journal.trims());
    let mut deleted = 0;
    while world.journal.trims() == before {
        let received = world.receive("q", 0).await.unwrap();
        assert!(!received.is_empty(), "all of it is dead, and the journal keeps it");
        for message in received {
            world.delete("q", &message.receipt_handle).await.unwrap();
            deleted += body.len();
        }
    }
    assert!(deleted > 2 * large, "{large} bytes were written again to forget {deleted}");
}
