//! What was sent is looked for in every file, in every form in which it might be there.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use serde_json::{Value, json};

use crate::harness::{Server, directory, run, stanchion};
use crate::{ok, text};

/// What every secret of the test begins with. Nothing else has these letters.
const NEEDLE: &str = "QzNeedleXyzzy";
/// Messages of the standard queue: more than its window holds, so that some are on pages.
const BACKLOG: usize = 11_000;
/// Messages of the FIFO queue.
const ORDERED: usize = 2000;
/// Messages of the queue with a key of its own.
const KEYED: usize = 20;
/// Small files and many snapshots, and nothing kept in memory that was written.
const SMALL: [&str; 6] = ["--segment-size", "4MiB", "--snapshot-interval", "256KiB", "--cache-size", "0"];

/// Where a secret is carried. Each has a name of its own after the needle.
const CARRIED: [&str; 9] =
    ["Body", "AttributeName", "AttributeText", "AttributeBytes", "Trace", "Group", "Deduplication", "Queue", "Tag"];

fn secret(place: &str) -> String {
    format!("{NEEDLE}{place}")
}

/// Fills a server with secrets in every place, and makes it write everything that it ever writes.
fn fill(server: &Server, key: &str) {
    let (name, tag) = (secret("Queue"), secret("Tag"));
    let fifo = format!("{name}.fifo");
    server.ok("CreateQueue", json!({ "QueueName": name, "tags": { "team": tag } }));
    server.ok("CreateQueue", json!({ "QueueName": fifo, "Attributes": { "FifoQueue": "true" } }));
    for first in (0..BACKLOG).step_by(10) {
        let entry = |number: usize| {
            json!({
                "Id": number.to_string(),
                "MessageBody": format!("{} {number}", secret("Body")),
                "MessageAttributes": {
                    secret("AttributeName"): { "DataType": "String", "StringValue": secret("AttributeText") },
                    "bytes": { "DataType": "Binary", "BinaryValue": BASE64.encode(secret("AttributeBytes").as_bytes()) },
                },
                "MessageSystemAttributes": {
                    "AWSTraceHeader": { "DataType": "String", "StringValue": format!("Root={}", secret("Trace")) },
                },
            })
        };
        let entries: Vec<_> = (first..first + 10).map(entry).collect();
        server.ok("SendMessageBatch", json!({ "QueueUrl": name, "Entries": entries }));
    }
    // Under a key of its own besides: the one that the first start makes.
    let keyed = json!({ "QueueName": format!("{name}-keyed"), "Attributes": { "KmsMasterKeyId": key } });
    server.ok("CreateQueue", keyed);
    for number in 0..KEYED {
        let body = format!("{} {number}", secret("Body"));
        server.ok("SendMessage", json!({ "QueueUrl": format!("{name}-keyed"), "MessageBody": body }));
    }
    for first in (0..ORDERED).step_by(10) {
        let entry = |number: usize| {
            json!({
                "Id": number.to_string(),
                "MessageBody": format!("{} {number}", secret("Body")),
                "MessageGroupId": format!("{}{}", secret("Group"), number % 100),
                "MessageDeduplicationId": format!("{}{number}", secret("Deduplication")),
            })
        };
        let entries: Vec<_> = (first..first + 10).map(entry).collect();
        server.ok("SendMessageBatch", json!({ "QueueUrl": fifo, "Entries": entries }));
    }
    // From the head of the backlog: in flight, and deleted.
    for queue in [&name, &fifo] {
        for _ in 0..20 {
            let received = server.ok(
                "ReceiveMessage",
                json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600 }),
            );
            let message = &received["Messages"][0];
            assert!(message["Body"].as_str().is_some_and(|body| body.starts_with(&secret("Body"))), "{received}");
            let handle = &message["ReceiptHandle"];
            server.ok("DeleteMessage", json!({ "QueueUrl": queue, "ReceiptHandle": handle }));
        }
    }
}

