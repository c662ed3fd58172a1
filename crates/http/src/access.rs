//! Who a request comes from.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hyper::header::{REFERER, USER_AGENT};
use hyper::http::request::Parts;
use stanchion_auth::{Authenticator, Message, Refusal, Service};
use stanchion_broker::Caller;
use stanchion_policy::Circumstances;
use stanchion_types::{Code, Error};

use crate::api::{Scheme, Way};
use crate::attempts::Attempts;
use crate::refused::Refused;

/// Whom the edge lets in.
pub enum Access {
    /// Anybody: no credentials are asked for, and every request comes from this caller.
    Anyone(Caller),
    /// Whoever signs with a key that is known. What callers may do is for policies to say, also of those who do not sign.
    Keys(Gatekeeper),
}

/// Tells callers by their signatures.
pub struct Gatekeeper {
    authenticator: Arc<Authenticator>,
    attempts: Attempts,
}

impl Gatekeeper {
    /// Makes one that knows whom the authenticator knows.
    pub fn new(authenticator: Arc<Authenticator>) -> Self {
        Gatekeeper { authenticator, attempts: Attempts::default() }
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Looks at what a request says of its sender before its body, and tells whether it says anything.
    pub(crate) fn preflight(&self, parts: &Parts, way: Way) -> Result<bool, Denial> {
        self.listen(way, || self.authenticator.preflight(&message(parts, &[]), seconds()))
    }

    /// Finds out who sent a request.
    pub(crate) fn identify(&self, parts: &Parts, body: &[u8], way: Way, service: Service) -> Result<Caller, Denial> {
        self.listen(way, || identify(&self.authenticator, parts, body, way, service))
    }

    /// A source that has failed too often is not even listened to.
    fn listen<T>(&self, way: Way, check: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Denial> {
        let now = Instant::now();
        if !self.attempts.may_try(way.source, now) {
            let text = "Rate exceeded: too many requests with a wrong signature.";
            return Err(Denial { kind: Refused::Throttled, error: Error::new(Code::RequestThrottled, text) });
        }
        check().map_err(|refusal| {
            self.attempts.failed(way.source, now);
            Denial { kind: Refused::of(&refusal), error: refusal.into() }
        })
    }
}

/// Why a request is not listened to.
pub(crate) struct Denial {
    pub(crate) kind: Refused,
    pub(crate) error: Error,
}

/// Finds out who sent a request.
fn identify(
    authenticator: &Authenticator,
    parts: &Parts,
    body: &[u8],
    way: Way,
    service: Service,
) -> Result<Caller, Refusal> {
    let now = seconds();
    let identified = authenticator.identify(&message(parts, body), service, now)?;
    let circumstances = Circumstances {
        source: Some(way.source),
        secure: way.scheme == Scheme::Https,
        now,
        user_agent: parts.headers.get(USER_AGENT).cloned(),
        referer: parts.headers.get(REFERER).cloned(),
    };
    Ok(Caller::identified(identified.principal, identified.region, circumstances))
}

/// Returns a request as its signature sees it.
pub(crate) fn message<'m>(parts: &'m Parts, body: &'m [u8]) -> Message<'m> {
    let (method, path, query) = (parts.method.as_str(), parts.uri.path(), parts.uri.query());
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    Message { method, path, query, authority, headers: &parts.headers, body }
}

/// Reads the clock, in seconds since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
