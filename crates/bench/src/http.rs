//! As much HTTP/1.1 as a load generator needs: one connection, one request at
//! a time, one `write` and usually one `read` for each.

mod chunked;
mod endpoint;

pub(crate) use endpoint::Endpoint;

use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer; it borrows the connection's buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// A connection that is opened again when the server has closed it.
pub(crate) struct Connection {
    endpoint: Endpoint,
    stream: Option<TcpStream>,
    input: Vec<u8>,
    /// The body of a chunked answer, put together.
    joined: Vec<u8>,
}

/// An answer larger than this is no SQS answer: ten messages of 1 MiB, every
/// byte of them escaped by six, stay below.
const ANSWER_BYTES_MAX: usize = 128 << 20;
const HEADERS_MAX: usize = 64;

impl Connection {
    /// This function opens a connection to `endpoint`.
    pub(crate) async fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let mut connection =
            Self { endpoint: endpoint.clone(), stream: None, input: Vec::with_capacity(16 << 10), joined: Vec::new() };
        connection.stream = Some(connection.connect().await?);
        Ok(connection)
    }

    /// This function sends the bytes of one request and waits for its answer.
    /// Nothing is ever sent twice: after an error nobody knows whether the
    /// server acted, and the next exchange uses a new connection.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Reply<'_>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        stream.write_all(request).await?;
        self.input.clear();
        let head = loop {
            if let Some(head) = parse_head(&self.input)? {
                // An interim answer (100 Continue) precedes the real one.
                if head.status >= 200 {
                    break head;
                }
                self.input.drain(..head.bytes);
                continue;
            }
            if read_more(&mut stream, &mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let mut keep = head.keep_alive;
        let body = match head.length {
            Length::Known(length) => {
                let end = head.bytes.saturating_add(length);
                if end > ANSWER_BYTES_MAX {
                    return Err(malformed("the answer is too large"));
                }
                self.input.reserve(end.saturating_sub(self.input.len()));
                while self.input.len() < end {
                    if read_more(&mut stream, &mut self.input).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                if self.input.len() > end {
                    return Err(malformed("the answer is longer than it says"));
                }
                &self.input[head.bytes..end]
            }
            Length::Chunked => loop {
                if chunked::join(&self.input[head.bytes..], &mut self.joined)? {
                    break &self.joined[..];
                }
                if read_more(&mut stream, &mut self.input).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            },
            Length::UntilClose => {
                while read_more(&mut stream, &mut self.input).await? > 0 {}
                keep = false;
                &self.input[head.bytes..]
            }
        };
        if keep {
            self.stream = Some(stream);
        }
        Ok(Reply { status: head.status, body })
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.endpoint.address()).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

async fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<usize> {
    if input.len() > ANSWER_BYTES_MAX {
        return Err(malformed("the answer is too large"));
    }
    if input.capacity() - input.len() < 4096 {
        input.reserve(16 << 10);
    }
    stream.read_buf(input).await
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Length of the head itself.
    bytes: usize,
    length: Length,
    keep_alive: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
    UntilClose,
}

/// `None` when the head is not complete yet.
fn parse_head(input: &[u8]) -> io::Result<Option<Head>> {
    if input.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let bytes = match response.parse(input) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(malformed(&error.to_string())),
    };
    let status = response.code.unwrap_or(0);
    let mut keep_alive = response.version == Some(1);
    let mut length = None;
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") && length != Some(Length::Chunked) {
            let text = std::str::from_utf8(header.value).unwrap_or("");
            let value = text.trim().parse().map_err(|_| malformed("unreadable content-length"))?;
            length = Some(Length::Known(value));
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            length = Some(Length::Chunked);
        } else if header.name.eq_ignore_ascii_case("connection") {
            if header.value.eq_ignore_ascii_case(b"close") {
                keep_alive = false;
            } else if header.value.eq_ignore_ascii_case(b"keep-alive") {
                keep_alive = true;
            }
        }
    }
    let length = match length {
        _ if status < 200 || status == 204 || status == 304 => Length::Known(0),
        Some(length) => length,
        None => Length::UntilClose,
    };
    Ok(Some(Head { status, bytes, length, keep_alive }))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
