//! Start, stop and restart.

use std::io::Write;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Answers, Server, directory, request, run, stanchion};

/// Sooner than what a stop must not wait for ends by itself: long polls of 20 seconds, half a request, idle connections.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn a_start_says_where_it_listens_where_its_data_is_and_what_to_try() {
    let directory = directory();
    let server = Server::start(directory.path(), &["--region", "eu-west-1"]);
    let data = directory.path().join("data").canonicalize().unwrap();
    assert_eq!(server.lines[1], format!("data directory: {}", data.display()));
    let endpoint = server.lines[0].strip_prefix("endpoint: ").unwrap();
    assert_eq!(
        server.lines[2],
        format!(
            "try it: AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any aws --region eu-west-1 --endpoint-url {endpoint} \
             sqs create-queue --queue-name hello"
        )
    );
    let answer = server.exchange(b"GET /_stanchion/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
}

#[test]
fn what_was_sent_is_there_after_a_stop_and_after_a_kill() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.create_and_send("q", "before the stop");
    assert_eq!(server.stop(), 0);

    let server = Server::start(directory.path(), &[]);
    server.ok("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "before the kill" }));
    server.kill();

    let server = Server::start(directory.path(), &[]);
    assert_eq!(server.receive("q"), ["before the stop", "before the kill"]);
}

#[test]
fn a_receipt_handle_is_good_after_a_restart() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.create_and_send("q", "x");
    let answer = server.ok("ReceiveMessage", json!({ "QueueUrl": "q" }));
    let handle = answer["Messages"][0]["ReceiptHandle"].clone();
    server.kill();

    let server = Server::start(directory.path(), &[]);
    server.ok("DeleteMessage", json!({ "QueueUrl": "q", "ReceiptHandle": handle }));
    let names = json!({ "QueueUrl": "q", "AttributeNames": ["ApproximateNumberOfMessagesNotVisible"] });
    let counters = server.ok("GetQueueAttributes", names);
    assert_eq!(counters["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "0");
}

#[test]
fn a_second_server_on_the_same_directory_is_refused_by_name() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    let data = directory.path().join("data");
    let second = stanchion(&["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()]);
    let (code, out, error) = run(second);
    assert_eq!((code, out.as_str()), (1, ""));
    let named = data.canonicalize().unwrap().display().to_string();
    assert!(error.contains(&named) && error.contains("another process has this data directory open"), "{error}");
    server.create_and_send("q", "the first one is not disturbed");
    assert_eq!(server.receive("q").len(), 1);
}

#[test]
fn an_address_in_use_is_refused_by_the_name_of_its_setting() {
    let (first, second) = (directory(), directory());
    let server = Server::start(first.path(), &[]);
    let address = server.address.to_string();
    let data = second.path().join("data");
    let (code, _, error) = run(stanchion(&["serve", "--listen", &address, "--data-dir", data.to_str().unwrap()]));
    assert_eq!(code, 1);
    assert!(error.contains("setting listen") && error.contains(&address), "{error}");
}

#[test]
fn a_stop_hands_long_polls_back_and_answers_what_is_in_flight() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = directory();
        let mut server = Server::start(directory.path(), &[]);
        server.ok("CreateQueue", json!({ "QueueName": "q" }));
        let polls: Vec<_> = (0..5)
            .map(|_| {
                let wish = json!({ "QueueUrl": "q", "WaitTimeSeconds": 20 }).to_string();
                server.has_read(&request("ReceiveMessage", &wish))
            })
            .collect();

        let started = Instant::now();
        server.signal(signal);
        for mut poll in polls {
            assert_eq!(poll.next(), Some((200, b"{}".to_vec())));
            assert_eq!(poll.next(), None, "the connection is closed");
        }
        assert_eq!(server.wait().code(), Some(0));
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    }
}

#[test]
fn idle_connections_do_not_delay_a_stop() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    let idle: Vec<_> = (0..20).map(|_| server.connect()).collect();
    // One that has been used before.
    let mut used = server.connect();
    used.write_all(&request("ListQueues", "{}")).unwrap();
    let mut used = Answers::new(used);
    assert_eq!(used.next(), Some((200, b"{}".to_vec())));
    let started = Instant::now();
    assert_eq!(server.stop(), 0);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(used.next(), None);
    drop(idle);
}

#[test]
fn a_second_signal_leaves_at_once() {
    let directory = directory();
    let mut server = Server::start(directory.path(), &[]);
    server.create_and_send("q", "x");
    // A client that sends half a request keeps the first stop waiting.
    let whole = request("ListQueues", "{}");
    let _slow = server.has_read(&whole[..whole.len() - 1]);
    server.signal(Signal::TERM);
    server.wait_for_log("SIGTERM: stopping");
    let started = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
    assert!(started.elapsed() < SOON);

    let server = Server::start(directory.path(), &[]);
    assert_eq!(server.receive("q"), ["x"]);
}

#[test]
fn queue_urls_begin_with_the_host_that_was_called_or_the_public_url() {
    let directory = directory();
    let server = Server::start(directory.path(), &["--account", "123456789012"]);
    let created = server.ok("CreateQueue", json!({ "QueueName": "q" }));
    assert_eq!(created["QueueUrl"], "http://localhost/123456789012/q");
    assert_eq!(server.stop(), 0);
    let server =
        Server::start(directory.path(), &["--account", "123456789012", "--public-url", "https://queues.example.com/"]);
    let found = server.ok("GetQueueUrl", json!({ "QueueName": "q" }));
    assert_eq!(found["QueueUrl"], "https://queues.example.com/123456789012/q");
}

#[test]
fn the_trace_header_of_a_send_travels_with_its_message() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    let send = request("SendMessage", &json!({ "QueueUrl": "q", "MessageBody": "x" }).to_string());
    let traced = String::from_utf8(send).unwrap().replacen("\r\n", "\r\nX-Amzn-Trace-Id: Root=1-abc\r\n", 1);
    let mut stream = server.connect();
    stream.write_all(traced.as_bytes()).unwrap();
    assert_eq!(Answers::new(stream).next().map(|(status, _)| status), Some(200));
    let wish = json!({ "QueueUrl": "q", "MessageSystemAttributeNames": ["AWSTraceHeader"] });
    let received = server.ok("ReceiveMessage", wish);
    assert_eq!(received["Messages"][0]["Attributes"], json!({ "AWSTraceHeader": "Root=1-abc" }));
}

#[test]
fn a_kill_loses_nothing_whatever_the_durability() {
    for durability in ["sync", "interval=60000", "memory"] {
        let directory = directory();
        let server = Server::start(directory.path(), &["--durability", durability]);
        server.create_and_send("q", "x");
        server.kill();
        let server = Server::start(directory.path(), &["--durability", durability]);
        assert_eq!(server.receive("q"), ["x"], "{durability}");
    }
}
