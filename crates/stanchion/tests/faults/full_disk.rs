//! A server on a file system that is really full. It takes root to mount one; without, the test says so, and what is
//! shown is what the journal's own tests show on a simulated disk.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{LONG, Server};

/// Small segments, so that the file system need not be large: each of the reserve is as long.
const SETTINGS: &[&str] = &["--segment-size=4MiB", "--cache-size=0", "--snapshot-interval=4MiB"];
const BODY_BYTES: usize = 100 * 1024;

/// A file system in memory of 48 MiB for the data directory, as long as this value lives. The log is beside it.
struct Small {
    root: tempfile::TempDir,
    mounted_at: PathBuf,
}

impl Small {
    fn mount() -> Option<Small> {
        let root = tempfile::tempdir().expect("a temporary directory");
        let mounted_at = root.path().join("data");
        fs::create_dir(&mounted_at).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=48m,mode=700", "tmpfs"]).arg(&mounted_at);
        match mount.output() {
            Ok(output) if output.status.success() => Some(Small { root, mounted_at }),
            _ => None,
        }
    }
}

impl Small {
    /// Returns how many bytes the files of the journal and the snapshots occupy.
    fn used(&self) -> u64 {
        let files = ["journal", "snapshots"].map(|part| fs::read_dir(self.mounted_at.join(part)).expect("a directory"));
        // A file may go while it is looked at.
        let sizes = files.into_iter().flatten().filter_map(|file| file.and_then(|file| file.metadata()).ok());
        sizes.map(|file| file.blocks() * 512).sum()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // A server that is being killed may still be there for a moment.
        let _ = Command::new("umount").arg("--lazy").arg(&self.mounted_at).status();
    }
}

fn send(server: &Server, number: usize) -> (u16, Value) {
    let body = format!("{number:06} {}", "x".repeat(BODY_BYTES));
    server.call("SendMessage", json!({ "QueueUrl": "orders", "MessageBody": body }))
}

/// Sends until the server refuses; returns what it said. Every number that was taken is noted.
fn fill(server: &Server, next: &mut usize, held: &mut BTreeSet<usize>) -> Value {
    for _ in 0..1000 {
        let (status, answer) = send(server, *next);
        if status != 200 {
            assert_eq!(status, 503, "{answer}");
            return answer;
        }
        held.insert(*next);
        *next += 1;
    }
    panic!("a thousand messages have not filled the disk");
}

/// Receives and deletes up to so many messages.
fn drain(server: &Server, count: usize, held: &mut BTreeSet<usize>) {
    let mut left = count;
    while left > 0 {
        let wanted = json!({ "QueueUrl": "orders", "MaxNumberOfMessages": left.min(10), "VisibilityTimeout": 600 });
        let answer = server.ok("ReceiveMessage", wanted);
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            return;
        }
        for message in messages {
            let number = message["Body"].as_str().and_then(|body| body[..6].parse().ok()).expect("a number");
            assert!(held.remove(&number), "{number} was never taken, or deleted before");
            server.ok("DeleteMessage", json!({ "QueueUrl": "orders", "ReceiptHandle": message["ReceiptHandle"] }));
            left -= 1;
        }
    }
}

/// Sends and deletes a little, as often as it takes until a quarter of the file system is free: what died is given back
/// when enough has been written since.
fn give_back(server: &Server, small: &Small, next: &mut usize, held: &mut BTreeSet<usize>) {
    let started = Instant::now();
    while small.used() > 36 << 20 {
        assert!(started.elapsed() < LONG, "{} bytes are in use for {} messages", small.used(), held.len());
        for _ in 0..10 {
            wait_for_room(server, next, held);
        }
        drain(server, 10, held);
    }
}

