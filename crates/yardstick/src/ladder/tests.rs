//! Each rung over a socket, by a client that knows nothing of it.

use super::{Options, Rung, Site, Syncing};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The MD5 of `hello`, as any other program says.
const HELLO_MD5: &str = "5d41402abc4b2a76b9719d911017c592";
const WORLD_MD5: &str = "7d793037a0760186574b0282f2f435e7";
const SEND: &str = r#"{"QueueUrl":"http://127.0.0.1/000000000000/q","MessageBody":"hello"}"#;
const SEND_BATCH: &str = r#"{"QueueUrl":"http://127.0.0.1/000000000000/q","Entries":[
    {"Id":"a","MessageBody":"hello"},{"Id":"b","MessageBody":"w\u006frld"}]}"#;
/// No test needs longer for an answer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A rung that serves as long as this value lives.
struct Served {
    address: SocketAddr,
    directory: TempDir,
    runtime: Runtime,
}

impl Served {
    fn start(rung: Rung, sync: Syncing) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = Options {
            rung,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            dir: directory.path().into(),
            sync,
            log_bytes: 1 << 20,
            access_key: "yardstick".into(),
            secret_key: "yardstick-secret".into(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let site = runtime.block_on(async { Site::open(&options) }).expect("a free port");
        let address = site.address().expect("an address");
        drop(runtime.spawn(site.serve()));
        Self { address, directory, runtime }
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).expect("the rung accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Client(BufReader::new(stream))
    }

    fn log(&self) -> Vec<u8> {
        read_only_file(self.directory.path())
    }
}

fn read_only_file(directory: &Path) -> Vec<u8> {
    let mut files = std::fs::read_dir(directory).expect("readable");
    let file = files.next().expect("a file").expect("readable");
    assert!(files.next().is_none(), "one file");
    std::fs::read(file.path()).expect("readable")
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn call(&mut self, action: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-target: AmazonSQS.{action}\r\ncontent-length: {length}\r\n\r\n"
        );
        self.0.get_mut().write_all((head + body).as_bytes()).expect("the rung reads");
        self.answer()
    }

    fn answer(&mut self) -> (u16, String) {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a status");
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a body");
        (status, String::from_utf8(body).expect("text"))
    }

    fn json(&mut self, action: &str, body: &str) -> Value {
        let (status, body) = self.call(action, body);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }
}

const RUNGS: [(Rung, Syncing); 5] = [
    (Rung::Raw, Syncing::Serving),
    (Rung::Hyper, Syncing::Serving),
    (Rung::Parsed, Syncing::Serving),
    (Rung::Durable, Syncing::Serving),
    (Rung::Durable, Syncing::Thread),
];

