//! A wall clock that somebody sets, and a process that stands still.
//!
//! The clock is set with libfaketime (Debian's package `faketime`), which gives a process another wall clock and leaves
//! its monotonic clock alone. Where it is missing, the tests of the clock say so and prove nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{LONG, Server, directory};

const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// A server whose wall clock the test sets.
struct Clocked {
    server: Server,
    library: &'static str,
    offset: PathBuf,
    directory: TempDir,
}

fn serve(directory: &Path, library: &str, offset: &Path) -> Server {
    let environment = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().expect("a path in UTF-8")),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    Server::start_in(directory, &["--sixty-second-rules=off"], &environment)
}

impl Clocked {
    /// Starts one, or says why there is none.
    fn start() -> Option<Self> {
        let Some(library) = LIBRARIES.iter().find(|library| Path::new(library).exists()) else {
            println!("libfaketime is not installed: nothing is tested here");
            return None;
        };
        let directory = directory();
        let offset = directory.path().join("offset");
        fs::write(&offset, "+0").expect("the offset is written");
        let server = serve(directory.path(), library, &offset);
        Some(Clocked { server, library, offset, directory })
    }

    /// Kills the server and starts it again with the clock as it is set.
    fn restart(&mut self) {
        self.server.signal(Signal::KILL);
        self.server.wait();
        self.server = serve(self.directory.path(), self.library, &self.offset);
    }

    /// Sets the wall clock this far from the true time, in the words of libfaketime: `-1h`, `+1d`.
    fn set(&self, offset: &str) {
        let new = self.offset.with_extension("new");
        fs::write(&new, offset).expect("the offset is written");
        // At once, so that the server never reads half of it.
        fs::rename(&new, &self.offset).expect("the offset is put in place");
    }

    /// Creates a queue with attributes.
    fn create(&self, name: &str, attributes: Value) {
        self.server.ok("CreateQueue", json!({ "QueueName": name, "Attributes": attributes }));
    }

    fn send(&self, queue: &str, body: &str, more: Value) -> String {
        let mut request = json!({ "QueueUrl": queue, "MessageBody": body });
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let answer = self.server.ok("SendMessage", request);
        answer["MessageId"].as_str().expect("a message id").to_owned()
    }

    /// Receives one message, waiting for it for up to 20 seconds. That is far longer than anything hides it here, and
    /// far shorter than the time by which the clock is set.
    fn wait_for(&self, queue: &str) -> Option<String> {
        let answer = self.server.ok("ReceiveMessage", json!({ "QueueUrl": queue, "WaitTimeSeconds": 20 }));
        answer["Messages"][0]["Body"].as_str().map(str::to_owned)
    }
}

#[test]
fn a_clock_set_back_an_hour_prolongs_nothing() {
    let Some(clocked) = Clocked::start() else { return };
    clocked.create("q", json!({ "VisibilityTimeout": "2" }));
    clocked.create("late", json!({}));
    clocked.create("q.fifo", json!({ "FifoQueue": "true" }));
    clocked.send("q", "in flight", json!({}));
    assert_eq!(clocked.server.receive("q"), ["in flight"]);
    clocked.send("late", "delayed", json!({ "DelaySeconds": 3 }));
    let unique = json!({ "MessageGroupId": "g", "MessageDeduplicationId": "d" });
    let first = clocked.send("q.fifo", "once", unique.clone());
    clocked.set("-1h");
    assert_eq!(clocked.wait_for("q").as_deref(), Some("in flight"));
    assert_eq!(clocked.wait_for("late").as_deref(), Some("delayed"));
    assert_eq!(clocked.send("q.fifo", "twice", unique), first, "the deduplication id was forgotten early");
    let began = Instant::now();
    let answer = clocked.server.ok("ReceiveMessage", json!({ "QueueUrl": "late", "WaitTimeSeconds": 1 }));
    assert_eq!(answer, json!({}));
    assert!(began.elapsed() < LONG / 2, "a long poll did not end in time");
}

#[test]
fn a_clock_set_back_holds_over_a_restart() {
    let Some(mut clocked) = Clocked::start() else { return };
    clocked.create("q", json!({ "VisibilityTimeout": "2" }));
    clocked.send("q", "in flight", json!({}));
    assert_eq!(clocked.server.receive("q"), ["in flight"]);
    clocked.set("-1h");
    clocked.restart();
    assert_eq!(clocked.wait_for("q").as_deref(), Some("in flight"));
}

#[test]
fn a_clock_set_forward_a_day_ends_what_ends_within_a_day() {
    let Some(clocked) = Clocked::start() else { return };
    clocked.create("q", json!({}));
    clocked.create("old", json!({ "MessageRetentionPeriod": "3600" }));
    clocked.create("q.fifo", json!({ "FifoQueue": "true" }));
    clocked.send("q", "in flight", json!({}));
    let hour = json!({ "QueueUrl": "q", "VisibilityTimeout": 3600 });
    assert_eq!(clocked.server.ok("ReceiveMessage", hour)["Messages"][0]["Body"], "in flight");
    clocked.send("q", "delayed", json!({ "DelaySeconds": 900 }));
    clocked.send("old", "too old tomorrow", json!({}));
    let unique = json!({ "MessageGroupId": "g", "MessageDeduplicationId": "d" });
    let first = clocked.send("q.fifo", "once", unique.clone());
    clocked.set("+1d");
    let mut visible = clocked.server.receive("q");
    visible.sort();
    assert_eq!(visible, ["delayed", "in flight"]);
    assert_eq!(clocked.server.receive("old"), Vec::<String>::new());
    assert_ne!(clocked.send("q.fifo", "again", unique), first, "the deduplication id outlived its five minutes");
    // Back to the truth: time stands at the latest moment ever seen and goes on from there.
    clocked.set("+0");
    clocked.create("new", json!({ "VisibilityTimeout": "1" }));
    clocked.send("new", "after all that", json!({}));
    assert_eq!(clocked.server.receive("new"), ["after all that"]);
    assert_eq!(clocked.wait_for("new").as_deref(), Some("after all that"));
}

#[test]
fn a_process_that_stood_still_goes_on_with_the_time_that_has_passed() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.ok("CreateQueue", json!({ "QueueName": "q", "Attributes": { "VisibilityTimeout": "1" } }));
    server.ok("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "in flight" }));
    assert_eq!(server.receive("q"), ["in flight"]);
    server.signal(Signal::STOP);
    // What passes here is the time of the rule: the timeout must end while the process stands still.
    std::thread::sleep(Duration::from_millis(1200));
    server.signal(Signal::CONT);
    assert_eq!(server.receive("q"), ["in flight"]);
    assert_eq!(server.stop(), 0);
}
