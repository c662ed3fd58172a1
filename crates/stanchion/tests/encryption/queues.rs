//! Queues with a key of the keyring of their own.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Server, directory, run, stanchion};
use crate::{ok, text};

/// Returns the name of the primary key of a keyring.
fn primary(keyring: &Path) -> String {
    let ring = fs::read_to_string(keyring).expect("a keyring");
    ring.lines().next().and_then(|line| line.split('"').nth(1)).expect("its primary key").to_owned()
}

fn create(server: &Server, key: &str) {
    let attributes = json!({ "KmsMasterKeyId": key, "VisibilityTimeout": "600" });
    server.ok("CreateQueue", json!({ "QueueName": "q", "Attributes": attributes }));
}

/// Receives one message with its receive count, or the code of the refusal.
fn receive(server: &Server) -> Result<Value, String> {
    let (status, answer) = server.call("ReceiveMessage", json!({ "QueueUrl": "q", "AttributeNames": ["All"] }));
    if status == 200 {
        return Ok(answer["Messages"][0].clone());
    }
    Err(answer["__type"].as_str().expect("a code").rsplit('#').next().expect("a name").to_owned())
}

#[test]
fn a_key_of_the_keyring_can_be_taken_from_a_queue_and_given_back() {
    let root = directory();
    let (data, ring, aside) = (root.path().join("data"), root.path().join("ring"), root.path().join("aside"));
    ok(&["keyring", "create", text(&ring)]);
    let first = primary(&ring);
    let server = Server::start(root.path(), &["--keyring", text(&ring)]);
    create(&server, &format!("alias/{first}"));
    server.ok("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "a" }));
    let with_first = fs::read_to_string(&ring).expect("a keyring");
    ok(&["keyring", "rotate", "--keyring", text(&ring), "--data-dir", text(&data)]);
    assert_ne!(primary(&ring), first);
    assert_eq!(server.stop(), 0);

    // Without the key of the queue: the journal does not need it any more.
    let whole = fs::read_to_string(&ring).expect("a keyring");
    fs::copy(&ring, &aside).expect("copied");
    let without: Vec<&str> = whole.lines().filter(|line| !line.starts_with(&format!("\"{first}\""))).collect();
    fs::write(&ring, without.join("\n")).expect("written");
    let server = Server::start(root.path(), &["--keyring", text(&ring)]);
    for _ in 0..3 {
        assert_eq!(receive(&server), Err("KmsNotFound".to_owned()));
    }
    let (status, answer) = server.call("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "b" }));
    assert_eq!((status, answer["__type"].as_str()), (400, Some("com.amazonaws.sqs#KmsNotFound")), "{answer}");
    let (code, out, _) =
        run(stanchion(&["export", "q", "--plain", "--data-dir", text(&data), "--keyring", text(&ring)]));
    assert!(code == 1 && !out.contains("Body"), "{out}");
    assert_eq!(server.stop(), 0);

    fs::copy(&aside, &ring).expect("copied");
    assert!(fs::read_to_string(&ring).expect("a keyring").len() > with_first.len());
    let server = Server::start(root.path(), &["--keyring", text(&ring)]);
    let vault = root.path().join("vault");
    ok(&["backup", "--data-dir", text(&data), "--to", text(&vault)]);
    let message = receive(&server).expect("a message");
    assert_eq!((&message["Body"], &message["Attributes"]["ApproximateReceiveCount"]), (&json!("a"), &json!("1")));
    assert_eq!(server.stop(), 0);
    let again = directory();
    ok(&["restore", "--from", text(&vault), "--data-dir", text(&again.path().join("data"))]);
    let restored = Server::start(again.path(), &["--keyring", text(&ring)]);
    assert_eq!(receive(&restored).expect("a message")["Body"], "a", "a backup needs its key and nothing else");
    assert_eq!(restored.stop(), 0);
    let exported = ok(&["export", "q", "--plain", "--data-dir", text(&data), "--keyring", text(&ring)]);
    assert!(exported.contains("\"Body\":\"a\""), "{exported}");
    ok(&["check", "--data-dir", text(&data), "--keyring", text(&ring)]);
}

#[test]
fn the_managed_key_needs_no_set_up_and_shows_as_it_was_set() {
    let root = directory();
    let server = Server::start(root.path(), &[]);
    create(&server, "alias/aws/sqs");
    server.ok("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "a" }));
    assert_eq!(receive(&server).expect("a message")["Body"], "a");
    let answer = server.ok("GetQueueAttributes", json!({ "QueueUrl": "q", "AttributeNames": ["All"] }));
    let shown = |name: &str| answer["Attributes"][name].as_str().map(str::to_owned);
    assert_eq!(shown("KmsMasterKeyId").as_deref(), Some("alias/aws/sqs"));
    assert_eq!(shown("KmsDataKeyReusePeriodSeconds").as_deref(), Some("300"));
    assert_eq!(shown("SqsManagedSseEnabled").as_deref(), Some("false"));
    let both = json!({ "KmsMasterKeyId": "alias/aws/sqs", "SqsManagedSseEnabled": "true" });
    let (status, refused) = server.call("SetQueueAttributes", json!({ "QueueUrl": "q", "Attributes": both }));
    assert_eq!(
        (status, refused["__type"].as_str()),
        (400, Some("com.amazonaws.sqs#InvalidAttributeValue")),
        "{refused}"
    );
    server.ok("SetQueueAttributes", json!({ "QueueUrl": "q", "Attributes": { "SqsManagedSseEnabled": "true" } }));
    let answer = server.ok("GetQueueAttributes", json!({ "QueueUrl": "q", "AttributeNames": ["All"] }));
    assert_eq!(answer["Attributes"]["KmsMasterKeyId"], Value::Null, "one kind of encryption at a time");
}
