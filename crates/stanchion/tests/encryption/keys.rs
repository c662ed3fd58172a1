//! Keyrings: where they come from, what is refused without them, and how keys are changed while a server runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Server, directory, run, stanchion};
use crate::{ok, refused, text};

fn serve_refused(root: &Path, arguments: &[&str]) -> String {
    let data = root.join("data");
    refused(&[&["serve", "--listen", "127.0.0.1:0", "--data-dir", text(&data)], arguments].concat())
}

fn keys(root: &Path) -> String {
    fs::read_to_string(root.join("data/journal/keys")).expect("the file of data keys")
}

#[test]
fn the_first_start_makes_a_keyring_for_its_owner_and_the_next_uses_it() {
    let root = directory();
    let server = Server::start(root.path(), &[]);
    server.create_and_send("q", "a");
    assert_eq!(server.stop(), 0);
    let keyring = root.path().join("data/keyring");
    assert_eq!(fs::metadata(&keyring).expect("made").permissions().mode() & 0o777, 0o600);
    let before = fs::read(&keyring).expect("made");
    let server = Server::start(root.path(), &[]);
    assert_eq!(server.receive("q"), ["a"]);
    assert_eq!(server.stop(), 0);
    assert_eq!(fs::read(&keyring).expect("there"), before);

    fs::set_permissions(&keyring, Permissions::from_mode(0o644)).expect("set");
    let words = serve_refused(root.path(), &[]);
    assert!(words.contains(text(&keyring)) && words.contains("0600"), "{words}");
}

#[test]
fn a_lost_or_wrong_keyring_is_refused_by_name_and_changes_nothing() {
    let root = directory();
    let data = root.path().join("data");
    let server = Server::start(root.path(), &[]);
    server.create_and_send("q", "a");
    assert_eq!(server.stop(), 0);
    let (keyring, aside) = (data.join("keyring"), root.path().join("aside"));
    let before = keys(root.path());

    fs::rename(&keyring, &aside).expect("renames");
    let words = serve_refused(root.path(), &[]);
    assert!(words.contains(text(&keyring)), "a lost keyring is named: {words}");
    assert!(!keyring.exists(), "and none is made in its place");
    let words = refused(&["check", "--data-dir", text(&data)]);
    assert!(words.contains("not checked") && words.contains("2 records") && words.contains(text(&keyring)), "{words}");
    let (code, out, _) = run(stanchion(&["check", "--json", "--data-dir", text(&data)]));
    let found: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, found["damages"]["total"].as_u64()), (1, Some(0)), "{found}");
    assert!(found["locked"].is_string(), "{found}");
    for command in [&["check", "--repair"][..], &["inspect", "queues"], &["export", "--all"]] {
        let words = refused(&[command, &["--data-dir", text(&data)]].concat());
        assert!(words.contains(text(&keyring)), "{command:?}: {words}");
    }
    ok(&["inspect", "segments", "--data-dir", text(&data)]);

    let other = root.path().join("other");
    ok(&["keyring", "create", text(&other)]);
    let words = serve_refused(root.path(), &["--keyring", text(&other)]);
    assert!(words.contains("journal/keys") && words.contains("\"first\""), "the key is named: {words}");
    let wrong = fs::read_to_string(&other).expect("a keyring");
    let name = wrong.lines().next().and_then(|line| line.split('"').nth(1)).expect("its primary key").to_owned();
    fs::write(&other, wrong.replace(&name, "first")).expect("writes");
    let words = serve_refused(root.path(), &["--keyring", text(&other)]);
    assert!(words.contains("\"first\"") && words.contains("does not open it"), "{words}");
    let words = serve_refused(root.path(), &["--encryption", "off"]);
    assert!(words.contains("encrypted"), "{words}");

    assert_eq!(keys(root.path()), before, "nothing was changed by any of it");
    fs::rename(&aside, &keyring).expect("renames");
    assert_eq!(Server::start(root.path(), &[]).receive("q"), ["a"]);
}

