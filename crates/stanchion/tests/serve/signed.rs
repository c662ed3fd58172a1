//! A server with credentials: who gets in, what is said to the others, and what a change of the file does.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stanchion_types::calendar::Date;

use crate::harness::{Answers, LONG, Server, directory, run, stanchion};

/// An access key with its secret.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl Key {
    /// Makes a key with the command for it.
    pub(crate) fn create(file: &Path, account: &str, user: Option<&str>) -> Self {
        let file = file.to_str().expect("a path in UTF-8");
        let mut arguments = vec!["keys", "create", "--credentials", file, "--account", account];
        arguments.extend(user.iter().flat_map(|user| ["--user", user]));
        let (code, out, error) = run(stanchion(&arguments));
        assert_eq!((code, error.as_str()), (0, ""));
        let value = |name: &str| {
            let line = out.lines().find_map(|line| line.strip_prefix(name)).expect("a variable");
            line.strip_prefix('=').expect("a value").to_owned()
        };
        Key { id: value("AWS_ACCESS_KEY_ID"), secret: value("AWS_SECRET_ACCESS_KEY") }
    }

    /// Returns a signed request in JSON.
    pub(crate) fn sign(&self, action: &str, body: &str) -> Vec<u8> {
        self.sign_for("sqs", &[("x-amz-target", &format!("AmazonSQS.{action}"))], body)
    }

    /// Returns a request to a service, with signed headers whose names come after those that every request has.
    fn sign_for(&self, service: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
        let date = Date::of(now).basic();
        let scope = format!("{}/us-east-1/{service}/aws4_request", &date[..8]);
        let hash = |text: &str| HEXLOWER.encode(&Sha256::digest(text));
        let headers = [&[("host", "localhost"), ("x-amz-date", &date)], headers].concat();
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", hash(body));
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(&canonical));
        let key = scope.split('/').fold(format!("AWS4{}", self.secret).into_bytes(), |key, part| keyed(&key, part));
        let signature = HEXLOWER.encode(&keyed(&key, &text));
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!(
            "POST / HTTP/1.1\r\n{lines}authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, \
             Signature={signature}\r\ncontent-length: {}\r\n\r\n{body}",
            self.id,
            body.len()
        )
        .into_bytes()
    }

    /// Asks for temporary credentials; `parameters` are those of a form beside the version.
    pub(crate) fn ask_for_session(&self, server: &Server, parameters: &str) -> (u16, String) {
        let body = format!("Version=2011-06-15&{parameters}");
        let mut stream = server.connect();
        stream.write_all(&self.sign_for("sts", &[], &body)).expect("the request is sent");
        let (status, body) = Answers::new(stream).next().expect("an answer");
        (status, String::from_utf8(body).expect("text"))
    }

    pub(crate) fn call(&self, server: &Server, action: &str, body: Value) -> (u16, Value) {
        let mut stream = server.connect();
        stream.write_all(&self.sign(action, &body.to_string())).expect("the request is sent");
        let (status, body) = Answers::new(stream).next().expect("an answer");
        (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") })
    }
}

fn start(directory: &Path, file: &Path) -> Server {
    Server::start(directory, &["--credentials", file.to_str().expect("a path in UTF-8")])
}

pub(crate) fn credentials(directory: &Path) -> PathBuf {
    directory.join("credentials.toml")
}

/// Writes the file in the place of the one that is there.
pub(crate) fn write(file: &Path, text: &str) {
    let beside = file.with_extension("beside");
    fs::write(&beside, text).expect("the file is written");
    fs::set_permissions(&beside, Permissions::from_mode(0o600)).expect("a mode");
    fs::rename(beside, file).expect("the file is replaced");
}

