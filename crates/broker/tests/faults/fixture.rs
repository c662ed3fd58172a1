//! A data directory with a bit of everything, kept as bytes so that it can be broken in many ways.

use std::collections::BTreeMap;
use std::sync::Arc;

use stanchion_broker::{Broker, Caller, Options, Secret};
use stanchion_journal::Local;
use stanchion_journal::inspect::{self, FrameKind};
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{self, Disk};
use stanchion_types::message::{NameFilter, NewMessage, SystemAttributes};
use stanchion_types::request::{
    AttributeNames, ChangeMessageVisibility, CreateQueue, DeleteMessage, Envelope, GetQueueAttributes, ReceiveMessage,
    Request, SendMessage,
};
use stanchion_types::response::{ReceivedMessage, Response, Sent};
use stanchion_types::{AccountId, Error, QueueLocator, QueueName, Region};

pub(crate) const PLAIN: &str = "plain";
pub(crate) const FIFO: &str = "order.fifo";
pub(crate) const QUEUES: [&str; 2] = [PLAIN, FIFO];

/// Longer than any test takes: what was received once is not seen again.
const HIDDEN_SECONDS: u32 = 43_200;

/// Bodies by message id.
pub(crate) type Messages = BTreeMap<String, String>;

/// A data directory as bytes, and what is in it.
#[derive(Clone)]
pub(crate) struct Fixture {
    /// Contents by name.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// What can be received.
    pub(crate) left: Messages,
    /// What is in flight for longer than any test takes: only a repair makes it visible.
    pub(crate) in_flight: Messages,
    /// What was sent and deleted.
    pub(crate) deleted: Messages,
}

/// What a consumer got out of a directory.
#[derive(Default)]
pub(crate) struct Drained {
    pub(crate) messages: Messages,
    /// In the order of arrival, for each queue.
    pub(crate) order: BTreeMap<&'static str, Vec<String>>,
    /// Receives that were answered with a failure of the server.
    pub(crate) failures: usize,
    /// Messages that the queues still hold after that.
    pub(crate) held: usize,
}

/// A server's inside on a disk.
pub(crate) struct World {
    broker: Broker,
    journal: Arc<Local>,
    caller: Caller,
}

impl Fixture {
    /// Writes a directory: several segments, two snapshots, pages, messages in flight; closed cleanly if asked.
    pub(crate) fn write(clean: bool) -> Fixture {
        let disk = Simulated::new();
        let (left, in_flight, deleted) = runtime().block_on(async {
            let world = World::open(&disk).expect("an empty directory opens");
            let written = world.fill().await;
            if clean {
                world.broker.close().await.expect("closes");
            }
            written
        });
        Fixture { files: files(&disk), left, in_flight, deleted }
    }

    /// Puts the files on a disk of their own.
    pub(crate) fn disk(&self) -> Simulated {
        let disk = Simulated::new();
        for directory in ["", "journal", "snapshots"] {
            disk.make_directory(directory).expect("makes a directory");
        }
        for (name, bytes) in &self.files {
            disk.create(name).expect("creates");
            disk.overwrite(name, bytes.clone());
        }
        disk
    }

    /// Returns the names of the segments that hold frames, in order.
    pub(crate) fn segments(&self) -> Vec<String> {
        let used = |name: &&String| name.ends_with(".segment") && !self.regions(name).is_empty();
        self.files.keys().filter(used).cloned().collect()
    }

    /// Returns the names of the snapshots, the oldest first.
    pub(crate) fn snapshots(&self) -> Vec<String> {
        self.files.keys().filter(|name| name.ends_with(".snapshot")).cloned().collect()
    }

    /// Returns where the frames of a segment are: kind, offset, and bytes of header with table, of payload, and of all.
    pub(crate) fn regions(&self, segment: &str) -> Vec<(&'static str, u64, u64, u64, u64)> {
        let number = segment.trim_start_matches("journal/").trim_end_matches(".segment").parse().expect("a number");
        let mut regions = Vec::new();
        inspect::frames_on(&self.disk(), number, &mut |frame, payload| {
            let kind = match frame.kind {
                FrameKind::Base(_) => "base",
                FrameKind::Record { .. } => "record",
                FrameKind::Seal(_) => "seal",
            };
            let head = 72 + 20 * (payload.len() as u64).div_ceil(4096);
            regions.push((kind, frame.offset, head, payload.len() as u64, frame.bytes));
        })
        .expect("the fixture is whole");
        regions
    }
}

impl World {
    /// Opens a broker with small windows and pages on a disk.
    pub(crate) fn open(disk: &Simulated) -> Result<World, String> {
        let options = local::Options { segment_bytes: 16 << 10, cache_bytes: 0, ..local::Options::default() };
        let journal = Local::open_on(Arc::new(disk.clone()), options).map_err(|fault| fault.to_string())?;
        let journal = Arc::new(journal);
        let mut options = Options { snapshot_bytes: 24 << 10, ..Options::default() };
        options.shard.engine.window_standard = 4;
        options.shard.engine.window_fifo = 8;
        options.shard.engine.page_messages = 4;
        let secret = Secret::random().expect("chance");
        let broker = Broker::open(journal.clone(), &secret, options).map_err(|error| error.to_string())?;
        let caller = Caller::anonymous(AccountId::DEFAULT, Region::new("us-east-1").expect("a region"));
        Ok(World { broker, journal, caller })
    }

    async fn call(&self, queue: &str, request: impl Into<Request>) -> Result<Response, Error> {
        let request = request.into();
        let queue = QueueLocator { account: None, name: QueueName::new(queue).expect("a name") };
        let envelope = Envelope { action: request.action(), queue: Some(queue), request: Ok(request) };
        self.broker.call(&self.caller, envelope).await
    }

