//! The audit trail of a running server: which calls leave a line, what it says, and what it never says.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Answers, LONG, Server, directory, run, stanchion};
use crate::signed::{Key, credentials, write};

/// What must never stand in a trail.
const BODY: &str = "a-body-is-nobody-elses-business";

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn trail(directory: &Path) -> PathBuf {
    directory.join("audit.log")
}

/// Starts a server with a trail, and these further settings.
fn start(directory: &Path, more: &[&str]) -> Server {
    let trail = trail(directory);
    Server::start(directory, &[&["--audit", text(&trail)], more].concat())
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a trail");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// Counts the lines that say this.
fn count(lines: &[Value], action: Option<&str>, outcome: &str) -> usize {
    lines.iter().filter(|line| line["action"].as_str() == action && line["outcome"] == outcome).count()
}

#[test]
fn every_call_that_manages_leaves_a_line_and_none_that_moves_messages_does() {
    let directory = directory();
    let file = credentials(directory.path());
    let owner = Key::create(&file, "111122223333", None);
    let server = start(directory.path(), &["--credentials", text(&file)]);
    let url = |name: &str| format!("http://localhost/111122223333/{name}");
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:111122223333:{name}");
    let mut managed = Vec::new();
    let mut manage = |action: &'static str, body: Value, expected: u16| {
        let (status, answer) = owner.call(&server, action, body);
        assert_eq!(status, expected, "{action}: {answer}");
        managed.push((action, status == 200));
        answer
    };
    manage("CreateQueue", json!({ "QueueName": "dead" }), 200);
    let policy = json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1 }).to_string();
    manage("CreateQueue", json!({ "QueueName": "q", "Attributes": { "RedrivePolicy": policy } }), 200);
    let q = url("q");
    manage("SetQueueAttributes", json!({ "QueueUrl": q, "Attributes": { "VisibilityTimeout": "0" } }), 200);
    let grant = json!({ "QueueUrl": q, "Label": "l", "AWSAccountIds": ["444455556666"], "Actions": ["SendMessage"] });
    manage("AddPermission", grant, 200);
    manage("RemovePermission", json!({ "QueueUrl": q, "Label": "l" }), 200);
    manage("TagQueue", json!({ "QueueUrl": q, "Tags": { "team": "shop" } }), 200);
    manage("ListQueueTags", json!({ "QueueUrl": q }), 200);
    manage("UntagQueue", json!({ "QueueUrl": q, "TagKeys": ["team"] }), 200);
    manage("ListQueues", json!({ "QueueNamePrefix": "q" }), 200);
    manage("ListDeadLetterSourceQueues", json!({ "QueueUrl": url("dead") }), 200);
    let task = manage("StartMessageMoveTask", json!({ "SourceArn": arn("dead") }), 200);
    manage("ListMessageMoveTasks", json!({ "SourceArn": arn("dead") }), 200);
    // Nothing was there to move, so the task may have ended; a refusal is a line like any other.
    let (cancelled, _) = owner.call(&server, "CancelMessageMoveTask", json!({ "TaskHandle": task["TaskHandle"] }));

    let (status, sent) = owner.call(&server, "SendMessage", json!({ "QueueUrl": q, "MessageBody": BODY }));
    assert_eq!(status, 200, "{sent}");
    let entries = json!([{ "Id": "a", "MessageBody": BODY }]);
    assert_eq!(owner.call(&server, "SendMessageBatch", json!({ "QueueUrl": q, "Entries": entries })).0, 200);
    let (_, received) = owner.call(&server, "ReceiveMessage", json!({ "QueueUrl": q }));
    let receipt = received["Messages"][0]["ReceiptHandle"].clone();
    let visibility = json!({ "QueueUrl": q, "ReceiptHandle": receipt, "VisibilityTimeout": 60 });
    assert_eq!(owner.call(&server, "ChangeMessageVisibility", visibility).0, 200);
    assert_eq!(owner.call(&server, "DeleteMessage", json!({ "QueueUrl": q, "ReceiptHandle": receipt })).0, 200);
    for (action, body) in
        [("GetQueueUrl", json!({ "QueueName": "q" })), ("GetQueueAttributes", json!({ "QueueUrl": q }))]
    {
        assert_eq!(owner.call(&server, action, body).0, 200, "{action}");
    }
    for (action, status) in [("PurgeQueue", 200), ("DeleteQueue", 200), ("DeleteQueue", 400)] {
        assert_eq!(owner.call(&server, action, json!({ "QueueUrl": q })).0, status, "{action}");
        managed.push((action, status == 200));
    }
    managed.push(("CancelMessageMoveTask", cancelled == 200));
    assert_eq!(server.stop(), 0);

    let lines = lines(&trail(directory.path()));
    assert_eq!(lines.len(), managed.len(), "{lines:#?}");
    for (action, succeeded) in &managed {
        let same = |line: &&Value| line["action"] == *action && (line["outcome"] == "Success") == *succeeded;
        let expected = managed.iter().filter(|other| *other == &(*action, *succeeded)).count();
        assert_eq!(lines.iter().filter(same).count(), expected, "{action}");
    }
    let set = lines.iter().find(|line| line["action"] == "SetQueueAttributes").expect("a line");
    assert_eq!(set["parameters"]["Attributes"]["VisibilityTimeout"], "0");
    assert_eq!((&set["queue"], &set["key"]), (&json!(arn("q")), &json!(owner.id)));
    assert_eq!(set["caller"], "arn:aws:iam::111122223333:root");
    assert_eq!((&set["protocol"], &set["tls"], &set["source"]), (&json!("json"), &json!(false), &json!("127.0.0.1")));
    assert_eq!(set["request"].as_str().map(str::len), Some(36));
    let mode = fs::metadata(trail(directory.path())).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn who_is_refused_leaves_a_line_that_names_the_statement_and_no_secret_anywhere() {
    let directory = directory();
    let file = credentials(directory.path());
    let owner = Key::create(&file, "111122223333", None);
    let user = Key::create(&file, "111122223333", Some("anna"));
    let rules =
        fs::read_to_string(&file).expect("the file").replace("name = \"anna\"", "name = \"anna\"\npolicies = [\"no\"]");
    let policy = r#"{"Version":"2012-10-17","Statement":{"Sid":"Never","Effect":"Deny","Action":"sqs:SendMessage","Resource":"*"}}"#;
    write(&file, &format!("[policies]\nno = '{policy}'\n\n{rules}"));
    let server = start(directory.path(), &["--credentials", text(&file)]);
    assert_eq!(owner.call(&server, "CreateQueue", json!({ "QueueName": "q" })).0, 200);
    let send = json!({ "QueueUrl": "http://localhost/111122223333/q", "MessageBody": BODY });
    assert_eq!(owner.call(&server, "SendMessage", send.clone()).0, 200);
    assert_eq!(user.call(&server, "SendMessage", send.clone()).0, 403);
    assert_eq!(server.call("SendMessage", send.clone()).0, 403);
    let wrong = Key { id: owner.id.clone(), secret: user.secret.clone() };
    assert_eq!(wrong.call(&server, "SendMessage", send.clone()).0, 403);
    let nobody = Key { id: "AKIANOBODY".into(), secret: user.secret.clone() };
    assert_eq!(nobody.call(&server, "SendMessage", send.clone()).0, 403);
    let request = owner.sign("SendMessage", &send.to_string());
    let with_token = String::from_utf8(request)
        .expect("text")
        .replace("x-amz-target:", "x-amz-security-token: a-token-that-must-not-show\r\nx-amz-target:");
    let mut stream = server.connect();
    stream.write_all(with_token.as_bytes()).expect("the request is sent");
    assert_eq!(Answers::new(stream).next().expect("an answer").0, 403);

    let (code, said, error) =
        run(stanchion(&["inspect", "refused", "--data-dir", text(&directory.path().join("data"))]));
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(said.contains("bad_signature 2, unknown_key 1, expired 0, denied 2, throttled 0, anonymous 0"), "{said}");
    assert!(said.contains("no lines dropped"), "{said}");
    assert_eq!(server.stop(), 0);

    let lines = lines(&trail(directory.path()));
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert_eq!(count(&lines, Some("CreateQueue"), "Success"), 1);
    assert_eq!(count(&lines, Some("SendMessage"), "AccessDenied"), 2);
    assert_eq!(count(&lines, None, "SignatureDoesNotMatch"), 2);
    assert_eq!(count(&lines, None, "InvalidClientTokenId"), 1);
    let denied = lines.iter().find(|line| line["key"] == json!(user.id)).expect("a line");
    assert_eq!(denied["statement"], "statement \"Never\" of policy no");
    assert_eq!(denied["reason"], "an identity policy denies it");
    assert_eq!(denied["queue"], "arn:aws:sqs:us-east-1:111122223333:q");
    assert!(denied.get("parameters").is_none());
    assert!(lines.iter().any(|line| line["key"] == "AKIANOBODY" && line["reason"] == "unknown_key"));
    assert!(lines.iter().any(|line| line["caller"] == "anonymous"), "{lines:#?}");

    let signature = with_token.split_once("Signature=").expect("a signature").1[..64].to_owned();
    for written in [trail(directory.path()), directory.path().join("log")] {
        let text = fs::read_to_string(&written).expect("text");
        for secret in [&owner.secret, &user.secret, BODY, "a-token-that-must-not-show", &signature] {
            assert!(!text.contains(secret), "{secret} stands in {}", written.display());
        }
    }
}