/// Calls until the status is the expected one.
fn wait_for(key: &Key, server: &Server, expected: u16) {
    let started = Instant::now();
    while key.call(server, "ListQueues", json!({})).0 != expected {
        assert!(started.elapsed() < LONG, "the answer does not become {expected}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn only_those_whom_the_file_knows_get_in_and_each_to_his_own() {
    let directory = directory();
    let file = credentials(directory.path());
    let first = Key::create(&file, "111122223333", None);
    let second = Key::create(&file, "444455556666", None);
    let server = start(directory.path(), &file);

    let (status, body) = first.call(&server, "CreateQueue", json!({ "QueueName": "q" }));
    assert_eq!(status, 200, "{body}");
    assert!(body["QueueUrl"].as_str().expect("a URL").ends_with("/111122223333/q"));
    let (status, body) = second.call(&server, "ListQueues", json!({}));
    assert_eq!((status, body), (200, json!({})));

    let url = "http://localhost/111122223333/q";
    let (status, body) = second.call(&server, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "x" }));
    assert_eq!((status, &body["__type"]), (403, &json!("com.amazon.coral.service#AccessDeniedException")));
    server.wait_for_log("denied: the queue's policy does not allow it");

    let (status, body) = server.call("ListQueues", json!({}));
    assert_eq!(
        (status, &body["__type"]),
        (403, &json!("com.amazon.coral.service#MissingAuthenticationTokenException"))
    );
    let wrong = Key { secret: second.secret.clone(), id: first.id.clone() };
    let (status, body) = wrong.call(&server, "ListQueues", json!({}));
    assert_eq!((status, &body["__type"]), (403, &json!("com.amazon.coral.service#InvalidSignatureException")));
    let nobody = Key { secret: second.secret.clone(), id: "AKIANOBODY".into() };
    let (status, body) = nobody.call(&server, "ListQueues", json!({}));
    assert_eq!((status, &body["__type"]), (403, &json!("com.amazon.coral.service#UnrecognizedClientException")));

    // In the other protocol the same codes.
    let query = "GET /?Action=ListQueues&Version=2012-11-05 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = server.exchange(query.as_bytes());
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("<Code>MissingAuthenticationToken</Code>"),
        "{answer}"
    );
    // Whether the server is well anybody may ask.
    let health = server.exchange(b"GET /_stanchion/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    assert_eq!(server.stop(), 0);

    let log = fs::read_to_string(directory.path().join("log")).expect("a log");
    assert!(!log.contains(&first.secret) && !log.contains(&second.secret), "{log}");
}

#[test]
fn a_change_of_the_file_counts_without_a_restart_and_a_wrong_one_changes_nothing() {
    let directory = directory();
    let file = credentials(directory.path());
    let first = Key::create(&file, "111122223333", None);
    let server = start(directory.path(), &file);
    wait_for(&first, &server, 200);

    let second = Key::create(&file, "111122223333", Some("anna"));
    // Known, and without a policy.
    let started = Instant::now();
    while second.call(&server, "ListQueues", json!({})).1["__type"] != "com.amazon.coral.service#AccessDeniedException"
    {
        assert!(started.elapsed() < LONG, "the server does not learn of the key");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let text = fs::read_to_string(&file).expect("the file");
    write(&file, "accounts = 5");
    server.wait_for_log("the credentials stay as they were");
    wait_for(&first, &server, 200);

    write(&file, &text.replace(&first.id, "AKIASOMEBODYELSE"));
    server.signal(Signal::HUP);
    wait_for(&first, &server, 403);
}

#[test]
fn a_file_that_others_can_read_or_that_is_wrong_ends_the_start() {
    let directory = directory();
    let file = credentials(directory.path());
    Key::create(&file, "111122223333", None);
    let data = directory.path().join("data");
    let serve = || {
        let (data, file) = (data.to_str().expect("UTF-8"), file.to_str().expect("UTF-8"));
        run(stanchion(&["serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--credentials", file]))
    };
    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("a mode");
    let (code, _, error) = serve();
    assert_eq!(code, 2);
    assert!(error.contains("setting credentials: ") && error.contains("chmod 600"), "{error}");
    write(&file, "[[accounts]]\nid = \"12\"\n");
    let (code, _, error) = serve();
    assert_eq!(code, 2);
    assert!(error.contains("the id must be 12 digits"), "{error}");
    assert!(!data.exists());
}

#[test]
fn who_guesses_too_often_has_to_wait() {
    let directory = directory();
    let file = credentials(directory.path());
    let key = Key::create(&file, "111122223333", None);
    let server = start(directory.path(), &file);
    let wrong = Key { id: key.id.clone(), secret: "x".repeat(40) };
    let started = Instant::now();
    loop {
        let (status, body) = wrong.call(&server, "ListQueues", json!({}));
        assert_eq!(status, 403);
        if body["__type"] == "com.amazonaws.sqs#RequestThrottled" {
            break;
        }
        assert!(started.elapsed() < LONG, "guessing goes on");
    }
    wait_for(&key, &server, 200);
}

#[test]
fn a_proxy_that_is_trusted_says_who_its_client_is() {
    let directory = directory();
    let file = credentials(directory.path());
    let first = Key::create(&file, "111122223333", None);
    let second = Key::create(&file, "111122223333", Some("anna"));
    let text = fs::read_to_string(&file).expect("the file");
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{
        "IpAddress":{"aws:SourceIp":"203.0.113.0/24"},"Bool":{"aws:SecureTransport":"true"}}}}"#;
    let text = text.replace("name = \"anna\"\n", "name = \"anna\"\npolicies = [\"near\"]\n");
    write(&file, &format!("policies.near = '''{policy}'''\n{text}"));
    let path = file.to_str().expect("UTF-8");
    let server = Server::start(directory.path(), &["--credentials", path, "--trusted-proxies", "127.0.0.0/8"]);

    // Proxies add headers that the client has not signed.
    let forwarded = |key: &Key, headers: &str| {
        let mut request = key.sign("ListQueues", "{}");
        let end = request.windows(2).position(|pair| pair == b"\r\n").expect("a first line") + 2;
        request.splice(end..end, headers.bytes());
        let mut stream = server.connect();
        stream.write_all(&request).expect("the request is sent");
        let (status, body) = Answers::new(stream).next().expect("an answer");
        (status, String::from_utf8(body).expect("text"))
    };
    let secure = "x-forwarded-proto: https\r\n";
    assert_eq!(forwarded(&second, &format!("{secure}x-forwarded-for: 198.51.100.1, 203.0.113.7\r\n")).0, 200);
    assert_eq!(forwarded(&second, &format!("{secure}x-forwarded-for: 203.0.113.7, 198.51.100.1\r\n")).0, 403);
    assert_eq!(forwarded(&second, "x-forwarded-proto: http\r\nx-forwarded-for: 203.0.113.7\r\n").0, 403);
    assert_eq!(forwarded(&second, "").0, 403);
    server.wait_for_log("source=198.51.100.1");
    // A client that guesses is throttled, and another one behind the same proxy is not.
    let wrong = Key { id: first.id.clone(), secret: "x".repeat(40) };
    let started = Instant::now();
    while !forwarded(&wrong, "x-forwarded-for: 203.0.113.66\r\n").1.contains("RequestThrottled") {
        assert!(started.elapsed() < LONG, "guessing goes on");
    }
    assert_eq!(forwarded(&first, "x-forwarded-for: 203.0.113.7\r\n").0, 200);
}

