//! The listener before real sockets: how long it waits for whom, and how it stops.

mod fixture;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fixture::{LONG, Running, SHORT, request};
use stanchion_http::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn start(options: Options) -> Running {
    fixture::start(options, |server| server)
}

/// Sends bytes on a new connection.
async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads until the server closes the connection, and returns what it sent.
async fn read_to_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await;
    read.expect("the server closes the connection").unwrap();
    String::from_utf8(answer).unwrap()
}

/// Sends bytes on a new connection and reads until the server closes it; returns what it sent and how long that took,
/// from before the server could know of the connection.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> (String, Duration) {
    let started = Instant::now();
    let answer = read_to_end(send(address, bytes).await).await;
    (answer, started.elapsed())
}

/// Reads one answer with an empty JSON object.
async fn read_empty_object(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n{}") {
        let read = tokio::time::timeout(LONG, stream.read_buf(&mut answer)).await.expect("an answer in time").unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_head_that_stays_incomplete_is_given_up() {
    let running = start(Options { idle_timeout: SHORT, ..Options::default() });
    for head in [&b""[..], b"POST / HT", b"POST / HTTP/1.1\r\nhost: x\r\n"] {
        let (answer, took) = exchange(running.address, head).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(took >= SHORT, "{took:?}");
    }
}

#[tokio::test]
async fn a_body_that_stays_incomplete_is_given_up() {
    let running = start(Options { body_timeout: SHORT, ..Options::default() });
    let whole = request("ListQueues", "{}");
    let (answer, took) = exchange(running.address, &whole[..whole.len() - 1]).await;
    assert_eq!(answer, "");
    assert!(took >= SHORT && took < LONG / 2, "{took:?}");
}

#[tokio::test]
async fn a_connection_may_be_idle_between_requests_but_not_for_ever() {
    let running = start(Options { idle_timeout: SHORT, ..Options::default() });
    let mut stream = send(running.address, &request("ListQueues", "{}")).await;
    let started = Instant::now();
    // Longer than the timeout altogether. Between two requests is no time: whoever keeps this thread from running keeps
    // the server from looking at the clock, too.
    while started.elapsed() <= SHORT {
        read_empty_object(&mut stream).await;
        stream.write_all(&request("ListQueues", "{}")).await.unwrap();
    }
    read_empty_object(&mut stream).await;
    let answer = read_to_end(stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_long_poll_outlasts_the_idle_timeout() {
    let running = start(Options { idle_timeout: SHORT, ..Options::default() });
    let created = send(running.address, &request("CreateQueue", r#"{"QueueName":"q"}"#)).await;
    read_to_end(created).await;
    let poll = request("ReceiveMessage", r#"{"QueueUrl":"q","WaitTimeSeconds":1}"#);
    let started = Instant::now();
    let mut stream = send(running.address, &poll).await;
    read_empty_object(&mut stream).await;
    assert!(started.elapsed() >= Duration::from_millis(990), "{:?}", started.elapsed());
}

#[tokio::test]
async fn producers_that_fill_all_room_are_throttled_and_everybody_else_is_served() {
    let bounds = Options { inbound_bytes_max: 100_000, inbound_patience: SHORT, ..Options::default() };
    // Whoever is answered is gone soon.
    let running = start(Options { idle_timeout: SHORT, ..bounds });
    read_to_end(send(running.address, &request("CreateQueue", r#"{"QueueName":"q"}"#)).await).await;
    let large = format!(r#"{{"QueueUrl":"q","MessageBody":"{}"}}"#, "x".repeat(60_000));
    let large = request("SendMessage", &large);
    // All but the last byte: its room is taken for as long as the client likes, up to the timeout of bodies.
    let (first, rest) = large.split_at(large.len() - 1);
    let mut slow = send(running.address, first).await;
    // What is sent after it is handled after it once this is answered.
    read_empty_object(&mut send(running.address, &request("ListQueues", r#"{"QueueNamePrefix":"none"}"#)).await).await;

    let (answer, took) = exchange(running.address, first).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("RequestThrottled"), "{answer}");
    assert!(took >= SHORT, "{took:?}");
    let receive = request("ReceiveMessage", r#"{"QueueUrl":"q"}"#);
    read_empty_object(&mut send(running.address, &receive).await).await;

    slow.write_all(rest).await.unwrap();
    let mut answer = vec![0; 12];
    tokio::time::timeout(LONG, slow.read_exact(&mut answer)).await.expect("an answer in time").unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    let mut next = send(running.address, &large).await;
    tokio::time::timeout(LONG, next.read_exact(&mut answer)).await.expect("an answer in time").unwrap();
    assert_eq!(answer, b"HTTP/1.1 200", "the room is free again");
}

#[tokio::test]
async fn a_stop_closes_idle_connections_and_finishes_requests_under_way() {
    let running = start(Options::default());
    let idle = TcpStream::connect(running.address).await.unwrap();
    let mut used = send(running.address, &request("ListQueues", "{}")).await;
    read_empty_object(&mut used).await;
    let whole = request("ListQueues", "{}");
    let (first, rest) = whole.split_at(whole.len() - 1);
    let mut half = send(running.address, first).await;
    // The half request is known to the server once something sent after it has been answered.
    read_empty_object(&mut send(running.address, &whole).await).await;

    running.stop.send(()).unwrap();
    read_to_end(idle).await;
    read_to_end(used).await;
    half.write_all(rest).await.unwrap();
    let answer = read_to_end(half).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{}"), "{answer}");
    tokio::time::timeout(LONG, running.serving).await.expect("the server stops").unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn one_port_answers_two_services_and_tells_them_by_their_version() {
    let running = start(Options::default());
    for (version, action, expected) in [
        ("2011-06-15", "GetCallerIdentity", "<Arn>arn:aws:iam::000000000000:root</Arn>"),
        ("2011-06-15", "ListQueues", "Could not find operation ListQueues for version 2011-06-15"),
        ("2012-11-05", "ListQueues", "<ListQueuesResponse "),
        ("2012-11-05", "GetCallerIdentity", "<Code>InvalidAction</Code>"),
    ] {
        let form = format!("Action={action}&Version={version}");
        let posted = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{form}",
            form.len()
        );
        let got = format!("GET /?{form} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        for request in [posted, got] {
            let (answer, _) = exchange(running.address, request.as_bytes()).await;
            assert!(answer.contains(expected), "{request}\n{answer}");
            assert!(answer.contains("x-amzn-requestid: "), "{answer}");
        }
    }
}
