//! The first rung: no HTTP library but a parser of heads.

use super::action::Action;
use super::canned;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A head may have so many headers, as in the generator.
const HEADERS_MAX: usize = 64;
/// More than any request of the service with its head.
const REQUEST_BYTES_MAX: usize = 2 << 20;
/// What a client gets that sends something else than a rung knows.
const REFUSED: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A request that has arrived completely: what it wants, and its length.
struct Request {
    action: Action,
    bytes: usize,
}

/// Something that is no request this rung can answer.
struct Malformed;

/// This function serves one connection until its client leaves.
pub(super) async fn connection(mut stream: TcpStream) {
    // A client that breaks its connection has nothing left to be told.
    let _ = serve(&mut stream).await;
}

async fn serve(stream: &mut TcpStream) -> io::Result<()> {
    let mut input = Vec::with_capacity(16 << 10);
    let answers = Answers::new();
    loop {
        match parse(&input) {
            Ok(Some(request)) => {
                stream.write_all(answers.of(request.action)).await?;
                input.drain(..request.bytes);
            }
            Ok(None) => {
                if stream.read_buf(&mut input).await? == 0 {
                    return Ok(());
                }
            }
            Err(Malformed) => return stream.write_all(REFUSED).await,
        }
    }
}

/// `None` while a part of the request is missing.
fn parse(input: &[u8]) -> Result<Option<Request>, Malformed> {
    if input.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(input).map_err(|_| Malformed)? else {
        return if input.len() < REQUEST_BYTES_MAX { Ok(None) } else { Err(Malformed) };
    };
    let (mut action, mut length) = (None, 0_usize);
    for header in request.headers.iter() {
        if header.name.eq_ignore_ascii_case("x-amz-target") {
            action = Action::from_target(header.value);
        } else if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).map_err(|_| Malformed)?;
            length = text.trim().parse().map_err(|_| Malformed)?;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Malformed);
        }
    }
    let action = action.ok_or(Malformed)?;
    let bytes = head.checked_add(length).filter(|bytes| *bytes <= REQUEST_BYTES_MAX).ok_or(Malformed)?;
    Ok((input.len() >= bytes).then_some(Request { action, bytes }))
}

/// The answers with their heads.
struct Answers {
    created: Vec<u8>,
    nothing: Vec<u8>,
    sent: Vec<u8>,
    sent_batch: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        Self {
            created: whole(Action::CreateQueue),
            nothing: whole(Action::Receive),
            sent: whole(Action::Send),
            sent_batch: whole(Action::SendBatch),
        }
    }

    fn of(&self, action: Action) -> &[u8] {
        match action {
            Action::CreateQueue => &self.created,
            Action::DeleteQueue | Action::Receive => &self.nothing,
            Action::Send => &self.sent,
            Action::SendBatch => &self.sent_batch,
        }
    }
}

fn whole(action: Action) -> Vec<u8> {
    let body = canned::answer(action);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::{Action, REQUEST_BYTES_MAX, parse};

    const HEAD: &str = "POST / HTTP/1.1\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nContent-Length:   3\r\n\r\n";

    #[test]
    fn a_request_is_complete_when_its_last_byte_is_there() {
        let whole = format!("{HEAD}abc");
        for length in 0..whole.len() {
            assert!(matches!(parse(&whole.as_bytes()[..length]), Ok(None)), "{length} bytes");
        }
        // What follows belongs to the next one.
        let Ok(Some(request)) = parse(format!("{whole}POST").as_bytes()) else { panic!("complete") };
        assert_eq!((request.action, request.bytes), (Action::Send, whole.len()));
    }

    #[test]
    fn what_is_no_request_of_the_rung_is_refused() {
        let endless = "a: b\r\n".repeat(HEAD.len() + REQUEST_BYTES_MAX / 6);
        for text in [
            "\0",
            "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
            "POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.Fly\r\n\r\n",
            &HEAD.replace('3', "-3"),
            &HEAD.replace('3', "18446744073709551615"),
            &HEAD.replace('3', "99999999"),
            &HEAD.replace("Content-Length:   3", "transfer-encoding: chunked"),
            &format!("POST / HTTP/1.1\r\n{endless}"),
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{}", &text[..text.len().min(80)]);
        }
    }
}