#[test]
fn lost_data_keys_are_refused_and_not_taken_for_damage() {
    let root = directory();
    let data = root.path().join("data");
    let server = Server::start(root.path(), &[]);
    server.create_and_send("q", "a");
    assert_eq!(server.stop(), 0);
    let (file, aside) = (data.join("journal/keys"), root.path().join("aside"));
    fs::rename(&file, &aside).expect("renames");
    let words = serve_refused(root.path(), &[]);
    assert!(words.contains("journal/keys") && words.contains("does not have data key"), "{words}");
    refused(&["check", "--repair", "--data-dir", text(&data)]);
    assert!(!file.exists(), "none are made in their place");
    fs::rename(&aside, &file).expect("renames");
    assert_eq!(Server::start(root.path(), &[]).receive("q"), ["a"]);
}

#[test]
fn a_keyring_may_come_from_the_environment_or_a_command() {
    let root = directory();
    let file = root.path().join("ring");
    ok(&["keyring", "create", text(&file)]);
    assert!(refused(&["keyring", "create", text(&file)]).contains(text(&file)), "none is made over another");
    let ring = fs::read_to_string(&file).expect("a keyring");
    let command = format!("command:cat '{}'", file.display());
    let server = Server::start_in(root.path(), &["--keyring", "env:THE_KEYS"], &[("THE_KEYS", &ring)]);
    server.create_and_send("q", "a");
    assert_eq!(server.stop(), 0);
    assert!(!root.path().join("data/keyring").exists(), "none is made beside");
    let server = Server::start(root.path(), &["--keyring", &command]);
    assert_eq!(server.receive("q"), ["a"]);
    assert_eq!(server.stop(), 0);
    let words = serve_refused(root.path(), &["--keyring", "env:NO_SUCH_KEYS"]);
    assert!(words.contains("env:NO_SUCH_KEYS"), "{words}");
}

#[test]
fn a_key_is_changed_while_the_server_runs_and_the_old_one_is_not_needed_afterwards() {
    let root = directory();
    let data = root.path().join("data");
    let server = Server::start(root.path(), &[]);
    server.create_and_send("q", "a");
    assert!(keys(root.path()).contains(" under first:"));
    let segment = fs::read(data.join("journal/000000000001.segment")).expect("a segment");
    let words = ok(&["keyring", "rotate", "--data-dir", text(&data)]);
    assert!(words.contains("wrapped 1 data key under key "), "{words}");
    assert!(!keys(root.path()).contains(" under first:"), "{}", keys(root.path()));
    assert_eq!(
        fs::read(data.join("journal/000000000001.segment")).expect("there"),
        segment,
        "messages stay as they are"
    );
    server.ok("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "b" }));
    assert_eq!(server.stop(), 0);

    // Without the old key.
    let keyring = data.join("keyring");
    let ring = fs::read_to_string(&keyring).expect("a keyring");
    let without: Vec<&str> = ring.lines().filter(|line| !line.starts_with("\"first\"")).collect();
    assert_eq!(without.len() + 1, ring.lines().count(), "{}", without.len());
    fs::write(&keyring, without.join("\n")).expect("writes");
    let server = Server::start(root.path(), &[]);
    let mut bodies = server.receive("q");
    bodies.sort();
    assert_eq!(bodies, ["a", "b"]);
    assert_eq!(server.stop(), 0);

    let words = ok(&["keyring", "rotate", "--data-dir", text(&data)]);
    assert!(words.contains("the next start wraps"), "{words}");
    let names = |text: &str| text.lines().filter(|line| line.starts_with("key ")).map(name).collect::<Vec<_>>();
    let before = names(&keys(root.path()));
    assert_eq!(Server::start(root.path(), &[]).stop(), 0);
    let after = names(&keys(root.path()));
    assert!(after.iter().all(|name| !before.contains(name)), "{before:?} {after:?}");
}

/// Returns the name of the key that a data key is wrapped under.
fn name(line: &str) -> String {
    let wrapped = line.split(" under ").nth(1).expect("a wrapped key");
    wrapped.split(':').next().expect("a name").to_owned()
}