#[test]
fn who_asks_for_temporary_credentials_leaves_a_line_without_them() {
    let directory = directory();
    let file = credentials(directory.path());
    let owner = Key::create(&file, "111122223333", None);
    let user = Key::create(&file, "111122223333", Some("anna"));
    let server = start(directory.path(), &["--credentials", text(&file)]);
    assert_eq!(owner.ask_for_session(&server, "Action=GetCallerIdentity").0, 200);
    let (status, given) = user.ask_for_session(&server, "Action=GetSessionToken&DurationSeconds=900");
    assert_eq!(status, 200, "{given}");
    let role = "arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fnobody";
    let assume = format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=s&Policy=a-policy-stays-out");
    assert_eq!(user.ask_for_session(&server, &assume).0, 400);
    let named = assume.replace("&Policy=a-policy-stays-out", "").replace("RoleSessionName=s", "RoleSessionName=anna");
    assert_eq!(user.ask_for_session(&server, &named).0, 403);
    assert_eq!(user.ask_for_session(&server, "Action=GetFederationToken").0, 400);
    let (code, said, _) = run(stanchion(&["inspect", "refused", "--data-dir", text(&directory.path().join("data"))]));
    assert_eq!(code, 0);
    assert!(said.contains("denied 1,"), "{said}");
    assert_eq!(server.stop(), 0);

    let lines = lines(&trail(directory.path()));
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert_eq!(count(&lines, Some("GetCallerIdentity"), "Success"), 1);
    assert_eq!(count(&lines, Some("GetSessionToken"), "Success"), 1);
    assert_eq!(count(&lines, Some("AssumeRole"), "ValidationError"), 1);
    assert_eq!(count(&lines, Some("AssumeRole"), "AccessDenied"), 1);
    let session = lines.iter().find(|line| line["action"] == "GetSessionToken").expect("a line");
    assert_eq!(session["parameters"], json!({ "DurationSeconds": "900" }));
    assert_eq!(session["caller"], "arn:aws:iam::111122223333:user/anna");
    let written = fs::read_to_string(trail(directory.path())).expect("text");
    for name in ["SecretAccessKey", "SessionToken", "AccessKeyId"] {
        let value = given.split_once(&format!("<{name}>")).expect(name).1.split('<').next().expect("a value");
        assert!(value.len() > 10 && !written.contains(value), "{name}");
    }
    assert!(!written.contains("a-policy-stays-out"));
}

