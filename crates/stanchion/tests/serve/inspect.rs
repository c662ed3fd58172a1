//! Looking into a data directory.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Server, directory, run, stanchion};

/// Runs a command on the data directory of a test: exit code, standard output, standard error.
fn look(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let data = directory.join("data");
    run(stanchion(&[arguments, &["--data-dir", data.to_str().unwrap()]].concat()))
}

/// Returns every file below a directory with its bytes.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn inspect_shows_segments_snapshots_and_queues_and_changes_nothing() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.create_and_send("orders", "x");
    server.ok("TagQueue", serde_json::json!({ "QueueUrl": "orders", "Tags": { "team": "shop" } }));
    let (code, running, _) = look(directory.path(), &["inspect"]);
    assert_eq!(code, 0, "a running server is no obstacle");
    assert!(running.contains("not closed") && running.contains("no snapshots"), "{running}");
    assert!(running.contains("messages: 1 visible, 0 in flight, 0 delayed"), "{running}");
    assert_eq!(server.receive("orders"), ["x"]);
    assert_eq!(server.stop(), 0);

    let before = files(&directory.path().join("data"));
    let (code, all, _) = look(directory.path(), &["inspect"]);
    assert_eq!(code, 0);
    for words in [
        "opened 1 time, closed at offset",
        "segment 1: in use",
        "shard 0: 4 records",
        "snapshot of shard 0: up to position 4",
        "shard 0: 1 queue",
        " bytes for messages, no bytes for deduplication ids",
        "arn:aws:sqs:us-east-1:000000000000:orders",
        "messages: 0 visible, 1 in flight, 0 delayed",
        "VisibilityTimeout=30",
        "tags: team=shop",
    ] {
        assert!(all.contains(words), "{words}: {all}");
    }
    let (_, queues, _) = look(directory.path(), &["inspect", "queues"]);
    assert!(queues.contains("orders") && !queues.contains("segment"), "{queues}");
    let (code, _, _) = look(directory.path(), &["check"]);
    assert_eq!(code, 0);
    assert_eq!(files(&directory.path().join("data")), before);
}

#[test]
fn damage_is_found_by_check_and_refused_by_serve_with_file_and_offset() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.create_and_send("q", "a body to be damaged");
    server.ok("SendMessage", serde_json::json!({ "QueueUrl": "q", "MessageBody": "another" }));
    assert_eq!(server.stop(), 0);

    let data = directory.path().join("data");
    let (path, mut bytes) = files(&data.join("journal")).into_iter().next().unwrap();
    // The first byte after the header and table of the first record.
    let at = bytes.windows(6).position(|window| window == b"SJR1\x02\x01").expect("a record is in the first segment");
    bytes[at + 92] ^= 1;
    fs::write(&path, bytes).unwrap();

    let (code, out, error) = look(directory.path(), &["check"]);
    assert_eq!(code, 1, "{out}");
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(
        out.lines().any(|line| line.starts_with("damaged: ") && line.contains(name) && line.contains("offset")),
        "{out}"
    );
    assert!(error.contains("damage"), "{error}");
    let (code, out, error) = look(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains(name) && error.contains("is damaged at offset"), "{error}");
}

#[test]
fn a_directory_that_is_not_there_is_no_damage_but_nothing_to_inspect() {
    let directory = directory();
    let (code, out, _) = look(directory.path(), &["check"]);
    assert_eq!(code, 0);
    assert!(out.contains("does not exist yet"), "{out}");
    let (code, out, error) = look(directory.path(), &["inspect"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("data directory"), "{error}");
    assert!(!directory.path().join("data").exists());
}

#[test]
fn a_reader_that_has_left_is_no_failure() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.create_and_send("q", "m");
    assert_eq!(server.stop(), 0);
    let data = directory.path().join("data");
    for command in ["check", "inspect"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut looking = stanchion(&[command, "--data-dir", data.to_str().unwrap()]);
        let status = looking.stdout(writer).status().expect("the binary runs");
        assert!(status.success(), "{command}: {status}");
    }
}
