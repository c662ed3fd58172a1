//! Damage that is there when nobody is looking.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::directory::{Broken, SEGMENT_SIZE};
use crate::harness::Server;

#[test]
fn a_damaged_body_is_found_with_its_queue_and_message_and_all_others_are_served() {
    let broken = Broken::new();
    let (file, at) = broken.flip_body(&broken.bodies[3]);
    let (code, found) = broken.check();
    assert_eq!(code, 1);
    let listed = found["damages"]["listed"].as_array().expect("a list");
    let named = listed.iter().any(|damage| {
        let offset = damage["offset"].as_u64().unwrap_or(0) as usize;
        damage["file"] == json!(file.display().to_string())
            && offset <= at
            && at < offset + 4096
            && damage["means"].as_str().is_some_and(|means| means.contains("orders cannot be delivered"))
    });
    assert!(named, "{found}");
    let undeliverable = found["damages"]["undeliverable"].as_object().expect("an object");
    assert_eq!(undeliverable.values().collect::<Vec<_>>(), [&json!(1)]);
    assert_eq!(found["shards"][0]["messages"], json!(29));

    let (code, out, error) = broken.run(&["check"]);
    assert_eq!(code, 1);
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(out.lines().any(|line| line.starts_with("damaged: ") && line.contains(name)), "{out}");
    assert!(error.contains("found"), "{error}");
    assert_eq!(broken.serve(), broken.bodies_but(&[3]));
}

#[test]
fn a_missing_or_short_segment_is_refused_by_name() {
    let broken = Broken::new();
    let segments = broken.segments();
    for segment in [&segments[0], &segments[1], &segments[segments.len() - 1]] {
        let name = segment.file_name().and_then(|name| name.to_str()).expect("a name");
        let bytes = fs::read(segment).expect("a segment");
        fs::remove_file(segment).expect("removes");
        let words = broken.refused();
        assert!(words.contains("missing") || words.contains("is damaged at offset"), "{words}");
        assert_eq!(broken.check().0, 1, "{name} is missing");
        fs::write(segment, &bytes[..bytes.len() / 3]).expect("writes");
        assert!(broken.refused().contains(name), "{name} is short");
        assert_eq!(broken.check().0, 1, "{name} is short");
        fs::write(segment, bytes).expect("writes");
    }
    assert_eq!(broken.serve(), broken.bodies);
}

#[test]
fn a_secret_that_others_may_read_or_that_is_gone_is_found() {
    let broken = Broken::new();
    let secret = broken.path("handle-secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).expect("changes");
    let about = |found: &Value| found["damages"]["listed"][0]["file"].as_str().map(str::to_owned);
    let (code, found) = broken.check();
    assert_eq!((code, about(&found)), (1, Some(secret.display().to_string())));
    fs::write(&secret, b"short").expect("writes");
    let (code, found) = broken.check();
    assert_eq!((code, about(&found)), (1, Some(secret.display().to_string())));
    assert!(broken.refused().contains("handle-secret has 5 bytes"));
    fs::remove_file(&secret).expect("removes");
    let (code, found) = broken.check();
    assert_eq!((code, about(&found)), (1, Some(secret.display().to_string())));
}

#[test]
fn a_directory_that_may_not_be_written_or_is_none_is_refused_by_name() {
    let broken = Broken::new();
    let state = broken.path("journal/state");
    let kept = fs::read(&state).expect("a state");
    fs::remove_file(&state).expect("removes");
    fs::create_dir(&state).expect("a directory");
    assert!(broken.refused().contains("journal/state"));
    fs::remove_dir(&state).expect("removes");
    fs::write(&state, kept).expect("writes");
    fs::rename(broken.path("snapshots"), broken.path("elsewhere")).expect("renames");
    fs::write(broken.path("snapshots"), b"").expect("writes");
    assert!(broken.refused().contains("snapshots"));
}

#[test]
fn many_findings_are_summed_up() {
    let broken = Broken::new();
    let server = Server::start(broken.root.path(), &[SEGMENT_SIZE]);
    for _ in 0..40 {
        server.ok("SendMessage", json!({ "QueueUrl": "orders", "MessageBody": "one more" }));
    }
    assert_eq!(server.stop(), 0);
    // Every block of every segment: all records, and all messages with them.
    for segment in broken.segments() {
        let mut bytes = fs::read(&segment).expect("a segment");
        bytes[4096..].chunks_mut(512).for_each(|chunk| chunk[100] ^= 1);
        fs::write(&segment, bytes).expect("writes");
    }
    let (code, out, _) = broken.run(&["check"]);
    assert_eq!(code, 1);
    let printed = out.lines().filter(|line| line.starts_with("damaged: ")).count();
    let (_, found) = broken.check();
    let total = found["damages"]["total"].as_u64().expect("a number");
    assert!(total > 50, "{found}");
    assert_eq!(printed, 50);
    assert!(out.contains(&format!("and {} more", total - 50)), "{out}");
    assert_eq!(found["damages"]["listed"].as_array().map(Vec::len), Some(total as usize));
}
