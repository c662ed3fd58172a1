//! The listener and its connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::api::Edge;
use crate::connection::{self, Site};
use crate::door::{Door, PlainHttp};
use crate::inbound::Inbound;
use crate::per_source::{Full, PerSource};
use crate::tls::Tls;

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
    door: Option<Door>,
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
        Ok(Server { listener: socket.listen(BACKLOG)?, door: None })
    }

    /// Returns the address that the listener is bound to.
    ///
    /// # Errors
    /// The system's reason; there should be none.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Lets clients in by HTTPS, and those that speak plain HTTP only as `plain` says.
    pub fn secured(self, tls: Arc<Tls>, plain: PlainHttp) -> Self {
        Server { door: Some(Door { tls, plain }), ..self }
    }

    /// Serves until `stop` completes; then accepts nothing more, lets every request under way have its answer, and
    /// closes each connection after it. Long polls end when the broker ends them: drain it as well.
    pub async fn serve(self, edge: Arc<Edge>, stop: impl Future<Output = ()>) {
        let connections_max = edge.options.connections_max.min(Semaphore::MAX_PERMITS >> 4);
        let slots = Arc::new(Semaphore::new(connections_max));
        let per_source = PerSource::new(edge.options.connections_per_source);
        let inbound = Inbound::new(edge.options.inbound_bytes_max, edge.options.inbound_patience);
        let site = Arc::new(Site { edge, inbound, door: self.door });
        // A proxy speaks for many.
        let proxies = site.edge.options.trusted_proxies.clone();
        let enter = |source| if proxies.trusts(source) { Ok(None) } else { per_source.enter(source) };
        let (stopping, stopped) = watch::channel(());
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match (slots.clone().try_acquire_owned(), enter(peer.ip())) {
                    (Ok(slot), Ok(counted)) => {
                        let connection = connection::serve(stream, peer.ip(), site.clone(), stopped.clone());
                        drop(tokio::spawn(async move {
                            connection.await;
                            drop((slot, counted));
                        }));
                    }
                    (Err(_), _) => refuse(&stream, "all"),
                    (_, Err(Full)) => refuse(&stream, "its source"),
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
fn refuse(stream: &TcpStream, whose: &str) {
    tracing::warn!("refused a connection: the limit of {whose} is reached");
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