    pub(crate) async fn create(&self, queue: &str) {
        let name = QueueName::new(queue).expect("a name");
        let fifo = stanchion_types::attributes::AttributeChange::FifoQueue(true);
        let attributes = if name.is_fifo() { vec![fifo] } else { Vec::new() };
        let request = Request::from(CreateQueue { name, attributes, tags: Vec::new() });
        let envelope = Envelope { action: request.action(), queue: None, request: Ok(request) };
        self.broker.call(&self.caller, envelope).await.expect("creates");
    }

    /// Sends a message; returns its id.
    pub(crate) async fn send(&self, queue: &str, body: String) -> String {
        self.sent(queue, body).await.message_id.to_string()
    }

    /// Sends a message to a FIFO queue; returns its sequence number.
    pub(crate) async fn send_numbered(&self, queue: &str, body: String) -> u64 {
        self.sent(queue, body).await.sequence_number.expect("a number").0
    }

    async fn sent(&self, queue: &str, body: String) -> Sent {
        let fifo = queue.ends_with(".fifo");
        let message = NewMessage {
            attributes: Vec::new(),
            attributes_md5: None,
            trace_header: None,
            system_attributes_md5: None,
            delay_seconds: None,
            group_id: fifo.then(|| body[..1].to_owned()),
            deduplication_id: fifo.then(|| body[..8].to_owned()),
            body,
        };
        match self.call(queue, SendMessage { message }).await.expect("sends") {
            Response::Sent(sent) => sent,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn close(self) {
        self.broker.close().await.expect("closes");
    }

    pub(crate) async fn receive(&self, queue: &str, seconds: u32) -> Result<Vec<ReceivedMessage>, Error> {
        let request = ReceiveMessage {
            max_messages: 10,
            visibility_seconds: Some(seconds),
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

    async fn fill(&self) -> (Messages, Messages, Messages) {
        let (mut left, mut in_flight, mut deleted) = (Messages::new(), Messages::new(), Messages::new());
        for queue in QUEUES {
            self.create(queue).await;
        }
        for number in 0..48_usize {
            let queue = QUEUES[usize::from(number % 4 == 3)];
            let letter = ["a", "b", "c"][number % 3];
            // Some span several blocks of a record, some are next to nothing.
            let length = [40, 700, 9_000, 15, 1_500][number % 5];
            let body = format!("{letter}{number:07} {}", letter.repeat(length));
            left.insert(self.send(queue, body.clone()).await, body);
            // A segment whose successor is late grows; then what it holds would be up to the machine.
            self.journal.settle();
            if number % 12 == 11 {
                // Visible again at once, with a count of receives.
                self.receive(PLAIN, 0).await.expect("receives");
            }
        }
        for queue in QUEUES {
            let received = self.receive(queue, HIDDEN_SECONDS).await.expect("receives");
            for (number, message) in received.into_iter().enumerate() {
                let (receipt_handle, id) = (message.receipt_handle, message.message_id.to_string());
                if number % 2 == 0 {
                    self.call(queue, DeleteMessage { receipt_handle }).await.expect("deletes");
                    deleted.extend(left.remove_entry(&id));
                } else if number == 1 && queue == PLAIN {
                    in_flight.extend(left.remove_entry(&id));
                } else {
                    let request = ChangeMessageVisibility { receipt_handle, visibility_seconds: 0 };
                    self.call(queue, request).await.expect("changes");
                }
                self.journal.settle();
            }
        }
        assert_eq!(in_flight.len(), 1);
        (left, in_flight, deleted)
    }

    /// Receives whatever there is, until there is nothing more or nothing more can be had.
    pub(crate) async fn drain(&self) -> Drained {
        let mut drained = Drained::default();
        for queue in QUEUES {
            let (mut empty, mut failed) = (0, 0);
            while empty < 2 && failed < 6 {
                match self.receive(queue, HIDDEN_SECONDS).await {
                    Ok(messages) if messages.is_empty() => empty += 1,
                    Ok(messages) => {
                        (empty, failed) = (0, 0);
                        for message in messages {
                            drained.order.entry(queue).or_default().push(message.body.clone());
                            drained.messages.insert(message.message_id.to_string(), message.body);
                            // Lets the next of its group be received.
                            let request = DeleteMessage { receipt_handle: message.receipt_handle };
                            self.call(queue, request).await.expect("deletes");
                        }
                    }
                    // The queue may be among what could not be saved.
                    Err(error) if error.code == stanchion_types::Code::QueueDoesNotExist => break,
                    Err(error) => {
                        assert_eq!(error.code, stanchion_types::Code::InternalFailure, "{error:?}");
                        failed += 1;
                        drained.failures += 1;
                    }
                }
            }
        }
        for queue in QUEUES {
            drained.held += self.held(queue).await;
        }
        drained
    }

    /// Returns how many messages a queue holds, visible or not.
    async fn held(&self, queue: &str) -> usize {
        match self.call(queue, GetQueueAttributes { names: AttributeNames::All }).await {
            Ok(Response::Attributes(attributes)) => {
                let counts = attributes.iter().filter(|(name, _)| name.name().starts_with("ApproximateNumber"));
                counts.map(|(_, count)| count.parse::<usize>().expect("a count")).sum()
            }
            _ => 0,
        }
    }
}

/// Returns the files of a disk.
pub(crate) fn files(disk: &dyn Disk) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for directory in ["journal", "snapshots"] {
        for file in disk.list(directory).expect("lists") {
            let name = format!("{directory}/{file}");
            let file = disk.open(&name, local::Access::Read).expect("opens");
            let mut bytes = vec![0; file.length().expect("a length") as usize];
            file.read_at(&mut bytes, 0).expect("reads");
            files.insert(name, bytes);
        }
    }
    files
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
