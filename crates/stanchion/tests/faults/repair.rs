//! What a repair saves, keeps, and says.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::directory::{Broken, SEGMENT_SIZE, names};
use crate::harness::{Server, run, stanchion};

/// Breaks a directory.
type Damage = fn(&Broken);

#[test]
fn a_whole_directory_is_left_alone() {
    let broken = Broken::new();
    let before = names(&broken.path(""));
    let out = broken.repair_nothing();
    assert!(out.contains("nothing to repair"), "{out}");
    assert_eq!(names(&broken.path("")), before);
}

#[test]
fn a_directory_of_somebody_else_is_not_touched() {
    let directory = crate::harness::directory();
    let path = directory.path().join("shared");
    fs::create_dir(&path).expect("is made");
    fs::write(path.join("notes"), "x").expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("sets");
    let (code, _, error) = run(stanchion(&["check", "--repair", "--data-dir", path.to_str().expect("text")]));
    assert!(code == 1 && error.contains("holds no journal"), "{code} {error}");
    assert_eq!(names(&path), ["notes"]);
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o777);
}

#[test]
fn one_damaged_body_costs_one_message_and_the_old_files_are_kept() {
    let broken = Broken::new();
    broken.flip_body(&broken.bodies[7]);
    let out = broken.repair();
    let lost: Vec<_> = out.lines().filter(|line| line.starts_with("lost: ")).collect();
    assert_eq!(lost.len(), 1, "{out}");
    assert!(lost[0].starts_with("lost: message ") && lost[0].contains("orders"), "{out}");
    assert!(out.contains("saved 1 queue and 29 messages"), "{out}");
    let kept = names(&broken.path(""));
    for name in ["journal.damaged-1", "snapshots.damaged-1"] {
        assert!(kept.iter().any(|kept| kept == name) && out.contains(name), "{name}: {kept:?}, {out}");
    }
    assert_eq!(broken.serve(), broken.bodies_but(&[7]));
}

#[test]
fn whatever_is_missing_the_rest_is_saved_and_a_start_serves_it() {
    let damages: [(&str, Damage); 7] = [
        ("first segment", |broken| fs::remove_file(&broken.segments()[0]).expect("removes")),
        ("middle segment", |broken| fs::remove_file(&broken.segments()[1]).expect("removes")),
        ("last segment", |broken| fs::remove_file(broken.segments().last().expect("one")).expect("removes")),
        ("half a segment", |broken| {
            let file = fs::OpenOptions::new().write(true).open(&broken.segments()[1]).expect("opens");
            file.set_len(2_000_000).expect("cuts");
        }),
        ("state", |broken| fs::remove_file(broken.path("journal/state")).expect("removes")),
        ("snapshots", |broken| {
            for name in names(&broken.path("snapshots")) {
                fs::write(broken.path("snapshots").join(name), b"not a snapshot").expect("writes");
            }
        }),
        ("secret", |broken| fs::write(broken.path("handle-secret"), b"short").expect("writes")),
    ];
    for (what, damage) in damages {
        let broken = Broken::new();
        damage(&broken);
        assert_eq!(broken.check().0, 1, "{what}");
        let out = broken.repair();
        let served = broken.serve();
        assert!(served.iter().all(|body| broken.bodies.contains(body)), "{what}");
        match what {
            "state" | "snapshots" | "secret" => assert_eq!(served, broken.bodies, "{what}: {out}"),
            // The largest segment holds sixteen of the thirty.
            _ => assert!(served.len() >= 14, "{what}: only {} are left: {out}", served.len()),
        }
        assert!(what == "state" || out.contains("lost: "), "{what}: {out}");
    }
}

#[test]
fn a_receipt_handle_is_good_for_the_message_that_a_repair_has_saved() {
    let broken = Broken::new();
    let server = Server::start(broken.root.path(), &[SEGMENT_SIZE]);
    let answer = server.ok("ReceiveMessage", json!({ "QueueUrl": "orders", "VisibilityTimeout": 600 }));
    let message = &answer["Messages"][0];
    let received = message["Body"].as_str().expect("a body").to_owned();
    let handle = message["ReceiptHandle"].clone();
    assert_eq!(server.stop(), 0);
    fs::remove_file(broken.path("journal/state")).expect("removes");
    broken.repair();
    let server = Server::start(broken.root.path(), &[SEGMENT_SIZE]);
    server.ok("DeleteMessage", json!({ "QueueUrl": "orders", "ReceiptHandle": handle }));
    assert_eq!(server.stop(), 0);
    let left: Vec<_> = broken.bodies.iter().filter(|body| **body != received).cloned().collect();
    assert_eq!(broken.serve(), left);
}

#[test]
fn a_damaged_snapshot_beside_a_good_one_is_set_aside_without_copying_anything() {
    let broken = Broken::new();
    // A second stop, a second snapshot.
    let server = Server::start(broken.root.path(), &[]);
    server.ok("SendMessage", json!({ "QueueUrl": "orders", "MessageBody": "new" }));
    assert_eq!(server.stop(), 0);
    let snapshots = names(&broken.path("snapshots"));
    assert_eq!(snapshots.len(), 2, "{snapshots:?}");
    let damaged = broken.path("snapshots").join(&snapshots[1]);
    let mut bytes = fs::read(&damaged).expect("a snapshot");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&damaged, bytes).expect("writes");
    let journal = names(&broken.path("journal"));
    let out = broken.repair();
    assert!(out.contains(&format!("{}.damaged-1", snapshots[1])), "{out}");
    assert_eq!(names(&broken.path("journal")), journal, "nothing was copied");
    assert_eq!(broken.serve().len(), 31);
}

#[test]
fn a_repair_that_was_interrupted_refuses_a_start_and_is_finished_by_the_next() {
    let broken = Broken::new();
    broken.flip_body(&broken.bodies[7]);
    broken.repair();
    // As it would be had it stopped between the journal and the snapshots.
    fs::create_dir(broken.path("repaired")).expect("a directory");
    fs::rename(broken.path("snapshots"), broken.path("repaired/snapshots")).expect("renames");
    fs::rename(broken.path("snapshots.damaged-1"), broken.path("snapshots")).expect("renames");
    assert!(broken.refused().contains("a repair was interrupted"));
    assert_eq!(broken.check().0, 1);
    broken.repair_nothing();
    assert!(!broken.path("repaired").exists());
    assert_eq!(broken.serve(), broken.bodies_but(&[7]));
}

impl Broken {
    /// Runs a repair that must find nothing wrong.
    fn repair_nothing(&self) -> String {
        let (code, out, error) = self.run(&["check", "--repair"]);
        assert_eq!(code, 0, "{out}{error}");
        out
    }
}
