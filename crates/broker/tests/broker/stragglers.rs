//! Real files, and a few messages that nobody takes while everything around them goes: the disk follows what is alive.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stanchion_broker::{Broker, Caller, Options, Secret};
use stanchion_journal::{Journal, Local, local};
use stanchion_types::attributes::AttributeChange;
use stanchion_types::request::{
    BatchEntry, ChangeMessageVisibility, CreateQueue, DeleteMessage, DeleteMessageBatch, DeleteQueue, Envelope,
    PurgeQueue, ReceiveMessage, Request, SendMessageBatch,
};
use stanchion_types::response::{ReceivedMessage, Response};
use stanchion_types::{AccountId, QueueName, Region};

use crate::harness::{LONG, locator, message, receive, until};

pub(crate) const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What the disk may hold besides twice what is alive: the slack, files prepared ahead or begun, which are up to half a
/// megabyte each when the disk is slow to prepare the next, and what dies between two snapshots.
const CONSTANT: u64 = 5 * MIB;

/// A broker on files that are small enough to write many of them.
pub(crate) struct Disk {
    directory: tempfile::TempDir,
    journal: Arc<Local>,
    broker: Broker,
    caller: Caller,
    wall_clock: fn() -> SystemTime,
}

impl Disk {
    fn new() -> Self {
        Disk::with_clock(SystemTime::now)
    }

    /// Makes a broker whose time of day is another.
    pub(crate) fn with_clock(wall_clock: fn() -> SystemTime) -> Self {
        Disk::on(tempfile::tempdir().expect("a temporary directory"), wall_clock)
    }

    fn on(directory: tempfile::TempDir, wall_clock: fn() -> SystemTime) -> Self {
        let files = local::Options {
            segment_bytes: 256 * KIB,
            cache_bytes: 256 << 10,
            durability: local::Durability::Memory,
            reserve_segments: 0,
            ..local::Options::default()
        };
        let journal = Arc::new(Local::open(directory.path(), files).expect("a journal"));
        let mut options = Options {
            trim_bytes: 256 * KIB,
            snapshot_rest: Duration::from_millis(10),
            wall_clock,
            ..Options::default()
        };
        let engine = &mut options.shard.engine;
        (engine.window_standard, engine.page_messages) = (64, 32);
        engine.usage.bucket_bytes = 32 * KIB;
        // A file that is full before the next one is ready grows to twice its size; here that is usual.
        engine.usage.segment_bytes = 512 * KIB;
        engine.usage.slack_bytes = MIB;
        engine.usage.step_bytes = 64 * KIB;
        let broker = Broker::open(journal.clone(), &Secret::random().expect("chance"), options).expect("a broker");
        let caller = Caller::anonymous(AccountId::DEFAULT, Region::new("us-east-1").expect("a region"));
        Disk { directory, journal, broker, caller, wall_clock }
    }

    pub(crate) async fn reopen(self) -> Self {
        self.broker.close().await.expect("everything is durable");
        let Disk { directory, journal, broker, wall_clock, .. } = self;
        drop((journal, broker));
        Disk::on(directory, wall_clock)
    }

    pub(crate) async fn call(&self, queue: &str, request: impl Into<Request>) -> Response {
        let request = request.into();
        let envelope = Envelope { action: request.action(), queue: Some(locator(queue)), request: Ok(request) };
        let answer = tokio::time::timeout(LONG, self.broker.call(&self.caller, envelope)).await;
        answer.expect("an answer in time").expect("nothing is wrong with the request")
    }

    async fn create(&self, queue: &str) {
        self.create_with(queue, Vec::new()).await;
    }

    pub(crate) async fn create_with(&self, queue: &str, attributes: Vec<AttributeChange>) {
        let name = QueueName::new(queue).expect("a name");
        let request = Request::from(CreateQueue { name, attributes, tags: Vec::new() });
        let envelope = Envelope { action: request.action(), queue: None, request: Ok(request) };
        self.broker.call(&self.caller, envelope).await.expect("a queue");
    }

    /// Sends ten messages of four kilobytes.
    pub(crate) async fn send(&self, queue: &str, numbers: std::ops::Range<u64>) {
        let entry = |number| BatchEntry { id: format!("m{number}"), entry: Ok(message(&body(number))) };
        self.call(queue, SendMessageBatch { entries: numbers.map(entry).collect() }).await;
    }

