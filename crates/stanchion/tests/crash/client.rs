//! A blocking client of the JSON protocol, on nothing but a socket, so that no
//! code is shared with the server.

use crate::server::Gate;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a call ended, seen from the wire.
#[derive(Debug)]
pub(crate) enum Reply {
    Success(Value),
    /// A status in the four hundreds: status, code and text.
    Refused(String),
    /// The connection died under the call, or the server failed.
    Unknown,
    /// No connection could be had, so nothing was asked.
    NotSent,
}

/// One connection, made again after each death of the server.
pub(crate) struct Client {
    gate: Arc<Gate>,
    connection: Option<TcpStream>,
}

/// Longer than a start takes.
const CONNECT_MAX: Duration = Duration::from_secs(40);
/// Longer than any long poll of the load.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

impl Client {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, connection: None }
    }

    /// This function waits until there is a server to talk to. It is false
    /// when the run is over instead.
    pub(crate) fn connect(&mut self) -> bool {
        let began = Instant::now();
        while self.connection.is_none() {
            let Some(address) = self.gate.wait_until_open() else { return false };
            match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
                Ok(stream) => {
                    stream.set_nodelay(true).expect("a socket option");
                    stream.set_read_timeout(Some(ANSWER_WAIT_MAX)).expect("a socket option");
                    self.connection = Some(stream);
                }
                // Killed between the two lines above, and soon started again.
                Err(error) => {
                    assert!(began.elapsed() < CONNECT_MAX, "no server within {CONNECT_MAX:?}: {error}");
                    self.gate.wait_for_change(address);
                }
            }
        }
        true
    }

    /// This function makes one call on the open connection.
    pub(crate) fn call(&mut self, action: &str, input: &Value) -> Reply {
        let Some(mut stream) = self.connection.take() else { return Reply::NotSent };
        match exchange(&mut stream, action, &input.to_string()) {
            Ok(Answer { status, body, closes }) => {
                if !closes {
                    self.connection = Some(stream);
                }
                match status {
                    200 if body.is_empty() => Reply::Success(Value::Null),
                    200 => Reply::Success(serde_json::from_slice(&body).expect("a reply in JSON")),
                    500.. => Reply::Unknown,
                    _ => Reply::Refused(format!("{action}: {status} {}", String::from_utf8_lossy(&body))),
                }
            }
            Err(error) => {
                assert!(
                    !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
                    "{action} got no answer within {ANSWER_WAIT_MAX:?}: {input}"
                );
                Reply::Unknown
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: Vec<u8>,
    /// The server will read no further request from this connection.
    closes: bool,
}

fn exchange(stream: &mut TcpStream, action: &str, body: &str) -> io::Result<Answer> {
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: AmazonSQS.{action}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut input = Vec::new();
    loop {
        if let Some(answer) = parse(&input)? {
            return Ok(answer);
        }
        let mut piece = [0; 16 << 10];
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.extend_from_slice(&piece[..read]);
    }
}

/// `None` when there is more to come.
fn parse(input: &[u8]) -> io::Result<Option<Answer>> {
    let Some(head_end) = input.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "not an answer with a length");
    let head = std::str::from_utf8(&input[..head_end]).map_err(|_| malformed())?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    let header = |name: &str| {
        let headers = head.lines().filter_map(|line| line.split_once(':'));
        headers.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).ok_or_else(malformed)?;
    let closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let body = &input[head_end + 4..];
    Ok(body.get(..length).map(|body| Answer { status, body: body.to_vec(), closes }))
}

#[cfg(test)]
mod tests {
    use super::{Answer, parse};

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let answer = b"HTTP/1.1 404 Not Found\r\nconnection: Close\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..answer.len() {
            assert_eq!(parse(&answer[..end]).expect("a prefix"), None, "prefix of {end}");
        }
        let whole = Answer { status: 404, body: b"{}".to_vec(), closes: true };
        assert_eq!(parse(answer).expect("an answer"), Some(whole));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
