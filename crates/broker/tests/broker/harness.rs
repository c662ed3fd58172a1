//! A broker to call, with requests in few words.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use stanchion_broker::{Broker, Caller, Options, Secret};
use stanchion_journal::{
    Address, Epoch, Fault, FetchDone, Journal, Listener, Memory, Position, Record, Room, ShardId, Stats, Tenure,
};
use stanchion_types::attributes::AttributeChange;
use stanchion_types::message::{
    AttributeValue, MessageAttribute, NameFilter, NewMessage, SystemAttribute, SystemAttributes,
};
use stanchion_types::request::{CreateQueue, DeleteMessage, Envelope, ReceiveMessage, Request, SendMessage};
use stanchion_types::response::{ReceivedMessage, Response, Sent};
use stanchion_types::{AccountId, Error, QueueLocator, QueueName, Region};

/// Longer than any answer takes; a test that waits this long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A broker, its journal and who calls it.
pub(crate) struct World {
    pub(crate) journal: Arc<Flawed>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) caller: Caller,
    secret: Secret,
    options: Options,
}

impl World {
    /// Makes a world whose records are durable at once.
    pub(crate) fn new() -> Self {
        World::over(Memory::automatic(), Options::default())
    }

    /// Makes a world over a journal.
    pub(crate) fn over(memory: Memory, options: Options) -> Self {
        World::start(memory, Secret::random().unwrap(), options)
    }

    fn start(memory: Memory, secret: Secret, options: Options) -> Self {
        let journal = Arc::new(Flawed {
            memory,
            unreadable: false.into(),
            unreadable_records: Mutex::default(),
            goes_away: false.into(),
            refuses_snapshots: AtomicBool::new(false),
            refused_snapshots: AtomicU64::new(0),
            panics: false.into(),
            trims: 0.into(),
            commits: 0.into(),
        });
        let broker = Arc::new(Broker::open(journal.clone(), &secret, options.clone()).unwrap());
        let caller = Caller::anonymous(AccountId::DEFAULT, Region::new("us-east-1").unwrap());
        World { journal, broker, caller, secret, options }
    }

    /// Returns the world after a crash: the records that were durable, and nothing else.
    pub(crate) fn crash(self) -> Self {
        World::start(self.journal.memory.crash(), self.secret.clone(), self.options.clone())
    }

    /// As [`World::crash`], and starts again with other settings.
    pub(crate) fn crash_with(self, options: Options) -> Self {
        World::start(self.journal.memory.crash(), self.secret.clone(), options)
    }

    /// Calls the broker for a queue.
    pub(crate) async fn call(&self, queue: &str, request: impl Into<Request>) -> Result<Response, Error> {
        let request = request.into();
        let envelope = Envelope { action: request.action(), queue: Some(locator(queue)), request: Ok(request) };
        tokio::time::timeout(LONG, self.broker.call(&self.caller, envelope)).await.expect("an answer in time")
    }

    /// Creates a queue with attributes.
    pub(crate) async fn create(&self, name: &str, mut attributes: Vec<AttributeChange>) {
        let name = QueueName::new(name).unwrap();
        if name.is_fifo() {
            attributes.push(AttributeChange::FifoQueue(true));
        }
        let request = Request::from(CreateQueue { name, attributes, tags: Vec::new() });
        let envelope = Envelope { action: request.action(), queue: None, request: Ok(request) };
        self.broker.call(&self.caller, envelope).await.unwrap();
    }

    /// Sends a message.
    pub(crate) async fn send(&self, queue: &str, message: NewMessage) -> Result<Sent, Error> {
        match self.call(queue, SendMessage { message }).await? {
            Response::Sent(sent) => Ok(sent),
            other => panic!("{other:?}"),
        }
    }

    /// Receives up to ten messages with all they have, waiting up to so many seconds.
    pub(crate) async fn receive(&self, queue: &str, wait_seconds: u32) -> Result<Vec<ReceivedMessage>, Error> {
        match self.call(queue, receive(wait_seconds)).await? {
            Response::Messages(messages) => Ok(messages),
            other => panic!("{other:?}"),
        }
    }

    /// Deletes a message.
    pub(crate) async fn delete(&self, queue: &str, handle: &str) -> Result<Response, Error> {
        self.call(queue, DeleteMessage { receipt_handle: handle.into() }).await
    }
}

/// Returns how often a message says that it was received.
pub(crate) fn receive_count(message: &ReceivedMessage) -> &str {
    let counted = |(name, _): &&(SystemAttribute, String)| *name == SystemAttribute::ApproximateReceiveCount;
    &message.system_attributes.iter().find(counted).expect("a receive count").1
}

pub(crate) fn locator(queue: &str) -> QueueLocator {
    QueueLocator { account: None, name: QueueName::new(queue).unwrap() }
}

/// A wish for up to ten messages with all they have.
pub(crate) fn receive(wait_seconds: u32) -> ReceiveMessage {
    ReceiveMessage {
        max_messages: 10,
        visibility_seconds: None,
        wait_seconds: Some(wait_seconds),
        system_attributes: SystemAttributes::ALL,
        message_attributes: vec![NameFilter::All],
        attempt_id: None,
    }
}

/// A message with nothing but a body.
pub(crate) fn message(body: &str) -> NewMessage {
    NewMessage {
        body: body.into(),
        attributes: Vec::new(),
        attributes_md5: None,
        trace_header: None,
        system_attributes_md5: None,
        delay_seconds: None,
        group_id: None,
        deduplication_id: None,
    }
}

