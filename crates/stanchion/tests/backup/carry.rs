//! Queues from one server to another as lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Server, directory};
use crate::{export, messages, ok, refused, text};

/// Fills a server with one of everything.
fn fill(server: &Server) {
    server.ok("CreateQueue", json!({ "QueueName": "dead", "tags": { "team": "shop" } }));
    let dead = "arn:aws:sqs:us-east-1:000000000000:dead";
    let redrive = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": "1" }).to_string();
    let attributes = json!({ "RedrivePolicy": redrive, "VisibilityTimeout": "0", "MessageRetentionPeriod": "86400" });
    server.ok("CreateQueue", json!({ "QueueName": "a-source", "Attributes": attributes }));
    server.ok("SendMessage", json!({ "QueueUrl": "a-source", "MessageBody": "a dead letter" }));
    for _ in 0..2 {
        server.ok("ReceiveMessage", json!({ "QueueUrl": "a-source" }));
    }
    server.ok("CreateQueue", json!({ "QueueName": "standard" }));
    let attributes = json!({
        "text": { "DataType": "String", "StringValue": "ü\n\"" },
        "number": { "DataType": "Number.int", "StringValue": "7" },
        "binary": { "DataType": "Binary", "BinaryValue": "AAH/" },
    });
    let trace = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793" } });
    server.ok(
        "SendMessage",
        json!({ "QueueUrl": "standard", "MessageBody": "first", "MessageAttributes": attributes,
            "MessageSystemAttributes": trace, "MessageGroupId": "tenant" }),
    );
    let answer = server.ok("ReceiveMessage", json!({ "QueueUrl": "standard", "VisibilityTimeout": 3600 }));
    assert_eq!(answer["Messages"][0]["Body"], "first");
    server.ok("SendMessage", json!({ "QueueUrl": "standard", "MessageBody": "é".repeat(200_000) }));
    server.ok("SendMessage", json!({ "QueueUrl": "standard", "MessageBody": "later", "DelaySeconds": 900 }));
    let fifo = json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" });
    server.ok("CreateQueue", json!({ "QueueName": "orders.fifo", "Attributes": fifo }));
    for number in 0..30 {
        let group = format!("g{}", number % 3);
        let body = format!("order {number}");
        server.ok("SendMessage", json!({ "QueueUrl": "orders.fifo", "MessageBody": body, "MessageGroupId": group }));
    }
    server.ok("ReceiveMessage", json!({ "QueueUrl": "orders.fifo", "VisibilityTimeout": 0, "MaxNumberOfMessages": 2 }));
}

/// Returns what must not change on the way: by queue, in order.
fn essence(lines: &[String]) -> BTreeMap<String, Vec<Value>> {
    let mut queues = BTreeMap::<String, Vec<Value>>::new();
    for mut message in messages(lines) {
        let attributes = message["Attributes"].as_object_mut().expect("attributes");
        attributes.remove("SequenceNumber");
        if message["State"] == "in-flight" {
            message["State"] = json!("delayed");
        }
        queues.entry(message["QueueName"].as_str().expect("a name").to_owned()).or_default().push(message);
    }
    for (name, messages) in &mut queues {
        if !name.ends_with(".fifo") {
            messages.sort_by_key(|message| message["MessageId"].to_string());
        }
    }
    queues
}

fn queues(lines: &[String]) -> Vec<Value> {
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut queues: Vec<Value> = lines.filter(|line| line.get("Body").is_none()).collect();
    for queue in &mut queues {
        let attributes = queue["Attributes"].as_object_mut().expect("attributes");
        attributes.remove("CreatedTimestamp");
        attributes.remove("LastModifiedTimestamp");
    }
    queues
}

/// Imports a file that was exported from another data directory, with the keyring of that.
fn import(data: &Path, file: &Path, from: &Path) {
    ok(&["import", text(file), "--data-dir", text(data), "--keyring", text(&from.join("keyring"))]);
}

