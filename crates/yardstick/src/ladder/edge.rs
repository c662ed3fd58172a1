//! The rungs behind hyper.

use super::action::Action;
use super::answer::{self, Ids};
use super::canned;
use super::log::Log;
use super::request::{Receive, Send, SendBatch};
use super::signature::{Refused, Verifier};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;

/// More than any request of the service.
const BODY_BYTES_MAX: usize = 2 << 20;

/// What a rung does with a request.
pub(super) struct Edge {
    /// Whether bodies are parsed and answers built; otherwise they are canned.
    parses: bool,
    verifier: Option<Verifier>,
    log: Option<Log>,
    ids: Ids,
}

/// A refusal: its status and the service's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusal(StatusCode, &'static str);

const BROKEN_OFF: Refusal = Refusal(StatusCode::BAD_REQUEST, "RequestBodyBrokenOff");
const TOO_LARGE: Refusal = Refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLarge");
const UNKNOWN: Refusal = Refusal(StatusCode::BAD_REQUEST, "UnknownOperationException");
const UNREADABLE: Refusal = Refusal(StatusCode::BAD_REQUEST, "SerializationException");
const UNSIGNED: Refusal = Refusal(StatusCode::FORBIDDEN, "InvalidSignatureException");
const NOT_KEPT: Refusal = Refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure");

impl From<Refused> for Refusal {
    fn from(_: Refused) -> Self {
        UNSIGNED
    }
}

/// This function serves one connection until its client leaves.
pub(super) async fn connection(stream: TcpStream, edge: &'static Edge) {
    let service = service_fn(move |request| async move { Ok::<_, Infallible>(edge.handle(request).await) });
    // A client that breaks its connection has nothing left to be told.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Edge {
    /// This function makes the edge of a rung that does these things.
    ///
    /// # Errors
    ///
    /// The system has no random bytes.
    pub(super) fn new(parses: bool, verifier: Option<Verifier>, log: Option<Log>) -> io::Result<Self> {
        Ok(Self { parses, verifier, log, ids: Ids::new()? })
    }

    async fn handle(&'static self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, incoming) = request.into_parts();
        match self.answer(&parts, incoming).await {
            Ok(body) => response(StatusCode::OK, body),
            Err(refusal) => refused(refusal),
        }
    }

    async fn answer(&'static self, parts: &Parts, incoming: Incoming) -> Result<Bytes, Refusal> {
        let target = parts.headers.get("x-amz-target").ok_or(UNKNOWN)?;
        let action = Action::from_target(target.as_bytes()).ok_or(UNKNOWN)?;
        let body = read(incoming).await?;
        if let Some(verifier) = &self.verifier {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            verifier.verify(parts, &body, now)?;
        }
        if !self.parses {
            return Ok(Bytes::from_static(canned::answer(action).as_bytes()));
        }
        match action {
            Action::Send => self.send(&body).await,
            Action::SendBatch => self.send_batch(&body).await,
            Action::Receive => {
                let _: Receive<'_> = parse(&body)?;
                Ok(Bytes::from_static(canned::NOTHING.as_bytes()))
            }
            Action::CreateQueue | Action::DeleteQueue => Ok(Bytes::from_static(canned::answer(action).as_bytes())),
        }
    }

    async fn send(&'static self, body: &[u8]) -> Result<Bytes, Refusal> {
        let request: Send<'_> = parse(body)?;
        let id = self.ids.draw();
        if let Some(log) = &self.log {
            log.append([(&id, &*request.body)]).await.map_err(|_| NOT_KEPT)?;
        }
        Ok(answer::sent(&id, &request.body).into())
    }

    async fn send_batch(&'static self, body: &[u8]) -> Result<Bytes, Refusal> {
        let request: SendBatch<'_> = parse(body)?;
        if !request.is_valid() {
            return Err(UNREADABLE);
        }
        let mut answer = answer::Batch::new(request.entries.len());
        let mut ids = [[0; 16]; 10];
        for (entry, id) in request.entries.iter().zip(&mut ids) {
            *id = self.ids.draw();
            answer.add(&entry.id, id, &entry.body);
        }
        if let Some(log) = &self.log {
            let messages = request.entries.iter().zip(&ids).map(|(entry, id)| (id, &*entry.body));
            log.append(messages).await.map_err(|_| NOT_KEPT)?;
        }
        Ok(answer.finish().into())
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|_| UNREADABLE)
}

/// Reads a whole body; one that arrives in one piece is not copied.
async fn read(mut incoming: Incoming) -> Result<Bytes, Refusal> {
    if incoming.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(TOO_LARGE);
    }
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(|_| BROKEN_OFF)?.into_data() else { continue };
        if first.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            let rest = usize::try_from(incoming.size_hint().lower()).unwrap_or(0).min(BODY_BYTES_MAX);
            joined.reserve(first.len() + data.len() + rest);
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&data);
        if joined.len() > BODY_BYTES_MAX {
            return Err(TOO_LARGE);
        }
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

fn response(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}

fn refused(Refusal(status, code): Refusal) -> Response<Full<Bytes>> {
    let mut response = response(status, Bytes::from(format!("{{\"__type\":\"com.amazonaws.sqs#{code}\"}}")));
    // The body may not have been read to its end.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
