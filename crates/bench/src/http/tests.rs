use super::{Connection, Endpoint, Length, parse_head};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[test]
fn a_head_tells_status_length_and_whether_the_connection_stays() {
    for (head, status, length, keep_alive) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 200, Length::Known(12), true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 200, Length::Known(0), false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", 200, Length::Known(0), false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n", 200, Length::Chunked, true),
        ("HTTP/1.1 503 Busy\r\n\r\n", 503, Length::UntilClose, true),
        ("HTTP/1.1 100 Continue\r\n\r\n", 100, Length::Known(0), true),
        ("HTTP/1.1 204 Nothing\r\n\r\n", 204, Length::Known(0), true),
    ] {
        let parsed = parse_head(head.as_bytes()).expect(head).expect(head);
        assert_eq!((parsed.status, parsed.length, parsed.keep_alive), (status, length, keep_alive), "{head}");
        for end in 0..head.len() {
            assert_eq!(parse_head(&head.as_bytes()[..end]).expect("a prefix"), None, "{end} of {head}");
        }
    }
}

#[test]
fn a_head_that_is_not_http_is_malformed() {
    for head in ["SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"] {
        assert_eq!(parse_head(head.as_bytes()).expect_err(head).kind(), ErrorKind::InvalidData);
    }
}

/// Serves each script on a connection of its own: reads something, then writes
/// the pieces one after the other and closes.
async fn serve(scripts: Vec<Vec<&'static [u8]>>) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        for script in scripts {
            let (mut stream, _) = listener.accept().await.expect("accept");
            stream.set_nodelay(true).expect("nodelay");
            for piece in script {
                let mut request = [0; 64];
                if stream.read(&mut request).await.expect("read") == 0 {
                    break;
                }
                for byte in piece {
                    stream.write_all(&[*byte]).await.expect("write");
                }
            }
        }
    });
    Endpoint::parse(&format!("http://{address}")).expect("endpoint")
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_put_together_in_every_form() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"[..],
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
    ] {
        let endpoint = serve(vec![vec![answer]]).await;
        let mut connection = Connection::open(&endpoint).await.expect("open");
        let reply = connection.exchange(b"x").await.expect("exchange");
        assert_eq!((reply.status, reply.body), (200, &b"hello"[..]));
    }
}

#[tokio::test]
async fn after_a_broken_answer_the_next_exchange_uses_a_new_connection() {
    let endpoint = serve(vec![
        vec![b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe"],
        vec![b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"],
    ])
    .await;
    let mut connection = Connection::open(&endpoint).await.expect("open");
    let error = connection.exchange(b"x").await.expect_err("cut off");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(connection.exchange(b"x").await.expect("exchange").body, b"ok");
}

#[tokio::test]
async fn an_answer_longer_than_it_says_is_refused() {
    let endpoint = serve(vec![vec![b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na"], vec![]]).await;
    let mut connection = Connection::open(&endpoint).await.expect("open");
    assert_eq!(connection.exchange(b"x").await.expect("exchange").body, b"a");

    let endpoint = serve_at_once(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab").await;
    let mut connection = Connection::open(&endpoint).await.expect("open");
    let error = connection.exchange(b"x").await.expect_err("surplus bytes");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

async fn serve_at_once(answer: &'static [u8]) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        stream.read_exact(&mut [0; 1]).await.expect("read");
        stream.write_all(answer).await.expect("write");
    });
    Endpoint::parse(&format!("http://{address}")).expect("endpoint")
}
