//! Backups while everything moves.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{LONG, Server, directory, run, stanchion};
use crate::{export, messages, ok, text};

/// What clients know for sure.
#[derive(Default)]
struct Ledger {
    sent: BTreeSet<String>,
    /// Deletions that were asked for, whether or not they were answered.
    deleting: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

/// What all clients know, and who waits for more.
#[derive(Default)]
struct Book {
    ledger: Mutex<Ledger>,
    changed: Condvar,
}

/// Sends, receives and deletes until told to stop.
fn work(server: &Server, worker: usize, book: &Book, stop: &AtomicBool) {
    let ledger = &book.ledger;
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let bodies: Vec<String> = (0..10).map(|index| format!("{worker}-{}-{:0>20000}", number + index, 0)).collect();
        number += 10;
        let entry = |(id, body): (usize, &String)| json!({ "Id": id.to_string(), "MessageBody": body });
        let entries: Vec<Value> = bodies.iter().enumerate().map(entry).collect();
        server.ok("SendMessageBatch", json!({ "QueueUrl": "q", "Entries": entries }));
        ledger.lock().unwrap().sent.extend(bodies);
        let wish = json!({ "QueueUrl": "q", "MaxNumberOfMessages": 7, "VisibilityTimeout": 3600 });
        let answer = server.ok("ReceiveMessage", wish);
        for message in answer["Messages"].as_array().cloned().unwrap_or_default() {
            let body = message["Body"].as_str().unwrap().to_owned();
            ledger.lock().unwrap().deleting.insert(body.clone());
            server.ok("DeleteMessage", json!({ "QueueUrl": "q", "ReceiptHandle": message["ReceiptHandle"] }));
            ledger.lock().unwrap().deleted.insert(body);
            book.changed.notify_all();
        }
    }
}

#[test]
fn a_backup_under_load_has_everything_acknowledged_before_it_and_nothing_deleted_before_it() {
    let directory = directory();
    let (data, vault) = (directory.path().join("data"), directory.path().join("vault"));
    let server = Server::start(directory.path(), &["--segment-size", "4MiB", "--snapshot-interval", "2MiB"]);
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    let (book, stop) = (Book::default(), AtomicBool::new(false));
    let ledger = &book.ledger;
    thread::scope(|scope| {
        for worker in 0..3 {
            let (server, book, stop) = (&server, &book, &stop);
            scope.spawn(move || work(server, worker, book, stop));
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..3 {
                let goal = 300 * (round + 1);
                let too_few = |ledger: &mut Ledger| ledger.deleted.len() < goal;
                let (sent, deleted) = {
                    let ledger = ledger.lock().unwrap();
                    let (ledger, waited) = book.changed.wait_timeout_while(ledger, LONG, too_few).unwrap();
                    assert!(!waited.timed_out(), "the load does not get on");
                    (ledger.sent.clone(), ledger.deleted.clone())
                };
                ok(&["backup", "--data-dir", text(&data), "--to", text(&vault)]);
                let deleting = ledger.lock().unwrap().deleting.clone();
                let copy = directory.path().join(format!("copy-{round}"));
                ok(&["restore", "--from", text(&vault), "--data-dir", text(&copy)]);
                let restored = messages(&export(&copy));
                let bodies: BTreeSet<_> =
                    restored.iter().map(|line| line["Body"].as_str().unwrap().to_owned()).collect();
                assert_eq!(bodies.len(), restored.len(), "no message is there twice");
                let lost: Vec<_> = sent.difference(&bodies).filter(|body| !deleting.contains(*body)).collect();
                assert!(lost.is_empty(), "round {round}: {} messages are lost, such as {}", lost.len(), lost[0]);
                let back: Vec<_> = deleted.intersection(&bodies).collect();
                assert!(back.is_empty(), "round {round}: {} deleted messages are back", back.len());
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_backup_that_is_killed_is_none_and_holds_nothing_back() {
    let directory = directory();
    let (data, vault) = (directory.path().join("data"), directory.path().join("vault"));
    let server = Server::start(directory.path(), &["--segment-size", "4MiB"]);
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    for _ in 0..30 {
        server.ok("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "x".repeat(400_000) }));
    }
    for millis in [1, 5, 10, 20, 30, 40] {
        let mut backup = stanchion(&["backup", "--data-dir", text(&data), "--to", text(&vault)]).spawn().unwrap();
        // The time is what differs: how far the backup gets before it is killed.
        thread::sleep(Duration::from_millis(millis));
        backup.kill().unwrap();
        backup.wait().unwrap();
        let (code, out, _) = run(stanchion(&["backup", "--to", text(&vault), "--list"]));
        if code == 0 {
            assert!(!out.contains("manifest"), "every backup that is listed is whole: {out}");
        }
    }
    ok(&["backup", "--data-dir", text(&data), "--to", text(&vault), "--keep", "1"]);
    let unfinished = std::fs::read_dir(&vault).unwrap().flatten();
    let unfinished = unfinished.filter(|entry| entry.path().to_string_lossy().contains("unfinished")).count();
    assert_eq!(unfinished, 0, "what was left of the others is gone");
    let copy = directory.path().join("copy");
    ok(&["restore", "--from", text(&vault), "--data-dir", text(&copy)]);
    assert_eq!(export(&copy), export(&data));
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_server_that_is_killed_takes_its_unfinished_backup_with_it_and_can_be_backed_up_again() {
    let directory = directory();
    let (data, vault) = (directory.path().join("data"), directory.path().join("vault"));
    let mut server = Server::start(directory.path(), &["--segment-size", "4MiB"]);
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    for _ in 0..30 {
        server.ok("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "x".repeat(400_000) }));
    }
    for millis in [1, 10, 20, 30] {
        let backup = stanchion(&["backup", "--data-dir", text(&data), "--to", text(&vault)]).spawn().unwrap();
        // The time is what differs: how far the backup gets before its server is killed.
        thread::sleep(Duration::from_millis(millis));
        server.kill();
        let output = backup.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        // It may have been done before, or have found no server and worked on the directory by itself.
        assert!(output.status.success() || error.contains("server"), "{error}");
        server = Server::start(directory.path(), &["--segment-size", "4MiB"]);
        assert_eq!(messages(&export(&data)).len(), 30);
    }
    ok(&["backup", "--data-dir", text(&data), "--to", text(&vault)]);
    let list = ok(&["backup", "--to", text(&vault), "--list"]);
    for name in list.lines().filter_map(|line| line.split_once(": ").map(|(name, _)| name)) {
        let copy = directory.path().join(format!("copy-{name}"));
        ok(&["restore", "--from", text(&vault), "--backup", name, "--data-dir", text(&copy)]);
        assert_eq!(messages(&export(&copy)).len(), 30);
    }
}