#[test]
fn every_rung_answers_what_the_service_would_and_digests_from_the_third_on() {
    for (rung, sync) in RUNGS {
        let served = Served::start(rung, sync);
        let mut client = served.client();
        let created = client.json("CreateQueue", r#"{"QueueName":"q"}"#);
        assert!(created["QueueUrl"].as_str().is_some_and(|url| url.starts_with("http://")), "{rung:?}");
        let digests = !matches!(rung, Rung::Raw | Rung::Hyper);
        let mut ids = Vec::new();
        for _ in 0..2 {
            let sent = client.json("SendMessage", SEND);
            assert_eq!(sent["MessageId"].as_str().map(str::len), Some(36), "{rung:?}");
            assert_eq!(sent["MD5OfMessageBody"] == HELLO_MD5, digests, "{rung:?}");
            ids.push(sent["MessageId"].clone());
        }
        assert_eq!(ids[0] != ids[1], digests, "{rung:?}");
        let sent = client.json("SendMessageBatch", SEND_BATCH);
        let entries = sent["Successful"].as_array().expect("entries");
        if digests {
            let found: Vec<_> = entries.iter().map(|entry| (&entry["Id"], &entry["MD5OfMessageBody"])).collect();
            assert_eq!(found, [(&"a".into(), &HELLO_MD5.into()), (&"b".into(), &WORLD_MD5.into())]);
        } else {
            assert_eq!(entries.len(), 10);
        }
        let request = r#"{"QueueUrl":"q","MaxNumberOfMessages":10,"WaitTimeSeconds":0}"#;
        assert_eq!(client.call("ReceiveMessage", request), (200, "{}".into()));
        assert_eq!(client.call("DeleteQueue", r#"{"QueueUrl":"q"}"#), (200, "{}".into()));
    }
}

#[test]
fn requests_that_follow_without_waiting_are_answered_in_order() {
    for (rung, sync) in RUNGS {
        let served = Served::start(rung, sync);
        let mut client = served.client();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: h\r\nx-amz-target: AmazonSQS.SendMessage\r\ncontent-length: {}\r\n\r\n{SEND}",
            SEND.len()
        );
        client.0.get_mut().write_all(request.repeat(3).as_bytes()).expect("the rung reads");
        for _ in 0..3 {
            let (status, body) = client.answer();
            assert!(status == 200 && body.contains("MD5OfMessageBody"), "{rung:?}: {status} {body}");
        }
    }
}

#[test]
fn a_message_is_in_the_file_when_its_send_is_answered() {
    for sync in [Syncing::Serving, Syncing::Thread] {
        let served = Served::start(Rung::Durable, sync);
        let found = |text: &str| {
            let log = served.log();
            log.windows(text.len()).any(|window| window == text.as_bytes())
        };
        std::thread::scope(|scope| {
            for connection in 0..8 {
                let (served, found) = (&served, &found);
                scope.spawn(move || {
                    let mut client = served.client();
                    for number in 0..20 {
                        let body = format!("message {connection}-{number}.");
                        client.json("SendMessage", &SEND.replace("hello", &body));
                        assert!(found(&body), "{sync:?}: {body}");
                    }
                });
            }
        });
        served.client().json("SendMessageBatch", SEND_BATCH);
        assert!(found("hello") && found("world"), "{sync:?}");
    }
}

#[test]
fn clients_that_leave_before_their_answer_hold_nobody_up() {
    for sync in [Syncing::Serving, Syncing::Thread] {
        let served = Served::start(Rung::Durable, sync);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let served = &served;
                scope.spawn(move || {
                    for _ in 0..20 {
                        let mut leaving = served.client();
                        let head = "POST / HTTP/1.1\r\nhost: h\r\nx-amz-target: AmazonSQS.SendMessage\r\n";
                        let request = format!("{head}content-length: {}\r\n\r\n{SEND}", SEND.len());
                        leaving.0.get_mut().write_all(request.as_bytes()).expect("the rung reads");
                        drop(leaving);
                        served.client().json("SendMessage", SEND);
                    }
                });
            }
        });
    }
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for (rung, sync) in RUNGS {
        let served = Served::start(rung, sync);
        assert_eq!(served.client().call("Fly", "{}").0, 400, "{rung:?}");
        if matches!(rung, Rung::Raw | Rung::Hyper) {
            continue;
        }
        for (action, body) in [
            ("SendMessage", ""),
            ("SendMessage", "{"),
            ("SendMessage", r#"{"QueueUrl":"q"}"#),
            ("SendMessageBatch", r#"{"QueueUrl":"q","Entries":[]}"#),
            ("SendMessageBatch", r#"{"QueueUrl":"q","Entries":[{"Id":"\"","MessageBody":"x"}]}"#),
            ("ReceiveMessage", "[]"),
        ] {
            let (status, answer) = served.client().call(action, body);
            assert_eq!(status, 400, "{rung:?} {action} {body}: {answer}");
        }
    }
}

#[test]
fn a_rung_that_verifies_refuses_a_send_without_a_signature() {
    for rung in [Rung::Signed, Rung::Full] {
        let served = Served::start(rung, Syncing::Serving);
        let (status, answer) = served.client().call("SendMessage", SEND);
        assert_eq!((status, answer.contains("InvalidSignatureException")), (403, true), "{rung:?}: {answer}");
    }
}

/// Lets the generator sign for an account, and counts what it was refused.
fn refusals(rung: Rung, account: &str) -> u64 {
    #[derive(clap::Parser)]
    struct Words {
        #[command(flatten)]
        options: stanchion_bench::Options,
    }
    let served = Served::start(rung, Syncing::Serving);
    let words = format!("bench send -n 20 -c 2 --sign {account} --endpoint http://{}", served.address);
    let words = <Words as clap::Parser>::try_parse_from(words.split_whitespace()).expect("valid words");
    let report = served.runtime.block_on(stanchion_bench::conduct(words.options));
    // Without a queue there is no run at all.
    report.map_or(u64::MAX, |report| report.errors.values().sum())
}

#[test]
fn a_rung_that_verifies_takes_what_the_generator_signs_and_no_other_secret() {
    for rung in [Rung::Signed, Rung::Full] {
        assert_eq!(refusals(rung, "yardstick:yardstick-secret"), 0, "{rung:?}");
        assert!(refusals(rung, "yardstick:another-secret") > 0, "{rung:?}");
        assert!(refusals(rung, "another:yardstick-secret") > 0, "{rung:?}");
    }
}
