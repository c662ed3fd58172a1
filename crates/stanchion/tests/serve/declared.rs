//! Queues that the settings file declares.

use serde_json::{Value, json};

use crate::harness::{Server, directory, run, settings_file, stanchion};

fn attributes(server: &Server, queue: &str) -> Value {
    server.ok("GetQueueAttributes", json!({ "QueueUrl": queue, "AttributeNames": ["All"] }))["Attributes"].clone()
}

#[test]
fn declared_queues_are_created_updated_and_otherwise_left_alone() {
    let directory = directory();
    let file = settings_file(
        directory.path(),
        r#"
            [[queue]]
            name = "orders"
            attributes = { VisibilityTimeout = 60 }
            tags = { team = "shop" }
            dead_letter = { queue = "orders-dead", max_receive_count = 5 }

            [[queue]]
            name = "orders-dead"

            [[queue]]
            name = "events.fifo"
            attributes = { ContentBasedDeduplication = true }
        "#,
    );
    let file = file.to_str().unwrap();
    let server = Server::start(directory.path(), &["--config", file]);
    let orders = attributes(&server, "orders");
    assert_eq!(orders["VisibilityTimeout"], "60");
    assert_eq!(
        orders["RedrivePolicy"],
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:orders-dead","maxReceiveCount":5}"#
    );
    assert_eq!(attributes(&server, "events.fifo")["ContentBasedDeduplication"], "true");
    assert_eq!(server.ok("ListQueueTags", json!({ "QueueUrl": "orders" })), json!({ "Tags": { "team": "shop" } }));

    server.ok("SendMessage", json!({ "QueueUrl": "orders", "MessageBody": "kept" }));
    let set =
        |attributes: Value| server.ok("SetQueueAttributes", json!({ "QueueUrl": "orders", "Attributes": attributes }));
    set(json!({ "VisibilityTimeout": "1", "DelaySeconds": "7" }));
    server.ok("TagQueue", json!({ "QueueUrl": "orders", "Tags": { "team": "other", "more": "1" } }));
    server.ok("CreateQueue", json!({ "QueueName": "undeclared" }));
    assert_eq!(server.stop(), 0);

    let server = Server::start(directory.path(), &["--config", file]);
    let orders = attributes(&server, "orders");
    assert_eq!((&orders["VisibilityTimeout"], &orders["DelaySeconds"]), (&json!("60"), &json!("7")));
    let tags = server.ok("ListQueueTags", json!({ "QueueUrl": "orders" }));
    assert_eq!(tags, json!({ "Tags": { "team": "shop", "more": "1" } }));
    assert_eq!(server.receive("orders"), ["kept"]);
    server.ok("GetQueueUrl", json!({ "QueueName": "undeclared" }));
}

#[test]
fn a_declaration_that_the_service_refuses_ends_the_start() {
    let directory = directory();
    let text = "[[queue]]\nname = \"q\"\ndead_letter = { queue = \"nowhere\", max_receive_count = 1 }";
    let file = settings_file(directory.path(), text);
    let data = directory.path().join("data");
    let arguments = ["serve", "--config", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    let (code, _, error) = run(stanchion(&[&arguments[..], &["--listen", "127.0.0.1:0"]].concat()));
    assert_eq!(code, 1);
    assert!(error.contains("queue q: ") && error.contains("Dead letter target does not exist"), "{error}");
}
