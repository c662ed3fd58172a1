//! Clients that break the rules, by mistake or on purpose.

use std::io::{Read, Write};
use std::time::Instant;

use serde_json::json;

use crate::harness::{Answers, LONG, Server, directory, request};

/// Checks that the server still serves.
fn check_alive(server: &Server) {
    assert_eq!(server.call("ListQueues", json!({})).0, 200);
}

#[test]
fn what_is_no_http_is_refused_and_the_server_goes_on() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    let long_line = [b"GET /".as_slice(), &b"a".repeat(1 << 20), b" HTTP/1.1\r\n\r\n"].concat();
    let huge_header = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &b"a".repeat(1 << 20), b"\r\n\r\n"].concat();
    let many_headers = [b"GET / HTTP/1.1\r\n".as_slice(), &b"x: y\r\n".repeat(10_000), b"\r\n"].concat();
    for bytes in [
        &b"hello\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\0\0\0\0",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: minus one\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        &long_line,
        &huge_header,
        &many_headers,
    ] {
        let answer = server.exchange(bytes);
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused, "{}: {answer}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
    }
    check_alive(&server);
}

#[test]
fn what_is_no_request_of_the_api_gets_the_services_own_error() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    for (request, status, text) in [
        ("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 404, "<UnknownOperationException/>"),
        (
            "DELETE /000000000000/q HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            404,
            "<UnknownOperationException/>",
        ),
        ("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 400, "MissingAction"),
        ("GET /?Action=Foo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 400, "InvalidAction"),
        (
            "POST /_stanchion/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            405,
            "ask with GET",
        ),
    ] {
        let answer = server.exchange(request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(text), "{request}: {answer}");
        assert!(answer.contains("x-amzn-requestid: "), "{answer}");
    }
    let (status, error) = server.call("Foo", json!({}));
    assert!((400..=404).contains(&status) && error["__type"].is_string(), "{status} {error}");
    let mut stream = server.connect();
    stream.write_all(&request("ListQueues", "{\"a\":")).unwrap();
    let (status, body) = Answers::new(stream).next().unwrap();
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(&body).contains("SerializationException"));
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let directory = directory();
    let server = Server::start(directory.path(), &["--body-limit", "2MiB"]);
    let mut stream = server.connect();
    // Only the head is sent: an answer shows that the body was not waited for.
    let head = "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: AmazonSQS.SendMessage\r\ncontent-length: 2097153\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answers = Answers::new(stream);
    let (status, body) = answers.next().expect("an answer");
    assert_eq!(status, 413, "{}", String::from_utf8_lossy(&body));
    assert_eq!(answers.next(), None, "the connection is closed");

    let mut chunked =
        b"POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: AmazonSQS.SendMessage\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    for _ in 0..40 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend(b"x".repeat(0x10000));
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = server.exchange(&chunked);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    check_alive(&server);
}

#[test]
fn a_message_of_the_largest_size_gets_through_however_it_is_escaped() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    let escaped = format!("{{\"QueueUrl\":\"q\",\"MessageBody\":\"{}\"}}", "\\u0022".repeat(1 << 20));
    let mut stream = server.connect();
    stream.write_all(&request("SendMessage", &escaped)).unwrap();
    let (status, body) = Answers::new(stream).next().unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    assert_eq!(server.receive("q"), ["\"".repeat(1 << 20)]);
    let more = json!({ "QueueUrl": "q", "MessageBody": "x".repeat((1 << 20) + 1) });
    let (status, error) = server.call("SendMessage", more);
    assert_eq!(status, 400);
    assert!(error["message"].as_str().unwrap().contains("Message must be shorter than 1048576 bytes"), "{error}");
}

#[test]
fn a_request_that_breaks_off_changes_nothing() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    let whole = request("SendMessage", &json!({ "QueueUrl": "q", "MessageBody": "x" }).to_string());
    for cut in [1, 20, whole.len() / 2, whole.len() - 1] {
        let answer = server.break_off(&whole[..cut]);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "cut at {cut}: {answer}");
    }
    assert!(server.receive("q").is_empty());
}

#[test]
fn a_request_that_arrives_byte_by_byte_is_answered() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    let mut stream = server.connect();
    stream.set_nodelay(true).unwrap();
    for byte in request("CreateQueue", "{\"QueueName\":\"slow\"}") {
        stream.write_all(&[byte]).unwrap();
    }
    let (status, body) = Answers::new(stream).next().unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.ok("CreateQueue", json!({ "QueueName": "q.fifo", "Attributes": { "FifoQueue": "true" } }));
    let mut stream = server.connect();
    let mut requests = Vec::new();
    for index in 0..50 {
        let message = json!({
            "QueueUrl": "q.fifo",
            "MessageBody": index.to_string(),
            "MessageGroupId": "g",
            "MessageDeduplicationId": index.to_string(),
        });
        requests.extend(request("SendMessage", &message.to_string()));
    }
    stream.write_all(&requests).unwrap();
    let answers = Answers::new(stream).take(50);
    assert!(answers.map(|(status, _)| status).all(|status| status == 200));
    let expected: Vec<_> = (0..10).map(|index: u32| index.to_string()).collect();
    assert_eq!(server.receive("q.fifo"), expected);
}

#[test]
fn a_client_that_leaves_a_long_poll_takes_no_message_with_it() {
    let directory = directory();
    let server = Server::start(directory.path(), &[]);
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    let wish = json!({ "QueueUrl": "q", "WaitTimeSeconds": 20 }).to_string();
    server.has_read(&request("ReceiveMessage", &wish)).leave();
    server.ok("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "x" }));
    assert_eq!(server.receive("q"), ["x"]);
}

#[test]
fn connections_beyond_the_limit_are_told_so_and_closed() {
    let directory = directory();
    let server = Server::start(directory.path(), &["--connections-max", "3"]);
    let held: Vec<_> = (0..3).map(|_| server.connect()).collect();
    let mut refused = server.connect();
    let mut answer = String::new();
    let _ = refused.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    drop(held);
    let started = Instant::now();
    loop {
        let mut stream = server.connect();
        let _ = stream.write_all(&request("ListQueues", "{}"));
        if Answers::new(stream).next().is_some_and(|(status, _)| status == 200) {
            break;
        }
        assert!(started.elapsed() < LONG, "closed connections make room");
    }
}
