//! What strangers cannot get the listener to do.

#[allow(dead_code, reason = "others need more of it")]
mod fixture;

use std::sync::Arc;

use fixture::{LONG, Running};
use stanchion_auth::{Authenticator, Directory};
use stanchion_http::{Access, Gatekeeper, Options};
use stanchion_types::{AccountId, Region};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Large enough that no buffer on the way holds it.
const HUGE: usize = 256 << 20;

/// Starts a server that knows no key.
fn start() -> Running {
    let directory = Directory::read("", &mut |_| Err("nothing to fetch".into())).unwrap();
    let authenticator = Authenticator::new(directory, AccountId::DEFAULT, Region::new("us-east-1").unwrap());
    let access = Access::Keys(Gatekeeper::new(Arc::new(authenticator)));
    fixture::start_with(Options { body_bytes_max: HUGE, ..Options::default() }, access, |server| server)
}

/// Writes the head of a request that is signed by a key that nobody has, for a body of so many bytes.
fn head(bytes: usize, more: &str) -> Vec<u8> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let date = stanchion_types::calendar::Date::of(now);
    let day = format!("{:04}{:02}{:02}", date.year, date.month, date.day);
    let time = format!("{day}T{:02}{:02}{:02}Z", date.hour, date.minute, date.second);
    format!(
        "POST / HTTP/1.1\r\nhost: x\r\nx-amz-date: {time}\r\nx-amz-target: AmazonSQS.SendMessage\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=AKIANOBODY/{day}/us-east-1/sqs/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-target, Signature={}\r\n{more}content-length: {bytes}\r\n\r\n",
        "0".repeat(64)
    )
    .into_bytes()
}

async fn connect(running: &Running, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads until what was read has an end of a head, and returns it.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = tokio::time::timeout(LONG, stream.read_buf(&mut answer)).await.expect("an answer in time").unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_key_that_nobody_has_is_refused_before_its_body_is_read() {
    let running = start();
    for more in ["", "expect: 100-continue\r\n"] {
        let mut stream = connect(&running, &head(1 << 20, more)).await;
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn who_sends_on_after_a_refusal_gets_to_read_it() {
    let running = start();
    let mut stream = connect(&running, &head(200_000, "")).await;
    stream.write_all(&vec![b'x'; 200_000]).await.unwrap();
    let mut all = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut all)).await.expect("the end in time").unwrap();
    let all = String::from_utf8(all).unwrap();
    assert!(all.starts_with("HTTP/1.1 403") && all.contains("UnrecognizedClientException"), "{all}");
}

#[tokio::test]
async fn a_stranger_cannot_make_the_server_read_a_large_body() {
    let running = start();
    let mut stream = connect(&running, &head(HUGE, "")).await;
    let piece = vec![b'x'; 1 << 20];
    let mut written = 0;
    while tokio::time::timeout(LONG, stream.write_all(&piece)).await.expect("the connection is closed").is_ok() {
        written += piece.len();
        // Buffers of the system hold some of it.
        assert!(written < HUGE / 2, "the server takes {written} bytes");
    }
}

#[tokio::test]
async fn heads_have_bounds_in_size_and_number_of_headers() {
    let running = start();
    let many: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "1".repeat(200 << 10));
    for more in [many, long] {
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\n{more}\r\n");
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        // The server may answer, and close, before it has been sent everything.
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn paths_and_queries_have_a_bound() {
    let running = start();
    for target in [format!("/{}", "x".repeat(70_000)), format!("/?Action={}", "x".repeat(70_000))] {
        let mut stream = connect(&running, format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await;
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 414"), "{answer}");
    }
}
