use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use stanchion_broker::{Broker, Caller, Secret};
use stanchion_journal::Memory;
use stanchion_types::response::Response as Answer;
use stanchion_types::{AccountId, Error, Region};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use super::*;
use crate::access::Access;

const SECOND: Duration = Duration::from_secs(1);

fn anybody() -> Caller {
    Caller::anonymous(AccountId::DEFAULT, Region::new("us-east-1").unwrap())
}

/// A site with queues in memory.
fn site() -> Arc<Site> {
    let broker = Broker::open(Arc::new(Memory::automatic()), &Secret::random().unwrap(), Default::default()).unwrap();
    let edge = Edge::new(Arc::new(broker), Access::Anyone(anybody()));
    Arc::new(Site { edge: Arc::new(edge), inbound: Inbound::new(1 << 20, SECOND), door: None })
}

/// Calls an action past the connection.
async fn call(site: &Site, action: &str, body: &str) -> Result<Answer, Error> {
    let target = format!("AmazonSQS.{action}");
    let head = stanchion_wire::Head {
        method: "POST",
        path: "/",
        query: None,
        content_type: Some("application/x-amz-json-1.0"),
        target: Some(&target),
        trace_header: None,
    };
    let envelope = stanchion_wire::decode(&head, body.as_bytes())?;
    site.edge.broker.call(&anybody(), envelope).await
}

/// A stream that does something in the moment in which it closes.
struct Closing<F: FnMut()> {
    stream: DuplexStream,
    then: F,
}

impl<F: FnMut()> Drop for Closing<F> {
    fn drop(&mut self) {
        (self.then)();
    }
}

impl<F: FnMut() + Unpin> AsyncRead for Closing<F> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<F: FnMut() + Unpin> AsyncWrite for Closing<F> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[tokio::test(start_paused = true)]
async fn when_a_connection_closes_its_long_poll_has_been_given_up() {
    let site = site();
    call(&site, "CreateQueue", r#"{"QueueName":"q"}"#).await.unwrap();
    call(&site, "SendMessage", r#"{"QueueUrl":"q","MessageBody":"x"}"#).await.unwrap();
    let Answer::Messages(taken) = call(&site, "ReceiveMessage", r#"{"QueueUrl":"q"}"#).await.unwrap() else {
        panic!("another answer");
    };
    let (near, mut far) = duplex(1 << 10);
    let give_back = {
        let (site, handle) = (site.clone(), taken[0].receipt_handle.clone());
        move || {
            let change = format!(r#"{{"QueueUrl":"q","ReceiptHandle":"{handle}","VisibilityTimeout":0}}"#);
            let mut changed = pin!(call(&site, "ChangeMessageVisibility", &change));
            // The broker decides at once; whether it is heard is another matter.
            let _ = changed.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    };
    let (_stop, stopped) = watch::channel(());
    let way = Way { scheme: Scheme::Http, source: Ipv4Addr::LOCALHOST.into() };
    let serving = tokio::spawn(one_by_one(Closing { stream: near, then: give_back }, way, site.clone(), stopped));

    let wish = r#"{"QueueUrl":"q","WaitTimeSeconds":20}"#;
    let head = "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: AmazonSQS.ReceiveMessage";
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{wish}", wish.len());
    far.write_all(request.as_bytes()).await.unwrap();
    // The clock goes on only when nobody has anything left to do: the poll waits.
    tokio::time::sleep(SECOND).await;
    far.shutdown().await.unwrap();
    serving.await.unwrap().expect_err("the client has left in the middle of a request");
    assert_eq!(far.read_to_end(&mut Vec::new()).await.unwrap(), 0, "the poll got an answer");

    let Answer::Messages(messages) = call(&site, "ReceiveMessage", r#"{"QueueUrl":"q"}"#).await.unwrap() else {
        panic!("another answer");
    };
    let bodies: Vec<_> = messages.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["x"]);
}
