//! One request of the API.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use stanchion_audit::Audit;
use stanchion_auth::Service;
use stanchion_broker::{Broker, Caller};
use stanchion_sts::Answered;
use stanchion_types::ids::uuid_text;
use stanchion_types::{Code, Error, RequestId};
use stanchion_wire::{Head, Origin, Reply};

use crate::access::{Access, Denial};
use crate::attempts::Attempts;
use crate::audit::{Asked, Entry, Outcome};
use crate::body::{self, BodyError};
use crate::inbound::{Inbound, SMALL_BYTES};
use crate::options::Options;
use crate::refused::{Refusals, Refused};
use crate::{host, request_id, sessions};

/// Where probes ask. No queue URL has this path: accounts are digits.
const HEALTH: &str = "/_stanchion/health";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// What the edge answers requests with.
pub struct Edge {
    /// The queues.
    pub broker: Arc<Broker>,
    /// Who may call.
    pub access: Access,
    /// Base of queue URLs; without it, the host that the client called.
    pub origin: Option<Origin>,
    /// Limits.
    pub options: Options,
    /// The audit trail, if there is one.
    pub audit: Option<Arc<Audit>>,
    /// What was refused for who sent it.
    pub refusals: Arc<Refusals>,
    /// Who has filled the audit trail without being known.
    pub(crate) strangers: Attempts,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// How a request came, and from where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) scheme: Scheme,
    pub(crate) source: IpAddr,
}

/// An answer, or the reason to close the connection without one.
pub(crate) type Answer = Result<Response<Full<Bytes>>, BodyError>;

impl Edge {
    /// Makes an edge with default limits, without an audit trail.
    pub fn new(broker: Arc<Broker>, access: Access) -> Self {
        Edge {
            broker,
            access,
            origin: None,
            options: Options::default(),
            audit: None,
            refusals: Arc::default(),
            strangers: Attempts::default(),
        }
    }

