//! What messages carry is in no file of the journal, whatever the journal writes: records, snapshots, pages, chunks of
//! deduplication ids.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use stanchion_broker::{Broker, Caller, Options, Secret, restore_image};
use stanchion_journal::local::{self, Directory, Image};
use stanchion_journal::{Local, ShardId};
use stanchion_keyring::Keyring;
use stanchion_keyring::service::LocalKeys;
use stanchion_types::attributes::AttributeChange;
use stanchion_types::message::NewMessage;
use stanchion_types::request::{CreateQueue, Envelope, Request, SendMessage};
use stanchion_types::response::Response;
use stanchion_types::{AccountId, QueueName, Region};

use crate::harness::{in_group, locator, message, receive, text_attribute};

/// What every secret begins with. Nothing else has these letters.
const NEEDLE: &str = "QzNeedleXyzzy";
const MESSAGES: usize = 60;

/// A memory of a few messages and ids: nearly everything is on pages and in chunks.
fn tiny() -> stanchion_shard::Options {
    let engine = stanchion_engine::Options {
        window_standard: 4,
        window_fifo: 4,
        page_messages: 2,
        originals_max: 8,
        chunk_originals: 4,
        ..stanchion_engine::Options::default()
    };
    stanchion_shard::Options { engine, seed: 1 }
}

fn disk(directory: &Path, keyring: Option<&Arc<Keyring>>) -> Arc<Directory> {
    Arc::new(Directory::new(directory).with_keyring(keyring.cloned()))
}

async fn call(broker: &Broker, queue: Option<&str>, request: impl Into<Request>) -> Response {
    let caller = Caller::anonymous(AccountId::DEFAULT, Region::new("us-east-1").expect("a region"));
    let request = request.into();
    let envelope = Envelope { action: request.action(), queue: queue.map(locator), request: Ok(request) };
    broker.call(&caller, envelope).await.expect("an answer")
}

/// Fills a directory with a standard queue, a FIFO queue and one of each with a key of its own, which carry these secrets;
/// returns how many pages and chunks there are.
async fn fill(directory: &Path, keyring: Option<&Arc<Keyring>>) -> (usize, usize) {
    let journal_options =
        local::Options { segment_bytes: 16 << 10, cache_bytes: 0, reserve_segments: 0, ..local::Options::default() };
    let journal = Local::open_on(disk(directory, keyring), journal_options).expect("opens");
    let own = Arc::new(Keyring::draw("own").expect("drawn"));
    let keys = Some(Arc::new(LocalKeys::new(own)) as Arc<_>);
    let options = Options { shard: tiny(), snapshot_bytes: 16 << 10, keys, ..Options::default() };
    let broker = Broker::open(Arc::new(journal), &Secret::random().expect("drawn"), options).expect("opens");
    for (name, key) in [("plain", None), ("plain.fifo", None), ("keyed", Some("own")), ("keyed.fifo", Some("own"))] {
        let fifo = name.ends_with(".fifo");
        let key = key.map(|key: &str| AttributeChange::KmsMasterKeyId(Some(key.to_owned())));
        let attributes = key.into_iter().chain(fifo.then_some(AttributeChange::FifoQueue(true))).collect();
        let create = CreateQueue { name: QueueName::new(name).expect("a name"), attributes, tags: Vec::new() };
        call(&broker, None, create).await;
        let secret = |place: &str| format!("{NEEDLE}-{}-{place}", name.split('.').next().expect("a name"));
        for number in 0..MESSAGES {
            let body = format!("{} {number}", secret("body"));
            let id = format!("{}{number}", secret("id"));
            let message = if fifo { in_group(&body, &secret("group"), Some(&id)) } else { message(&body) };
            let attributes = vec![text_attribute(&secret("name"), &secret("value"))];
            let message = NewMessage { attributes, trace_header: Some(secret("trace")), ..message };
            call(&broker, Some(name), SendMessage { message }).await;
        }
        let Response::Messages(received) = call(&broker, Some(name), receive(0)).await else { panic!("no messages") };
        assert!(!received.is_empty() && received.iter().all(|message| message.body.starts_with(&secret("body"))));
    }
    broker.save_snapshots().await;
    broker.close().await.expect("closes");
    let image = Image::still(disk(directory, keyring)).expect("an image");
    let restored = restore_image(&image, ShardId(0), tiny()).expect("restored");
    let engine = restored.shard.engine();
    let pages = engine.all_queues().map(|queue| queue.pages().count()).sum();
    (pages, engine.chunks_in(&(0..=u64::MAX)).len())
}

/// Tells whether a text is in a file of a directory, and so how many files it looked into.
fn find(directory: &Path, text: &str, looked: &mut usize) -> bool {
    fs::read_dir(directory).expect("a directory").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return find(&path, text, looked);
        }
        *looked += 1;
        let bytes = fs::read(&path).expect("a file");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn pages_chunks_and_queues_with_keys_show_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let keyring = Arc::new(Keyring::draw("journal").expect("drawn"));
    let (pages, chunks) = fill(directory.path(), Some(&keyring)).await;
    assert!(pages >= 40 && chunks >= 4, "{pages} pages and {chunks} chunks were written");
    let mut looked = 0;
    assert!(!find(directory.path(), NEEDLE, &mut looked));
    assert!(looked >= 4, "{looked} files");
}

#[tokio::test]
async fn the_key_of_a_queue_hides_its_messages_even_where_nothing_else_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let (pages, chunks) = fill(directory.path(), None).await;
    assert!(pages >= 40 && chunks >= 4, "{pages} pages and {chunks} chunks were written");
    for place in ["body", "id", "group", "name", "value", "trace"] {
        let secret = |queue: &str| format!("{NEEDLE}-{queue}-{place}");
        assert!(find(directory.path(), &secret("plain"), &mut 0), "the search sees {place}");
        assert!(!find(directory.path(), &secret("keyed"), &mut 0), "{place}");
    }
}
