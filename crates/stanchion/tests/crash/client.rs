//! A blocking client of the JSON protocol, on nothing but a socket, so that no
//! code is shared with the server.

use crate::server::Gate;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

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

/// Longer than any long poll of the load.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

impl Client {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, connection: None }
    }

    /// This function waits until there is a server to talk to. It is false
    /// when the run is over instead.
    pub(crate) fn connect(&mut self) -> bool {
        while self.connection.is_none() {
            let Some(address) = self.gate.wait_until_open() else { return false };
            match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
                Ok(stream) => {
                    stream.set_nodelay(true).expect("a socket option");
                    stream.set_read_timeout(Some(ANSWER_WAIT_MAX)).expect("a socket option");
                    self.connection = Some(stream);
                }
                // Killed between the two lines above.
                Err(_) => self.gate.wait_for_change(address),
            }
        }
        true
    }

    /// This function makes one call on the open connection.
    pub(crate) fn call(&mut self, action: &str, input: &Value) -> Reply {
        let Some(mut stream) = self.connection.take() else { return Reply::NotSent };
        match exchange(&mut stream, action, &input.to_string()) {
            Ok((status, body)) => {
                self.connection = Some(stream);
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

fn exchange(stream: &mut TcpStream, action: &str, body: &str) -> io::Result<(u16, Vec<u8>)> {
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

/// Status and body, or `None` when there is more to come.
fn parse(input: &[u8]) -> io::Result<Option<(u16, Vec<u8>)>> {
    let Some(head_end) = input.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "not an answer with a length");
    let head = std::str::from_utf8(&input[..head_end]).map_err(|_| malformed())?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let (Some(status), Some(length)) = (status, length) else { return Err(malformed()) };
    let body = &input[head_end + 4..];
    Ok((body.len() >= length).then(|| (status, body[..length].to_vec())))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let answer = b"HTTP/1.1 404 Not Found\r\ncontent-type: x\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..answer.len() {
            assert!(parse(&answer[..end]).expect("a prefix").is_none(), "prefix of {end}");
        }
        assert_eq!(parse(answer).expect("an answer"), Some((404, b"{}".to_vec())));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
