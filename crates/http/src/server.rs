//! The listener and its connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::api::Edge;
use crate::inbound::Inbound;

/// Most bytes that a request's line and headers may have together. More is answered with 431.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// How many connections may wait to be accepted. When all consumers of a fleet reconnect at once, one too many waits a
/// second for its next try; the system caps this number at its own limit.
const BACKLOG: u32 = 4096;
/// How long to wait before accepting again when the process has run out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What a client beyond the limit on connections gets before its connection is closed.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A listener that is bound but does not answer yet.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Binds a listener, within a tokio runtime. Port 0 lets the system pick one.
    ///
    /// # Errors
    /// The system's reason, such as that the address is in use.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A server that is started again must not wait for the connections of the last one to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Server { listener: socket.listen(BACKLOG)? })
    }

    /// Returns the address that the listener is bound to.
    ///
    /// # Errors
    /// The system's reason; there should be none.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` completes; then accepts nothing more, lets every request under way have its answer, and
    /// closes each connection after it. Long polls end when the broker ends them: drain it as well.
    pub async fn serve(self, edge: Arc<Edge>, stop: impl Future<Output = ()>) {
        let connections_max = edge.options.connections_max.min(Semaphore::MAX_PERMITS >> 4);
        let slots = Arc::new(Semaphore::new(connections_max));
        let inbound = Arc::new(Inbound::new(edge.options.inbound_bytes_max, edge.options.inbound_patience));
        let (stopping, stopped) = watch::channel(());
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => match slots.clone().try_acquire_owned() {
                    Ok(slot) => {
                        drop(tokio::spawn(connection(stream, edge.clone(), inbound.clone(), stopped.clone(), slot)))
                    }
                    Err(_) => refuse(&stream),
                },
                Err(error) => pause(&error).await,
            }
        }
        drop(self.listener);
        drop(stopping);
        // Every connection holds a slot, so all slots are free when the last connection is gone.
        let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
        let _ = slots.acquire_many(all).await;
    }
}

/// Closes a connection beyond the limit, with a word for those who look.
fn refuse(stream: &TcpStream) {
    tracing::warn!("refused a connection: the limit is reached");
    let _ = stream.try_write(FULL);
}

/// Deals with a failure to accept. A client that hung up is nothing; running out of descriptors passes when
/// connections close, and until then accepting in a loop would only burn the processor.
async fn pause(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    tracing::warn!(%error, "could not accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Serves one connection until its client leaves, it has been idle for too long, or the server stops.
async fn connection(
    stream: TcpStream,
    edge: Arc<Edge>,
    inbound: Arc<Inbound>,
    mut stopped: watch::Receiver<()>,
    slot: OwnedSemaphorePermit,
) {
    // Answers are written whole; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let idle_timeout = edge.options.idle_timeout;
    let service = service_fn(move |request| {
        let (edge, inbound) = (edge.clone(), inbound.clone());
        async move { edge.handle(request, &inbound).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let result = tokio::select! {
        biased;
        result = served.as_mut() => result,
        // The channel carries nothing: its sender is dropped when the server stops.
        _ = stopped.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended");
    }
    drop(slot);
}