/// Returns the forms in which a text may be hidden.
fn forms(text: &str) -> Vec<(String, Vec<u8>)> {
    let raw = text.as_bytes();
    let swapped = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let mut forms = vec![
        ("as it is".to_owned(), raw.to_vec()),
        ("in the other case".to_owned(), text.chars().map(swapped).collect::<String>().into_bytes()),
        ("in lower case".to_owned(), text.to_lowercase().into_bytes()),
        ("in upper case".to_owned(), text.to_uppercase().into_bytes()),
        ("backwards".to_owned(), raw.iter().rev().copied().collect()),
        ("in hexadecimal digits".to_owned(), HEXLOWER.encode(raw).into_bytes()),
        ("in upper hexadecimal digits".to_owned(), HEXUPPER.encode(raw).into_bytes()),
        ("in UTF-16".to_owned(), text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("in UTF-16 the other way".to_owned(), text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ];
    for before in 0..3 {
        // Only the characters that do not depend on what comes before and after.
        let padded = [vec![b'-'; before], raw.to_vec()].concat();
        let whole = (padded.len() / 3) * 4;
        let start = (before * 8).div_ceil(6);
        for (name, encoding) in [("base64", BASE64), ("base64 for URLs", BASE64URL)] {
            let encoded = encoding.encode(&padded);
            forms.push((format!("in {name}, {before} bytes further"), encoded.as_bytes()[start..whole].to_vec()));
        }
    }
    forms
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Returns in which form, if any, a text is in a file.
fn find(file: &Path, forms: &[(String, Vec<u8>)]) -> Vec<String> {
    let Ok(bytes) = fs::read(file) else { return Vec::new() };
    let found = forms.iter().filter(|(_, form)| memchr::memmem::find(&bytes, form).is_some());
    found.map(|(name, _)| format!("{name} in {}", file.display())).collect()
}

/// Returns the files of a server that has carried secrets, and of its backup.
fn written(root: &Path, arguments: &[&str], key: &str, export: &[&str]) -> Vec<PathBuf> {
    let (data, vault) = (root.join("data"), root.join("vault"));
    let server = Server::start(root, &[&SMALL[..], arguments].concat());
    fill(&server, key);
    ok(&["backup", "--data-dir", text(&data), "--to", text(&vault)]);
    let exported = root.join("exported");
    ok(&[&["export", "--all", "--data-dir", text(&data), "--output", text(&exported)], export].concat());
    assert!(fs::metadata(&exported).expect("an export").len() > 1 << 20, "all messages are in it");
    let mut found = files(&data);
    found.extend(files(&vault));
    let has = |ending: &str| found.iter().filter(|file| text(file).ends_with(ending)).count();
    assert!(has(".segment") > 4 && has(".snapshot") > 1, "there is something to look at: {found:?}");
    assert_eq!(server.stop(), 0);
    let (_, out, error) = run(stanchion(&["check", "--json", "--data-dir", text(&data)]));
    let checked: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out} {error}"));
    let total = |name: &str| checked["shards"][0][name].as_u64().unwrap_or_else(|| panic!("{name} in {checked}"));
    assert!(total("pages") > 0, "some are on pages: {checked}");
    assert_eq!(total("messages") as usize, BACKLOG + ORDERED + KEYED - 40, "and all are there: {checked}");
    files(root)
}

#[test]
fn nothing_that_a_message_carries_can_be_read_from_the_disk_a_backup_or_an_export() {
    let root = directory();
    let found = written(root.path(), &[], "alias/first", &[]);
    let forms = forms(NEEDLE);
    let seen: Vec<_> = found.iter().flat_map(|file| find(file, &forms)).collect();
    assert!(seen.is_empty(), "{} places show plaintext, such as {}", seen.len(), seen[0]);
}

#[test]
fn without_encryption_all_of_it_can_so_the_search_sees() {
    let root = directory();
    // Without a keyring no queue can have a key of its own but the managed one, and no export can be sealed.
    let found = written(root.path(), &["--encryption", "off"], "alias/aws/sqs", &["--plain"]);
    let bytes: Vec<Vec<u8>> = found.iter().filter_map(|file| fs::read(file).ok()).collect();
    for place in CARRIED {
        let secret = secret(place);
        let seen = bytes.iter().any(|bytes| memchr::memmem::find(bytes, secret.as_bytes()).is_some());
        assert!(seen, "{place} is carried in the clear");
    }
    for part in ["journal", "snapshots", "vault", "exported"] {
        let shows = |file: &&PathBuf| text(file).contains(part) && !find(file, &forms(NEEDLE)).is_empty();
        assert!(found.iter().any(|file| shows(&file)), "{part} shows plaintext");
    }
}

#[test]
fn every_form_is_found_where_it_is() {
    let root = directory();
    let path = root.path().join("file");
    for (name, form) in forms(NEEDLE) {
        fs::write(&path, [b"before", &form[..], b"after"].concat()).expect("writes");
        assert!(!find(&path, &forms(NEEDLE)).is_empty(), "{name}");
    }
    for before in 0..3 {
        let text = format!("{}{NEEDLE} and more", "?".repeat(before));
        fs::write(&path, BASE64.encode(text.as_bytes())).expect("writes");
        assert!(!find(&path, &forms(NEEDLE)).is_empty(), "base64 after {before} bytes");
    }
    fs::write(&path, "Needle").expect("writes");
    assert!(find(&path, &forms(NEEDLE)).is_empty());
}
