//! Who a request comes from.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hyper::header::{HeaderMap, HeaderName, REFERER, USER_AGENT};
use hyper::http::request::Parts;
use stanchion_auth::{Authenticator, Message, Refusal};
use stanchion_broker::Caller;
use stanchion_policy::Circumstances;
use stanchion_types::{Code, Error};

use crate::api::{Scheme, Way};
use crate::attempts::Attempts;

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

    /// Finds out who sent a request. A source that has failed too often is not even listened to.
    pub(crate) fn identify(&self, parts: &Parts, body: &[u8], way: Way) -> Result<Caller, Error> {
        let now = Instant::now();
        if !self.attempts.may_try(way.source, now) {
            return Err(Error::new(Code::RequestThrottled, "Rate exceeded: too many requests with a wrong signature."));
        }
        identify(&self.authenticator, parts, body, way).map_err(|refusal| {
            self.attempts.failed(way.source, now);
            refusal.into()
        })
    }
}

/// Finds out who sent a request.
fn identify(authenticator: &Authenticator, parts: &Parts, body: &[u8], way: Way) -> Result<Caller, Refusal> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (method, path, query) = (parts.method.as_str(), parts.uri.path(), parts.uri.query());
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let message = Message { method, path, query, authority, headers: &parts.headers, body };
    let identified = authenticator.identify(&message, now)?;
    let circumstances = Circumstances {
        source: Some(way.source),
        secure: way.scheme == Scheme::Https,
        now,
        user_agent: text(&parts.headers, &USER_AGENT),
        referer: text(&parts.headers, &REFERER),
    };
    Ok(Caller::identified(identified.principal, identified.region, circumstances))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