#[test]
fn every_command_of_the_page_on_security_works_as_written() {
    let page = include_str!("../../../../docs/security.md");
    let directory = directory();
    // The page speaks of ./stanchion-data, the default.
    std::os::unix::fs::symlink(directory.path().join("data"), directory.path().join("stanchion-data")).expect("a link");
    let block = |kind: &str| -> Vec<&str> {
        let fence = format!("```{kind}\n");
        let blocks = page.split(fence.as_str()).skip(1);
        blocks.map(|rest| rest.split("```").next().unwrap_or_default()).collect()
    };
    let toml = block("toml");
    assert_eq!(toml.len(), 1, "one example of a file");
    let file = credentials(directory.path());
    write(&file, toml[0]);
    let policy = block("json").into_iter().find(|json| json.contains("Statement")).expect("an example of a policy");
    fs::write(directory.path().join("policy.json"), policy).expect("a file");
    fs::write(directory.path().join("owner.secret"), "0123456789abcdef0123").expect("a file");
    fs::set_permissions(directory.path().join("owner.secret"), Permissions::from_mode(0o600)).expect("a mode");

    let mut server = None;
    let mut commands = 0;
    for line in block("sh").into_iter().flat_map(str::lines).filter(|line| !line.is_empty()) {
        let (line, expected) = match line.split_once(" # exit code ") {
            Some((line, code)) => (line, code.parse().expect("a code")),
            None => (line, 0),
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[0], "stanchion", "{line}");
        commands += 1;
        if words[1] == "serve" {
            // The test's server has a port and a directory of its own.
            assert_eq!(words[2..4], ["--listen", "0.0.0.0:9324"], "{line}");
            server =
                Some(Server::start_in(directory.path(), &words[4..], &[("PRODUCER_SECRET", "0123456789abcdef0123")]));
            continue;
        }
        let mut command = stanchion(&words[1..]);
        command.current_dir(directory.path());
        let (code, _, error) = run(command);
        assert_eq!(code, expected, "{line}: {error}");
    }
    assert!(commands >= 9 && server.is_some(), "{commands}");
}