/// A message for a FIFO queue.
pub(crate) fn in_group(body: &str, group: &str, deduplication_id: Option<&str>) -> NewMessage {
    NewMessage { group_id: Some(group.into()), deduplication_id: deduplication_id.map(str::to_owned), ..message(body) }
}

/// A text attribute.
pub(crate) fn text_attribute(name: &str, value: &str) -> MessageAttribute {
    let value = AttributeValue::Text(value.into());
    MessageAttribute { name: name.into(), data_type: "String".into(), value }
}

/// A journal in memory whose contents can be made unreadable, and which can be made to panic.
pub(crate) struct Flawed {
    pub(crate) memory: Memory,
    unreadable: AtomicBool,
    /// Records whose contents cannot be read.
    unreadable_records: Mutex<Vec<u64>>,
    /// Whether nothing can be written any more once something could not be read.
    goes_away: AtomicBool,
    refuses_snapshots: AtomicBool,
    refused_snapshots: AtomicU64,
    panics: AtomicBool,
    trims: AtomicU64,
    commits: AtomicU64,
}

impl Flawed {
    /// Lets every read of contents fail from now on, or succeed again.
    pub(crate) fn set_unreadable(&self, unreadable: bool) {
        self.unreadable.store(unreadable, Ordering::SeqCst);
    }

    /// Lets reads of one record fail from now on.
    pub(crate) fn make_unreadable(&self, position: u64) {
        self.unreadable_records.lock().unwrap().push(position);
    }

    /// Lets the next append fail when something could not be read, as if the disk had gone in between.
    pub(crate) fn go_away_when_unreadable(&self) {
        self.goes_away.store(true, Ordering::SeqCst);
    }

    /// Lets no snapshot be saved from now on, or again.
    pub(crate) fn refuse_snapshots(&self, refuses: bool) {
        self.refuses_snapshots.store(refuses, Ordering::SeqCst);
    }

    /// Returns how many snapshots were refused.
    pub(crate) fn refused_snapshots(&self) -> u64 {
        self.refused_snapshots.load(Ordering::SeqCst)
    }

    /// Lets every append panic from now on.
    pub(crate) fn panic_at_appends(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    /// Returns how often it was trimmed.
    pub(crate) fn trims(&self) -> u64 {
        self.trims.load(Ordering::SeqCst)
    }

    /// Returns how often it was asked to write what was queued.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    fn is_unreadable(&self, at: &[Address]) -> bool {
        let records = self.unreadable_records.lock().unwrap();
        self.unreadable.load(Ordering::SeqCst) || at.iter().any(|at| records.contains(&at.position.0))
    }
}

impl Journal for Flawed {
    fn acquire(&self, shard: ShardId, listener: Arc<dyn Listener>) -> Result<Tenure, Fault> {
        self.memory.acquire(shard, listener)
    }

    fn append(&self, epoch: Epoch, record: Record) -> Result<(), Fault> {
        assert!(!self.panics.load(Ordering::SeqCst), "a test broke it");
        self.memory.append(epoch, record)
    }

    fn commit(&self) {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.memory.commit();
    }

    fn durable(&self, shard: ShardId) -> Position {
        self.memory.durable(shard)
    }

    fn cached(&self, shard: ShardId, at: Address) -> Option<Bytes> {
        if self.is_unreadable(&[at]) { None } else { self.memory.cached(shard, at) }
    }

    fn fetch(&self, shard: ShardId, at: Vec<Address>, done: FetchDone) {
        if self.is_unreadable(&at) {
            if self.goes_away.load(Ordering::SeqCst) {
                self.memory.fail_next_append(Fault::corrupt("a file", 7, "the disk is gone"));
            }
            std::thread::spawn(move || done(Err(Fault::corrupt("a file", 7, "a wrong checksum"))));
        } else {
            self.memory.fetch(shard, at, done);
        }
    }

    fn replay(
        &self,
        shard: ShardId,
        from: Position,
        visit: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Position, Fault> {
        self.memory.replay(shard, from, visit)
    }

    fn trim(&self, shard: ShardId, below: Position) -> Result<(), Fault> {
        let trimmed = self.memory.trim(shard, below);
        self.trims.fetch_add(1, Ordering::SeqCst);
        trimmed
    }

    fn release(&self, shard: ShardId, ranges: &[RangeInclusive<Position>]) -> Result<(), Fault> {
        self.memory.release(shard, ranges)
    }

    fn save_snapshot(&self, shard: ShardId, at: Position, bytes: Bytes) -> Result<(), Fault> {
        if self.refuses_snapshots.load(Ordering::SeqCst) {
            self.refused_snapshots.fetch_add(1, Ordering::SeqCst);
            return Err(Fault::corrupt("a snapshot", 0, "a test refuses it"));
        }
        self.memory.save_snapshot(shard, at, bytes)
    }

    fn load_snapshot(&self, shard: ShardId) -> Result<Option<(Position, Bytes)>, Fault> {
        self.memory.load_snapshot(shard)
    }

    fn room(&self) -> Room {
        self.memory.room()
    }

    fn stats(&self) -> Stats {
        self.memory.stats()
    }

    fn close(&self) -> Result<(), Fault> {
        self.memory.close()
    }
}

/// Waits until something is so, and no longer than [`LONG`].
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            // Nothing wakes whoever waits for a figure of the journal, so it is looked at again.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("{what} in time"));
}
