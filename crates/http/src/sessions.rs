//! Requests for temporary credentials.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::http::request::Parts;
use serde_json::{Map, Value};
use stanchion_auth::{SESSION_RANDOM_BYTES, Service};
use stanchion_broker::{Authority, Caller};
use stanchion_policy::{Circumstances, Principal};
use stanchion_sts::{Answered, Call};
use stanchion_types::{Code, Error, RequestId};
use stanchion_wire::{Protocol, Reply};

use crate::access::Access;
use crate::api::{Scheme, Way};
use crate::audit::Asked;

/// Returns the service that a request is for.
pub(crate) fn service(protocol: Protocol, parts: &Parts, body: &[u8]) -> Service {
    match protocol {
        Protocol::Query if stanchion_sts::is_meant(parts.uri.query(), body) => Service::Sts,
        Protocol::Query | Protocol::Json => Service::Sqs,
    }
}

/// Writes a refusal as the service that was asked does.
pub(crate) fn encode_error(service: Service, protocol: Protocol, error: &Error, id: &RequestId) -> Reply {
    match service {
        Service::Sqs => stanchion_wire::encode_error(Some(protocol), error, id),
        Service::Sts => stanchion_sts::encode_error(error, id),
    }
}

/// Answers a request for temporary credentials. Where nobody is asked who he is, everybody is the server's own account.
pub(crate) fn answer(
    access: &Access,
    caller: &Caller,
    parts: &Parts,
    body: &[u8],
    way: Way,
    id: &RequestId,
) -> Result<Answered, Error> {
    let mut random = [0; SESSION_RANDOM_BYTES];
    if let Err(error) = getrandom::fill(&mut random) {
        tracing::error!(request = %id, %error, "there are no random bytes to make credentials of");
        return Err(Error::new(Code::ServiceUnavailable, "Try again."));
    }
    let (owner, plain);
    let (principal, circumstances) = match &caller.authority {
        Authority::Policies(principal, circumstances) => (&**principal, &**circumstances),
        Authority::Owner => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let secure = way.scheme == Scheme::Https;
            owner = Principal::root(caller.account);
            plain = Circumstances { source: Some(way.source), secure, now, user_agent: None, referer: None };
            (&owner, &plain)
        }
    };
    let authenticator = match access {
        Access::Anyone(_) => None,
        Access::Keys(gatekeeper) => Some(gatekeeper.authenticator()),
    };
    let call = Call { principal, region: &caller.region, circumstances, authenticator, random: &random };
    Ok(stanchion_sts::answer(&call, parts.uri.query(), body, id))
}

/// Returns what an audit trail is told of a request.
pub(crate) fn asked(answered: &Answered) -> Asked {
    let parameters: Map<String, Value> =
        answered.parameters.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    Asked {
        action: answered.action,
        is_kept: !answered.action.is_empty(),
        queue: None,
        parameters: (!parameters.is_empty()).then(|| parameters.into()),
    }
}
