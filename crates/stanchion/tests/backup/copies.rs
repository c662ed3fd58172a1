//! Backups: equal when restored, small when little is new, refused when damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{Server, directory, run, stanchion};
use crate::{carry_keyring, export, ok, refused, text};

/// Small segments, so that there are several soon.
const SMALL: [&str; 2] = ["--segment-size", "4MiB"];

fn fill(server: &Server, queue: &str, messages: usize) {
    server.ok("CreateQueue", json!({ "QueueName": queue }));
    for first in (0..messages).step_by(10) {
        let entry = |number: usize| json!({ "Id": number.to_string(), "MessageBody": "x".repeat(100_000) + &number.to_string() });
        let entries: Vec<_> = (first..messages.min(first + 10)).map(entry).collect();
        server.ok("SendMessageBatch", json!({ "QueueUrl": queue, "Entries": entries }));
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_restored_backup_equals_the_running_server_and_honours_its_receipts() {
    let directory = directory();
    let (data, vault, copy) =
        (directory.path().join("data"), directory.path().join("vault"), directory.path().join("copy").join("data"));
    let server = Server::start(directory.path(), &SMALL);
    fill(&server, "q", 120);
    let received = server.ok("ReceiveMessage", json!({ "QueueUrl": "q", "VisibilityTimeout": 3600 }));
    let handle = received["Messages"][0]["ReceiptHandle"].clone();
    let out = ok(&["backup", "--data-dir", text(&data), "--to", text(&vault)]);
    assert!(out.contains("up to position"), "{out}");
    let original = export(&data);
    assert_eq!(original.len(), 121);
    for file in files(&vault) {
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: only the owner can read a backup", file.display());
    }

    let out = ok(&["restore", "--from", text(&vault), "--data-dir", text(&copy)]);
    assert!(out.contains("every byte checked"), "{out}");
    assert_eq!(export(&copy), original);
    let (code, _, _) = run(stanchion(&["check", "--data-dir", text(&copy)]));
    assert_eq!(code, 0, "a restored directory passes its check");
    drop(server);

    let server = Server::start(copy.parent().expect("a parent"), &SMALL);
    server.ok("DeleteMessage", json!({ "QueueUrl": "q", "ReceiptHandle": handle }));
    assert_eq!(export(&copy).len(), 120);
    server.ok("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "life goes on" }));
    assert_eq!(server.stop(), 0);
    assert_eq!(ok(&["export", "q", "--plain", "--data-dir", text(&copy)]).lines().count(), 121);
}

#[test]
fn a_server_without_queues_is_backed_up_too() {
    let directory = directory();
    let (data, vault, copy) =
        (directory.path().join("data"), directory.path().join("vault"), directory.path().join("copy"));
    let server = Server::start(directory.path(), &SMALL);
    ok(&["backup", "--data-dir", text(&data), "--to", text(&vault)]);
    ok(&["restore", "--from", text(&vault), "--data-dir", text(&copy)]);
    assert!(export(&copy).is_empty() && export(&data).is_empty());
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_stopped_directory_is_backed_up_as_well_and_one_that_crashed() {
    for crash in [false, true] {
        let directory = directory();
        let (data, vault, copy) =
            (directory.path().join("data"), directory.path().join("vault"), directory.path().join("copy"));
        let server = Server::start(directory.path(), &SMALL);
        fill(&server, "q", 40);
        if crash {
            server.kill();
        } else {
            assert_eq!(server.stop(), 0);
        }
        ok(&["backup", "--data-dir", text(&data), "--to", text(&vault)]);
        ok(&["restore", "--from", text(&vault), "--data-dir", text(&copy)]);
        assert_eq!(export(&copy), export(&data));
        assert_eq!(export(&copy).len(), 41);
    }
}

#[test]
fn a_second_backup_copies_only_what_is_new_and_old_ones_go() {
    let directory = directory();
    let (data, vault) = (directory.path().join("data"), directory.path().join("vault"));
    let server = Server::start(directory.path(), &SMALL);
    fill(&server, "q", 120);
    let backup = ["backup", "--data-dir", text(&data), "--to", text(&vault)];
    ok(&backup);
    let pool = || files(&vault.join("segments"));
    let first = pool();
    let written: Vec<_> =
        first.iter().map(|file| fs::metadata(file).expect("there").modified().expect("a time")).collect();
    assert!(first.len() > 2, "{first:?}");

    fill(&server, "q", 60);
    let out = ok(&backup);
    assert!(out.contains("shared") && !out.contains("shared no bytes"), "{out}");
    let second = pool();
    assert!(second.len() > first.len());
    for (file, time) in first.iter().zip(written) {
        assert!(second.contains(file), "what both backups need is stored once");
        assert_eq!(fs::metadata(file).expect("there").modified().expect("a time"), time, "and not written again");
    }
    let backups = || ok(&["backup", "--to", text(&vault), "--list"]);
    assert!(backups().ends_with("2 backups\n"), "{}", backups());

    // Nothing of the old segments is needed any more.
    server.ok("PurgeQueue", json!({ "QueueUrl": "q" }));
    fill(&server, "q", 10);
    let out = ok(&[&backup[..], &["--keep", "1"]].concat());
    assert!(out.contains("removed 2 old backups"), "{out}");
    assert!(backups().ends_with("1 backup\n"), "{}", backups());
    assert!(first.iter().all(|file| !file.exists()), "space comes back: {:?}", pool());
    let copy = directory.path().join("copy");
    ok(&["restore", "--from", text(&vault), "--data-dir", text(&copy)]);
    assert_eq!(export(&copy), export(&data));
}

#[test]
fn a_backup_with_any_file_damaged_or_missing_is_refused_by_the_name_of_the_file() {
    let directory = directory();
    let (data, vault) = (directory.path().join("data"), directory.path().join("vault"));
    let server = Server::start(directory.path(), &SMALL);
    fill(&server, "q", 60);
    ok(&["backup", "--data-dir", text(&data), "--to", text(&vault)]);
    drop(server);
    let mut number = 0;
    let mut tried = 0;
    for file in files(&vault).into_iter().filter(|file| file.file_name().is_some_and(|name| name != "lock")) {
        let whole = fs::read(&file).expect("there");
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 4;
        for damage in [Some(flipped), Some(whole[..whole.len() / 2].to_vec()), None] {
            match &damage {
                Some(bytes) => fs::write(&file, bytes).expect("written"),
                None => fs::remove_file(&file).expect("removed"),
            }
            number += 1;
            let copy = directory.path().join(format!("copy-{number}"));
            let error = refused(&["restore", "--from", text(&vault), "--data-dir", text(&copy)]);
            let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
            let gone = name == "manifest.json" && damage.is_none();
            assert!(error.contains(name) || (gone && error.contains("no complete backup")), "{name}: {error}");
            if copy.exists() {
                carry_keyring(&vault, &copy);
                let error = refused(&["serve", "--listen", "127.0.0.1:0", "--data-dir", text(&copy)]);
                assert!(error.contains("state"), "half a restore does not start: {error}");
            }
            if !gone {
                let (code, out, _) = run(stanchion(&["backup", "--to", text(&vault), "--verify"]));
                assert_eq!(code, 1, "{out}");
                assert!(out.contains(name), "{name}: {out}");
            }
            fs::write(&file, &whole).expect("written");
            tried += 1;
        }
    }
    assert!(tried >= 3 * 5, "{tried}");
    assert!(ok(&["backup", "--to", text(&vault), "--verify"]).contains("1 backup, "));
    ok(&["restore", "--from", text(&vault), "--data-dir", text(&directory.path().join("whole"))]);
}

#[test]
fn a_restore_goes_to_no_directory_that_holds_something() {
    let directory = directory();
    let (data, vault) = (directory.path().join("data"), directory.path().join("vault"));
    let server = Server::start(directory.path(), &SMALL);
    fill(&server, "q", 10);
    ok(&["backup", "--data-dir", text(&data), "--to", text(&vault)]);
    let before = export(&data);
    let error = refused(&["restore", "--from", text(&vault), "--data-dir", text(&data)]);
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(export(&data), before);
    let none = directory.path().join("none");
    let error = refused(&["restore", "--from", text(&none), "--data-dir", text(&directory.path().join("copy"))]);
    assert!(error.contains("does not exist"), "{error}");
    let copy = directory.path().join("copy");
    let error = refused(&["restore", "--from", text(&vault), "--backup", "monday", "--data-dir", text(&copy)]);
    assert!(error.contains("no backup monday; there are: 2"), "{error}");
}
