//! One connection: what it speaks, and how it ends.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::{Edge, Scheme, Way};
use crate::body::BodyError;
use crate::door::{Door, Entered};
use crate::inbound::Inbound;
use crate::patient::Patient;

/// Most bytes that a request's line and headers may have together. More is answered with 431.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// Most requests of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 128;
/// Bytes that a client may send on an HTTP/2 connection before any of it was read, by stream and altogether. What
/// was let in and waits is not counted anywhere else.
const WINDOW_BYTES: (u32, u32) = (64 << 10, 256 << 10);

/// What all connections of a server share.
pub(crate) struct Site {
    pub(crate) edge: Arc<Edge>,
    pub(crate) inbound: Inbound,
    /// Without one, connections are plain HTTP.
    pub(crate) door: Option<Door>,
}

/// Serves one connection from an address until its client leaves, it has been idle for too long, or the server stops.
pub(crate) async fn serve(stream: TcpStream, source: IpAddr, site: Arc<Site>, stopped: watch::Receiver<()>) {
    // Answers are written whole; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let result = match site.door {
        None => one_by_one(stream, Way { scheme: Scheme::Http, source }, site, stopped).await,
        // Apart, so that the many idle connections of a server without a certificate stay small.
        Some(_) => Box::pin(enter(stream, source, site, stopped)).await,
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Why a connection ended before its time.
type Broken = Box<dyn std::error::Error + Send + Sync>;

async fn enter(
    stream: TcpStream,
    source: IpAddr,
    site: Arc<Site>,
    mut stopped: watch::Receiver<()>,
) -> Result<(), Broken> {
    let (plain, secure) = (Way { scheme: Scheme::Http, source }, Way { scheme: Scheme::Https, source });
    let Some(door) = &site.door else { return one_by_one(stream, plain, site, stopped).await };
    let entered = tokio::select! {
        entered = tokio::time::timeout(site.edge.options.handshake_timeout, door.open(stream)) => entered??,
        _ = stopped.changed() => return Ok(()),
    };
    match entered {
        Entered::Plain(stream) => one_by_one(stream, plain, site, stopped).await,
        Entered::Http1(stream) => one_by_one(stream, secure, site, stopped).await,
        Entered::Http2(stream) => many_at_once(stream, secure, site, stopped).await,
    }
}

/// Serves HTTP/1.1: one request after the other.
///
/// The library could time how long a head takes, but with a new timer for every request.
async fn one_by_one<I>(stream: I, way: Way, site: Arc<Site>, mut stopped: watch::Receiver<()>) -> Result<(), Broken>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (idle_timeout, answer_timeout) = (site.edge.options.idle_timeout, site.edge.options.answer_timeout);
    let activity = Arc::new(Activity::new());
    let service = {
        let activity = activity.clone();
        service_fn(move |request| answer(site.clone(), activity.begin(), request, way))
    };
    // Lent, so that it closes last: a client that sees it close has its long poll given up, and what is sent from then on
    // is not handed to it.
    let mut stream = Patient::new(stream, answer_timeout);
    let connection =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).serve_connection(TokioIo::new(&mut stream), service);
    let mut connection = pin!(connection);
    let mut idle = pin!(activity.idle_for(idle_timeout));
    tokio::select! {
        biased;
        result = connection.as_mut() => return result.map_err(Into::into),
        // The channel carries nothing: its sender is dropped when the server stops.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            return connection.await.map_err(Into::into);
        }
        () = idle.as_mut() => connection.as_mut().graceful_shutdown(),
    }
    // Either that has closed it, or a head has begun, or an answer has not been read to its end.
    tokio::time::timeout(idle_timeout, connection).await.unwrap_or(Ok(())).map_err(Into::into)
}

/// Serves HTTP/2. Its library closes no idle connections, so that is done here.
async fn many_at_once<I>(stream: I, way: Way, site: Arc<Site>, mut stopped: watch::Receiver<()>) -> Result<(), Broken>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (idle_timeout, answer_timeout) = (site.edge.options.idle_timeout, site.edge.options.answer_timeout);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .initial_stream_window_size(WINDOW_BYTES.0)
        .initial_connection_window_size(WINDOW_BYTES.1)
        // A client that is gone without a word would otherwise keep its long polls.
        .keep_alive_interval(idle_timeout)
        .keep_alive_timeout(idle_timeout);
    let activity = Arc::new(Activity::new());
    let service = {
        let activity = activity.clone();
        service_fn(move |request| answer(site.clone(), activity.begin(), request, way))
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Patient::new(stream, answer_timeout)), service));
    tokio::select! {
        biased;
        result = connection.as_mut() => return result.map_err(Into::into),
        _ = stopped.changed() => {}
        () = activity.idle_for(idle_timeout) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await.map_err(Into::into)
}

/// Answers a request, which is under way until its answer is there.
async fn answer(
    site: Arc<Site>,
    under_way: UnderWay,
    request: Request<Incoming>,
    way: Way,
) -> Result<Response<Full<Bytes>>, BodyError> {
    let (parts, incoming) = request.into_parts();
    let answer = match (way.scheme, &site.door) {
        (Scheme::Http, Some(door)) if let Some(away) = door.turn_away(&parts.uri, &parts.headers) => Ok(away),
        _ => site.edge.handle(&parts, incoming, way, &site.inbound).await,
    };
    drop(under_way);
    answer
}

/// What is under way on a connection.
struct Activity {
    born: Instant,
    requests: AtomicUsize,
    /// Milliseconds after `born` at which the last request ended.
    ended_ms: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Activity { born: Instant::now(), requests: AtomicUsize::new(0), ended_ms: AtomicU64::new(0) }
    }

    fn begin(self: &Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Waits until nothing was under way for so long. One timer serves many requests: it looks at what has happened only
    /// when it is over.
    async fn idle_for(&self, timeout: Duration) {
        loop {
            let end = self.idle_since() + timeout;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }

    /// Returns since when nothing was under way; now, if something is.
    fn idle_since(&self) -> Instant {
        match self.requests.load(Ordering::Relaxed) {
            0 => self.born + Duration::from_millis(self.ended_ms.load(Ordering::Relaxed)),
            _ => Instant::now(),
        }
    }
}

/// A request under way, answered or given up when this is dropped.
struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.ended_ms.fetch_max(self.0.born.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}