#[test]
fn a_full_file_gets_a_number_and_the_oldest_goes() {
    let directory = directory();
    let server = start(directory.path(), &["--audit-size", "1MiB", "--audit-files", "1"]);
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    // About 19 KiB a line, so about 55 in a file.
    let value = "v".repeat(256);
    let keys: Vec<String> = (0..50).map(|number| format!("{number:0128}")).collect();
    let tags: serde_json::Map<String, Value> = keys.iter().map(|key| (key.clone(), json!(value))).collect();
    for _ in 0..130 {
        server.ok("TagQueue", json!({ "QueueUrl": "q", "Tags": tags }));
    }
    server.ok("UntagQueue", json!({ "QueueUrl": "q", "TagKeys": ["last"] }));
    assert_eq!(server.stop(), 0);
    let now = trail(directory.path());
    let full = directory.path().join("audit.log.1");
    assert!(!directory.path().join("audit.log.2").exists());
    for file in [&now, &full] {
        let bytes = fs::metadata(file).expect("a file").len();
        assert!(bytes <= 1 << 20, "{bytes} bytes in {}", file.display());
    }
    assert_eq!(lines(&now).last().expect("a line")["action"], "UntagQueue");
    assert!(lines(&full).len() >= 50, "a file is full before another is begun");
}

