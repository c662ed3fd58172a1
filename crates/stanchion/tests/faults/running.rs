//! Damage under a running server.

use std::fs;

use serde_json::json;

use crate::directory::{Broken, SEGMENT_SIZE, receive_all};
use crate::harness::Server;

#[test]
fn a_segment_deleted_under_a_running_server_costs_its_messages_an_error_and_nothing_else() {
    let broken = Broken::new();
    let segments = broken.segments();
    let server = Server::start(broken.root.path(), &[SEGMENT_SIZE, "--cache-size=0"]);
    fs::remove_file(&segments[1]).expect("removes");
    let received = receive_all(&server);
    assert!(!received.is_empty() && received.len() < broken.bodies.len(), "{} came", received.len());
    assert!(received.iter().all(|body| broken.bodies.contains(body)));
    // Nobody was told that there is nothing: what could not be read is still there.
    let names = json!({ "QueueUrl": "orders", "AttributeNames": ["All"] });
    let attributes = server.ok("GetQueueAttributes", names);
    assert_eq!(attributes["Attributes"]["ApproximateNumberOfMessagesNotVisible"], json!("30"));
    // And new ones go their way.
    server.ok("SendMessage", json!({ "QueueUrl": "orders", "MessageBody": "new" }));
    assert_eq!(server.receive("orders"), ["new"]);
    server.kill();
    assert!(broken.refused().contains("missing"));
}

#[test]
fn a_running_server_is_no_damage_and_keeps_a_repair_away() {
    let broken = Broken::new();
    let server = Server::start(broken.root.path(), &[SEGMENT_SIZE]);
    server.ok("SendMessage", json!({ "QueueUrl": "orders", "MessageBody": "new" }));
    let (code, found) = broken.check();
    assert_eq!((code, &found["shards"][0]["messages"]), (0, &json!(31)), "{found}");
    let (code, out, error) = broken.run(&["check", "--repair"]);
    assert_eq!(code, 1, "{out}");
    assert!(error.contains("locked"), "{error}");
    assert_eq!(server.stop(), 0);
}