/// Waits until sends work again.
fn wait_for_room(server: &Server, next: &mut usize, held: &mut BTreeSet<usize>) {
    let started = Instant::now();
    loop {
        let number = *next;
        *next += 1;
        if send(server, number).0 == 200 {
            held.insert(number);
            return;
        }
        assert!(started.elapsed() < LONG, "sends do not work again");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_full_disk_refuses_sends_and_nothing_else_and_needs_no_restart_when_there_is_space_again() {
    let Some(small) = Small::mount() else {
        eprintln!("no file system can be mounted here, so this test shows nothing: run it as root");
        return;
    };
    let server = Server::start(small.root.path(), SETTINGS);
    server.ok("CreateQueue", json!({ "QueueName": "orders" }));
    let (mut next, mut held) = (0, BTreeSet::new());
    let refusal = fill(&server, &mut next, &mut held);
    let text = refusal.to_string();
    assert!(text.contains("ServiceUnavailable") && text.contains("disk of the server is full"), "{text}");
    assert!(next > 100, "{next} messages of 100 KiB have filled 48 MiB");
    assert_eq!(server.call("CreateQueue", json!({ "QueueName": "more" })).0, 503);
    server.wait_for_log("the disk is full");

    // Receives and deletes go on, and what they give back is enough for sends.
    drain(&server, next * 2 / 3, &mut held);
    wait_for_room(&server, &mut next, &mut held);
    server.wait_for_log("there is space on the disk again");

    // A server that is killed on a full disk starts there.
    fill(&server, &mut next, &mut held);
    server.kill();
    let server = Server::start(small.root.path(), SETTINGS);
    drain(&server, next / 3, &mut held);

    // Somebody else takes all space, and gives it back. It has to be enough for the reserve, whatever that lacks by then.
    drain(&server, held.len().saturating_sub(20), &mut held);
    give_back(&server, &small, &mut next, &mut held);
    let ballast = small.mounted_at.join("ballast");
    let _ = fs::write(&ballast, vec![1; 48 << 20]);
    fill(&server, &mut next, &mut held);
    fs::remove_file(&ballast).expect("removes");
    wait_for_room(&server, &mut next, &mut held);

    // Nothing that was taken is lost, nothing that was deleted is back, and nothing that was refused has happened.
    server.kill();
    let server = Server::start(small.root.path(), SETTINGS);
    drain(&server, usize::MAX, &mut held);
    assert_eq!(held, BTreeSet::new(), "these are lost");
    assert_eq!(server.stop(), 0);
}

#[test]
fn files_that_are_held_for_a_copy_are_given_up_before_the_last_space_is_used() {
    let Some(small) = Small::mount() else {
        eprintln!("no file system can be mounted here, so this test shows nothing: run it as root");
        return;
    };
    let server = Server::start(small.root.path(), &[SETTINGS, &["--reserve-segments=0"]].concat());
    server.ok("CreateQueue", json!({ "QueueName": "orders" }));
    let (mut next, mut held) = (0, BTreeSet::new());
    let socket = UnixStream::connect(small.mounted_at.join("control.sock")).expect("the server accepts");
    socket.set_read_timeout(Some(LONG)).expect("a timeout");
    let mut socket = BufReader::new(socket);
    let mut ask = |request: Value| {
        socket.get_mut().write_all(format!("{request}\n").as_bytes()).expect("the request is sent");
        let mut answer = String::new();
        socket.read_line(&mut answer).expect("an answer");
        serde_json::from_str::<Value>(&answer).expect("JSON")
    };
    let hold = ask(json!({ "version": 1, "do": "hold", "with": { "snapshot": false } }));
    assert!(hold["ok"]["end"].is_array(), "{hold}");
    assert_eq!(ask(json!({ "version": 1, "do": "ping" })), json!({ "ok": {} }));
    fill(&server, &mut next, &mut held);
    let given_up = ask(json!({ "version": 1, "do": "ping" }));
    assert!(given_up["error"].as_str().is_some_and(|error| error.contains("disk is full")), "{given_up}");
    let release = ask(json!({ "version": 1, "do": "release" }));
    assert_eq!(release["error"], "nothing is held", "whoever copies learns that it is no copy");

    server.ok("PurgeQueue", json!({ "QueueUrl": "orders" }));
    held.clear();
    wait_for_room(&server, &mut next, &mut held);
}