#[test]
fn a_file_that_was_moved_away_is_made_anew_at_a_hangup() {
    let directory = directory();
    let server = start(directory.path(), &[]);
    server.ok("CreateQueue", json!({ "QueueName": "before" }));
    let moved = directory.path().join("moved");
    let started = Instant::now();
    while fs::metadata(trail(directory.path())).map_or(0, |metadata| metadata.len()) == 0 {
        assert!(started.elapsed() < LONG, "the line is not written");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fs::rename(trail(directory.path()), &moved).expect("it is moved");
    server.signal(Signal::HUP);
    server.wait_for_log("opened the audit file again");
    server.ok("CreateQueue", json!({ "QueueName": "after" }));
    assert_eq!(server.stop(), 0);
    let queue = |path: &Path| lines(path).iter().map(|line| line["queue"].to_string()).collect::<Vec<_>>().concat();
    assert!(queue(&moved).ends_with(":before\""), "{}", queue(&moved));
    assert!(queue(&trail(directory.path())).ends_with(":after\""));
}

#[test]
fn what_an_operator_tells_the_server_leaves_lines_without_messages() {
    let directory = directory();
    let server = start(directory.path(), &[]);
    server.create_and_send("q", BODY);
    let (data, backup) = (directory.path().join("data"), directory.path().join("backup"));
    let export = directory.path().join("export");
    for words in [
        &["backup", "--to", text(&backup)][..],
        &["export", "--all", "--output", text(&export)],
        &["import", text(&export)],
        &["inspect", "refused"],
    ] {
        let (code, _, error) = run(stanchion(&[words, &["--data-dir", text(&data)]].concat()));
        assert_eq!(code, 0, "{words:?}: {error}");
    }
    assert_eq!(server.stop(), 0);
    let lines = lines(&trail(directory.path()));
    for action in ["control:hold", "control:release", "control:import"] {
        assert!(count(&lines, Some(action), "Success") >= 1, "{action}: {lines:#?}");
    }
    let operator = lines.iter().find(|line| line["action"] == "control:import").expect("a line");
    assert_eq!(operator["parameters"], json!({ "queue": "q", "messages": 1 }));
    assert!(operator["caller"].as_str().expect("a name").starts_with("operator"));
    assert!(!lines.iter().any(|line| line["action"] == "control:refused"), "a question changes nothing");
    assert!(!fs::read_to_string(trail(directory.path())).expect("a trail").contains(BODY));
}

#[test]
fn a_trail_that_cannot_be_written_ends_the_start() {
    let directory = directory();
    let data = directory.path().join("data");
    let arguments = ["serve", "--data-dir", text(&data), "--listen", "127.0.0.1:0", "--audit"];
    let (code, _, error) =
        run(stanchion(&[&arguments[..], &[text(&directory.path().join("none").join("log"))]].concat()));
    assert_eq!(code, 1);
    assert!(error.contains("setting audit: "), "{error}");
}