#[test]
fn what_is_exported_and_imported_is_the_same_again() {
    let (first, second) = (directory(), directory());
    let server = Server::start(first.path(), &[]);
    fill(&server);
    let from = first.path().join("data");
    let lines = export(&from);
    let (file, plain) = (first.path().join("all.sealed"), first.path().join("all.jsonl"));
    ok(&["export", "--all", "--output", text(&file), "--data-dir", text(&from)]);
    ok(&["export", "--all", "--plain", "--output", text(&plain), "--data-dir", text(&from)]);
    assert_eq!(fs::read_to_string(&plain).expect("written").lines().collect::<Vec<_>>(), lines);
    assert_eq!(server.stop(), 0);

    let server = Server::start(second.path(), &[]);
    import(&second.path().join("data"), &file, &from);
    let again = export(&second.path().join("data"));
    assert_eq!(queues(&again), queues(&lines));
    assert_eq!(essence(&again), essence(&lines));
    let dead = &essence(&again)["dead"][0];
    assert_eq!(dead["Attributes"]["DeadLetterQueueSourceArn"], "arn:aws:sqs:us-east-1:000000000000:a-source");
    assert_eq!(dead["Attributes"]["ApproximateReceiveCount"], "1");

    // And they can be received as before.
    let wish = json!({ "QueueUrl": "orders.fifo", "MaxNumberOfMessages": 10, "AttributeNames": ["All"] });
    let answer = server.ok("ReceiveMessage", wish);
    let received = answer["Messages"].as_array().expect("messages");
    assert_eq!(received[0]["Attributes"]["ApproximateReceiveCount"], "2");
    server.ok("SendMessage", json!({ "QueueUrl": "orders.fifo", "MessageBody": "new", "MessageGroupId": "g" }));
    assert_eq!(server.stop(), 0);
    let numbers: Vec<u128> = messages(&export(&second.path().join("data")))
        .iter()
        .filter_map(|message| message["Attributes"]["SequenceNumber"].as_str()?.parse().ok())
        .collect();
    assert_eq!(numbers.len(), 31);
    assert!(numbers.is_sorted_by(|a, b| a < b), "sequence numbers grow, and a message sent later has the largest");
}

#[test]
fn a_backlog_on_pages_is_carried_in_order() {
    let (first, second) = (directory(), directory());
    let server = Server::start(first.path(), &[]);
    server.ok("CreateQueue", json!({ "QueueName": "deep" }));
    for batch in 0..1_050 {
        let entry = |index: usize| json!({ "Id": index.to_string(), "MessageBody": (10 * batch + index).to_string() });
        let entries: Vec<_> = (0..10).map(entry).collect();
        server.ok("SendMessageBatch", json!({ "QueueUrl": "deep", "Entries": entries }));
    }
    let (from, to) = (first.path().join("data"), second.path().join("data"));
    let lines = export(&from);
    let numbers = |lines: &[String]| -> Vec<u64> {
        let bodies = messages(lines).into_iter().map(|message| message["Body"].as_str().expect("a body").parse());
        bodies.collect::<Result<_, _>>().expect("numbers")
    };
    assert_eq!(numbers(&lines), (0..10_500).collect::<Vec<_>>());
    let file = first.path().join("deep.sealed");
    ok(&["export", "deep", "--output", text(&file), "--data-dir", text(&from)]);
    let other = Server::start(second.path(), &[]);
    import(&to, &file, &from);
    assert_eq!(numbers(&export(&to)), (0..10_500).collect::<Vec<_>>());
    assert_eq!(essence(&export(&to)), essence(&lines));
    other.kill();
    assert_eq!(essence(&export(&to)), essence(&lines), "what was imported is durable");
}