    /// Receives up to ten messages for twelve hours.
    async fn take(&self, queue: &str) -> Vec<ReceivedMessage> {
        let wish = ReceiveMessage { visibility_seconds: Some(43_200), ..receive(0) };
        match self.call(queue, wish).await {
            Response::Messages(messages) => messages,
            other => panic!("{other:?}"),
        }
    }

    async fn delete(&self, queue: &str, messages: &[ReceivedMessage]) {
        let entries = messages.iter().enumerate().map(|(number, message)| BatchEntry {
            id: format!("d{number}"),
            entry: Ok(DeleteMessage { receipt_handle: message.receipt_handle.clone() }),
        });
        self.call(queue, DeleteMessageBatch { entries: entries.collect() }).await;
    }

    /// Takes and deletes messages until there are no more; returns their bodies.
    pub(crate) async fn empty(&self, queue: &str) -> BTreeSet<String> {
        let mut bodies = BTreeSet::new();
        loop {
            let taken = self.take(queue).await;
            if taken.is_empty() {
                return bodies;
            }
            bodies.extend(taken.iter().map(|message| message.body.clone()));
            self.delete(queue, &taken).await;
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.journal.stats().bytes_on_disk
    }

    /// Waits until the disk holds no more than it may for so many bytes that are alive.
    pub(crate) async fn shrinks(&self, alive: u64) {
        let bound = 2 * alive + CONSTANT;
        until(&format!("no more than {bound} bytes on disk for {alive} that are alive"), || self.bytes() <= bound)
            .await;
    }
}

pub(crate) fn body(number: u64) -> String {
    format!("{number:0>4096}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_message_in_a_hundred_that_stays_does_not_keep_the_others_on_disk() {
    let disk = Disk::new();
    disk.create("q").await;
    let mut stragglers = Vec::new();
    for round in 0..600 {
        disk.send("q", 10 * round..10 * round + 10).await;
        let mut taken = disk.take("q").await;
        if round % 10 == 0 {
            stragglers.extend(taken.pop());
        }
        disk.delete("q", &taken).await;
        if round % 50 == 49 {
            disk.shrinks(stragglers.len() as u64 * 4 * KIB).await;
        }
    }
    assert_eq!(stragglers.len(), 60);

    // Each of them is still what it was.
    let mut bodies: BTreeSet<String> = stragglers.iter().map(|message| message.body.clone()).collect();
    for message in &stragglers {
        let receipt_handle = message.receipt_handle.clone();
        disk.call("q", ChangeMessageVisibility { receipt_handle, visibility_seconds: 0 }).await;
    }
    let disk = disk.reopen().await;
    assert!(disk.bytes() <= 2 * 60 * 4 * KIB + CONSTANT, "{} bytes on disk after a restart", disk.bytes());
    for body in disk.empty("q").await {
        assert!(bodies.remove(&body), "a message that was deleted is back");
    }
    assert_eq!(bodies.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_purge_or_a_deletion_frees_comes_back_though_messages_before_and_after_it_stay() {
    let disk = Disk::new();
    for queue in ["keep", "purged", "deleted"] {
        disk.create(queue).await;
    }
    disk.send("keep", 0..10).await;
    for round in 1..300 {
        disk.send("purged", 10 * round..10 * round + 10).await;
        disk.send("deleted", 10 * round..10 * round + 10).await;
    }
    disk.send("keep", 10..20).await;
    assert!(disk.bytes() > 24 * MIB, "{} bytes are in use", disk.bytes());
    disk.call("purged", PurgeQueue).await;
    disk.shrinks((299 + 2) * 40 * KIB).await;
    disk.call("deleted", DeleteQueue).await;
    disk.shrinks(2 * 40 * KIB).await;
    let disk = disk.reopen().await;
    let mut kept = BTreeSet::new();
    for _ in 0..2 {
        kept.extend(disk.take("keep").await.into_iter().map(|message| message.body));
    }
    assert_eq!(kept, (0..20).map(body).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_second_message_of_a_cold_backlog_may_go_and_the_others_are_moved() {
    let disk = Disk::new();
    disk.create("q").await;
    disk.create("churn").await;
    for round in 0..300 {
        disk.send("q", 10 * round..10 * round + 5).await;
        disk.send("churn", 10 * round + 5..10 * round + 10).await;
    }
    disk.call("churn", PurgeQueue).await;
    // Half of every file is dead. Moving it makes others dead, and the bound is reached.
    disk.shrinks(1500 * 4 * KIB).await;
    let disk = disk.reopen().await;
    assert_eq!(disk.empty("q").await, (0..300).flat_map(|round| 10 * round..10 * round + 5).map(body).collect());
    disk.shrinks(0).await;
}
