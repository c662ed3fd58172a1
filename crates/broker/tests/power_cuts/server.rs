//! A server's inside on a simulated disk: the real journal and the real broker, with settings so small that everything
//! they do happens all the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stanchion_broker::{Broker, Caller, Options, Secret};
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{self, Durability};
use stanchion_journal::{Fault, Local};
use stanchion_types::message::{NameFilter, NewMessage, SystemAttribute, SystemAttributes};
use stanchion_types::request::{CreateQueue, Envelope, ReceiveMessage, Request};
use stanchion_types::response::{ReceivedMessage, Response};
use stanchion_types::{AccountId, Error, QueueLocator, QueueName, Region};

use crate::ledger::Message;

/// Longer than any answer takes; who waits this long waits in vain.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a run: what is hidden for so long is not seen again.
pub(crate) const HIDDEN_SECONDS: u32 = 43_200;
/// The longest delay.
const DELAY_SECONDS: u32 = 900;
/// The one tag of every queue.
pub(crate) const TAG: &str = "colour";

/// A broker that is called.
pub(crate) struct Server {
    broker: Broker,
    caller: Caller,
}

/// Settings of a broker whose windows, pages, buckets and snapshots are tiny.
pub(crate) fn options() -> Options {
    let mut options = Options { snapshot_bytes: 8 << 10, trim_bytes: 2 << 10, ..Options::default() };
    options.snapshot_rest = Duration::ZERO;
    let engine = &mut options.shard.engine;
    (engine.window_standard, engine.window_fifo, engine.page_messages) = (3, 4, 3);
    (engine.originals_max, engine.chunk_originals) = (4, 2);
    (engine.usage.bucket_bytes, engine.usage.segment_bytes) = (1 << 10, 16 << 10);
    (engine.usage.slack_bytes, engine.usage.step_bytes) = (4 << 10, 2 << 10);
    engine.rest_seconds = 0;
    options
}

/// Opens the journal on a disk.
pub(crate) fn journal(disk: &Simulated, durability: Durability) -> Result<Arc<Local>, Fault> {
    let options = local::Options {
        segment_bytes: 16 << 10,
        cache_bytes: 4 << 10,
        durability,
        reserve_segments: 3,
        open_segments: 4,
        sealed_bytes_max: 256 << 30,
    };
    Local::open_on(Arc::new(disk.clone()), options).map(Arc::new)
}

/// Waits until nobody else has the journal, and closes it as the end of the process does.
pub(crate) fn kill(journal: Arc<Local>) {
    let start = Instant::now();
    while Arc::strong_count(&journal) > 1 {
        assert!(start.elapsed() < PATIENCE, "somebody keeps the journal");
        std::thread::yield_now();
    }
    drop(journal);
}

impl Server {
    pub(crate) fn open(journal: &Arc<Local>, secret: &Secret) -> Result<Server, String> {
        let broker = Broker::open(Arc::clone(journal) as _, secret, options()).map_err(|error| error.to_string())?;
        let region = Region::new("us-east-1").expect("a region");
        Ok(Server { broker, caller: Caller::anonymous(AccountId::DEFAULT, region) })
    }

    pub(crate) async fn call(&self, queue: &str, request: impl Into<Request>) -> Result<Response, Error> {
        let request = request.into();
        let locator = QueueLocator { account: None, name: QueueName::new(queue).expect("a name") };
        let queue = (!matches!(request, Request::CreateQueue(_))).then_some(locator);
        let envelope = Envelope { action: request.action(), queue, request: Ok(request) };
        tokio::time::timeout(PATIENCE, self.broker.call(&self.caller, envelope)).await.expect("an answer in time")
    }

    pub(crate) async fn create(&self, queue: &str) -> Result<Response, Error> {
        let name = QueueName::new(queue).expect("a name");
        let fifo = stanchion_types::attributes::AttributeChange::FifoQueue(true);
        let attributes = if name.is_fifo() { vec![fifo] } else { Vec::new() };
        self.call(queue, CreateQueue { name, attributes, tags: Vec::new() }).await
    }

    /// Receives messages that nobody else sees for a long time.
    pub(crate) async fn receive(&self, queue: &str, max_messages: u32) -> Result<Vec<ReceivedMessage>, Error> {
        let request = ReceiveMessage {
            max_messages,
            visibility_seconds: Some(HIDDEN_SECONDS),
            wait_seconds: Some(0),
            system_attributes: SystemAttributes::ALL,
            message_attributes: vec![NameFilter::All],
            attempt_id: None,
        };
        match self.call(queue, request).await? {
            Response::Messages(messages) => Ok(messages),
            other => panic!("{other:?}"),
        }
    }

    /// Tells whether the journal has not failed.
    pub(crate) fn is_serving(&self) -> bool {
        self.broker.is_serving()
    }

    pub(crate) async fn close(&self) -> Result<(), String> {
        self.broker.close().await.map_err(|failure| failure.to_string())
    }
}

/// Returns what a client sends.
pub(crate) fn new_message(message: &Message, delayed: bool) -> NewMessage {
    NewMessage {
        body: message.body.clone(),
        attributes: Vec::new(),
        attributes_md5: None,
        trace_header: None,
        system_attributes_md5: None,
        delay_seconds: delayed.then_some(DELAY_SECONDS),
        group_id: message.group.map(str::to_owned),
        deduplication_id: message.deduplication_id.clone(),
    }
}

/// Returns the group of a message that was received.
pub(crate) fn group(message: &ReceivedMessage) -> Option<String> {
    let group = message.system_attributes.iter().find(|(name, _)| *name == SystemAttribute::MessageGroupId);
    group.map(|(_, group)| group.clone())
}