    /// Answers one request. Its head is lent: it is large, and each call that took it would copy it.
    pub(crate) async fn handle(&self, parts: &Parts, incoming: Incoming, way: Way, inbound: &Inbound) -> Answer {
        let id = request_id::new();
        let way = self.options.trusted_proxies.way(way, &parts.headers);
        if parts.uri.path() == HEALTH {
            return Ok(self.health(&parts.method, &id));
        }
        let head = head(parts);
        let protocol = match stanchion_wire::detect(&head) {
            Ok(protocol) => protocol,
            Err(refusal) => return Ok(response(refusal.reply(&id), &id)),
        };
        let entry = Entry { id: &id, way, protocol, parts };
        let refuse = |error: &Error| stanchion_wire::encode_error(Some(protocol), error, &id);
        let limits = &self.options;
        let announced = incoming.size_hint().exact();
        let mut is_stranger = false;
        if let Access::Keys(gatekeeper) = &self.access
            && announced.is_none_or(|bytes| bytes > SMALL_BYTES as u64)
        {
            match gatekeeper.preflight(parts, way) {
                Ok(is_signed) => is_stranger = !is_signed,
                Err(denial) => {
                    // Whoever is not known does not get the server to read much.
                    self.turn_away(&entry, &denial);
                    body::linger(incoming, &parts.headers);
                    return Ok(unread(refuse(&denial.error), &id));
                }
            }
        }
        // A body that will be refused for its length takes no room, and is found out without reading any of it.
        if announced.is_some_and(|bytes| bytes > limits.body_bytes_max as u64) {
            body::linger(incoming, &parts.headers);
            return Ok(unread(refuse(&too_large(limits.body_bytes_max)), &id));
        }
        let _room = match inbound.enter(announced, limits.body_bytes_max, is_stranger).await {
            Ok(room) => room,
            Err(error) => {
                body::linger(incoming, &parts.headers);
                return Ok(unread(refuse(&error), &id));
            }
        };
        let body = match body::read(incoming, limits.body_bytes_max, limits.body_timeout).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => return Ok(unread(refuse(&too_large(limits.body_bytes_max)), &id)),
            Err(error) => return Err(error),
        };
        let service = sessions::service(protocol, parts, &body);
        let identified;
        let caller = match &self.access {
            Access::Anyone(caller) => caller,
            Access::Keys(gatekeeper) => match gatekeeper.identify(parts, &body, way, service) {
                Ok(caller) => {
                    identified = caller;
                    &identified
                }
                Err(denial) => {
                    self.turn_away(&entry, &denial);
                    return Ok(response(sessions::encode_error(service, protocol, &denial.error, &id), &id));
                }
            },
        };
        if service == Service::Sts {
            let answer = sessions::answer(&self.access, caller, parts, &body, way, &id);
            return Ok(response(self.conclude_session(&entry, caller, answer), &id));
        }
        let reply = match stanchion_wire::decode(&head, &body) {
            Ok(envelope) => {
                drop(body);
                let action = envelope.action;
                let asked = self.audit.as_ref().map(|_| Asked::of(caller, &envelope));
                let mut decision = None;
                let answer = self.broker.call_explained(caller, envelope, &mut decision).await;
                let error = answer.as_ref().err();
                let outcome = Outcome { caller: Some(caller), decision, error, ..Outcome::default() };
                self.conclude(&entry, asked, outcome);
                match answer {
                    Ok(answer) => {
                        tracing::debug!(request = %id, action = action.name(), "done");
                        stanchion_wire::encode(protocol, action, &answer, || self.origin(way.scheme, parts), &id)
                    }
                    Err(error) => {
                        tracing::debug!(request = %id, action = action.name(), %error, "refused");
                        refuse(&error)
                    }
                }
            }
            Err(error) => {
                tracing::debug!(request = %id, %error, "not understood");
                refuse(&error)
            }
        };
        Ok(response(reply, &id))
    }

    /// Tells of a request for temporary credentials, and returns its answer.
    fn conclude_session(&self, entry: &Entry<'_>, caller: &Caller, answer: Result<Answered, Error>) -> Reply {
        let caller = Some(caller);
        match answer {
            Ok(answered) => {
                let code = answered.refusal.as_ref().map(|refusal| &*refusal.code);
                let asked = self.audit.as_ref().map(|_| sessions::asked(&answered));
                self.conclude(entry, asked, Outcome { caller, code, ..Outcome::default() });
                answered.reply
            }
            Err(error) => {
                self.conclude(entry, None, Outcome { caller, error: Some(&error), ..Outcome::default() });
                stanchion_sts::encode_error(&error, entry.id)
            }
        }
    }

    /// Tells of a request whose sender is not known, or not listened to.
    fn turn_away(&self, entry: &Entry<'_>, denial: &Denial) {
        let Denial { kind, error } = denial;
        if *kind != Refused::Throttled {
            tracing::info!(request = %entry.id, source = %entry.way.source, "the caller is not known: {error}");
        }
        self.conclude(entry, None, Outcome { error: Some(error), refused: Some(*kind), ..Outcome::default() });
    }

    /// Returns the base of the queue URLs in an answer.
    fn origin(&self, scheme: Scheme, parts: &Parts) -> Origin {
        if let Some(origin) = &self.origin {
            return origin.clone();
        }
        let scheme = match scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        // HTTP/1.0 knows clients that name no host; such a client finds the server by itself.
        let host = host(&parts.uri, &parts.headers).unwrap_or("localhost");
        Origin::new(&format!("{scheme}://{host}"))
    }

    fn health(&self, method: &Method, id: &RequestId) -> Response<Full<Bytes>> {
        let (status, text) = match (method, self.broker.is_serving()) {
            (&Method::GET | &Method::HEAD, true) => (200, "ok\n"),
            (&Method::GET | &Method::HEAD, false) => (503, "failed: the log says why\n"),
            _ => (405, "ask with GET\n"),
        };
        response(Reply { status, content_type: "text/plain", query_error: None, body: text.into() }, id)
    }
}

fn head(parts: &Parts) -> Head<'_> {
    Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        content_type: text(&parts.headers, &CONTENT_TYPE),
        target: text(&parts.headers, &TARGET),
        trace_header: text(&parts.headers, &TRACE_ID),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // A header's value has no control characters, so ASCII is what is visible in it. To check that takes a fraction of
    // what the library needs to look at each byte.
    std::str::from_utf8(headers.get(name)?.as_bytes()).ok().filter(|text| text.is_ascii())
}

fn too_large(max: usize) -> Error {
    Error::new(Code::RequestTooLarge, format!("Request bodies cannot be longer than {max} bytes."))
}

/// Answers a request whose body was not read to its end: nothing can follow it on this connection.
fn unread(reply: Reply, id: &RequestId) -> Response<Full<Bytes>> {
    let mut response = response(reply, id);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn response(reply: Reply, id: &RequestId) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("the wire crate's statuses are of HTTP");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    headers.insert(REQUEST_ID, HeaderValue::from_bytes(&uuid_text(&id.0)).expect("a UUID is visible ASCII"));
    if let Some(value) = reply.query_error {
        headers.insert(QUERY_ERROR, HeaderValue::from_str(&value).expect("error codes are visible ASCII"));
    }
    response
}