#[test]
fn a_bad_line_is_named_and_changes_nothing_of_its_batch() {
    let directory = directory();
    let data = directory.path().join("data");
    let _server = Server::start(directory.path(), &[]);
    let file = directory.path().join("lines");
    let large = json!({ "QueueName": "q2", "Body": "x".repeat(1025) }).to_string();
    for (number, (bad, words)) in [
        (r#"{"QueueName":"q0","Body":"#, "EOF"),
        (r#"{"QueueName":"q1","Body":"x","Attributes":{"SentTimestamp":"x"}}"#, "SentTimestamp"),
        (large.as_str(), "1024"),
        (r#"{"QueueName":"none","Body":"x"}"#, "queue none"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("q{number}");
        let attributes = json!({ "MaximumMessageSize": "1024" });
        let queue = json!({ "QueueName": name, "Attributes": attributes }).to_string();
        let good = json!({ "QueueName": name, "Body": "good" }).to_string();
        let lines = [vec![queue.as_str()], vec![&good; 150], vec!["", bad, &good]].concat().join("\n");
        fs::write(&file, lines).expect("written");
        let error = refused(&["import", text(&file), "--data-dir", text(&data)]);
        assert!(error.contains("line 153: ") && error.contains(words), "{error}");
        let exported = ok(&["export", &name, "--plain", "--data-dir", text(&data)]);
        let imported = exported.lines().count() - 1;
        assert!(error.contains(&format!("imported {imported} messages and 1 new queue")), "{imported}: {error}");
        // The batch that the bad line belongs to, or would, is not there; the one before it is.
        assert_eq!(imported, if bad.contains("none") { 150 } else { 100 });
    }
}

#[test]
fn of_a_sealed_export_that_was_changed_only_what_was_verified_is_imported() {
    let (first, second) = (directory(), directory());
    let (from, to) = (first.path().join("data"), second.path().join("data"));
    let server = Server::start(first.path(), &[]);
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    for batch in 0..40 {
        let body = |index: usize| format!("{:04} {}", 10 * batch + index, "x".repeat(1000));
        let entry = |index: usize| json!({ "Id": index.to_string(), "MessageBody": body(index) });
        let entries: Vec<_> = (0..10).map(entry).collect();
        server.ok("SendMessageBatch", json!({ "QueueUrl": "q", "Entries": entries }));
    }
    let file = first.path().join("q.sealed");
    ok(&["export", "q", "--output", text(&file), "--data-dir", text(&from)]);
    assert_eq!(server.stop(), 0);
    let whole = fs::read(&file).expect("an export");
    assert!(memchr::memmem::find(&whole, b"xxxxxxxx").is_none(), "the export shows nothing");

    let _other = Server::start(second.path(), &[]);
    let refused_with =
        |keyring: &Path| refused(&["import", text(&file), "--data-dir", text(&to), "--keyring", text(keyring)]);
    let words = refused_with(&to.join("keyring"));
    assert!(words.contains("\"first\""), "another keyring: the key is named: {words}");
    assert!(export(&to).is_empty(), "nothing was imported");
    let keyring = from.join("keyring");
    let mut changed = whole.clone();
    let middle = whole.len() / 2;
    changed[middle] ^= 1;
    for (bytes, what) in [(&whole[..middle], "cut"), (&changed, "is not as it was written")] {
        fs::write(&file, bytes).expect("written");
        let words = refused_with(&keyring);
        assert!(words.contains(what), "{words}");
    }
    // Both times the messages of the chunks before, and nothing of the damaged one: the first of all, in order, twice.
    let imported = messages(&export(&to));
    let bodies: Vec<&str> = imported.iter().map(|line| &line["Body"].as_str().expect("a body")[..4]).collect();
    let once = bodies.len() / 2;
    assert!((100..300).contains(&once), "{once}");
    let expected: Vec<String> = (0..once).chain(0..once).map(|number| format!("{number:04}")).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn messages_can_go_to_a_queue_of_another_name_and_account() {
    let (first, second) = (directory(), directory());
    let server = Server::start(first.path(), &["--account", "111122223333", "--region", "eu-west-1"]);
    server.create_and_send("q", "x");
    let file = first.path().join("q.jsonl");
    ok(&["export", "q", "--plain", "--output", text(&file), "--data-dir", text(&first.path().join("data"))]);
    let other = Server::start(second.path(), &[]);
    let data = second.path().join("data");
    ok(&["import", text(&file), "--queue", "renamed", "--data-dir", text(&data)]);
    assert_eq!(other.receive("renamed"), ["x"]);
    let error = refused(&["import", text(&file), "--queue", "renamed.fifo", "--data-dir", text(&data)]);
    assert!(error.contains("line 1"), "{error}");
    let error = refused(&["export", "q", "--plain", "--data-dir", text(&data)]);
    assert!(error.contains("there is no queue q"), "{error}");
}
