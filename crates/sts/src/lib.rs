//! The part of the STS API that users of queues call: `GetCallerIdentity`, `AssumeRole` and `GetSessionToken`.
//!
//! The crate reads a request, asks the policies, and has credentials made; the caller, the time and chance are arguments.
//! It deliberately does not know how a signature is checked, how a session token is sealed, or that there are queues.
//!
//! Where to begin: [`answer`], then `assume_role`. The published service model is the source of every bound and pattern.

mod assume_role;
mod call;
mod form;
mod refusal;
mod reply;
mod session_token;

use stanchion_types::RequestId;
use stanchion_wire::Reply;

pub use call::Call;
pub use refusal::encode_error;

use form::Form;
use refusal::Refusal;

/// The version of the API, by which a request in the Query protocol is told from one to the queues.
const VERSION: &str = "2011-06-15";

/// Tells whether a request in the Query protocol is for this API: the first parameter `Version` says so.
pub fn is_meant(query: Option<&str>, body: &[u8]) -> bool {
    let parameters = query.unwrap_or_default().as_bytes().split(|byte| *byte == b'&');
    let mut parameters = parameters.chain(body.split(|byte| *byte == b'&'));
    parameters.find_map(|parameter| parameter.strip_prefix(b"Version=")) == Some(VERSION.as_bytes())
}

/// Does what a request asks for, or says why not.
pub fn answer(call: &Call<'_>, query: Option<&str>, body: &[u8], id: &RequestId) -> Reply {
    let done = Form::read(query, body).and_then(|form| match form.get("Action") {
        _ if call.is_anonymous() => Err(Refusal::missing_token()),
        None => Err(Refusal::missing_action()),
        Some("AssumeRole") => assume_role::assume_role(call, &form),
        Some("GetCallerIdentity") => Ok(reply::caller_identity(call.principal)),
        Some("GetSessionToken") => session_token::get_session_token(call, &form),
        Some(other) => Err(Refusal::unknown_action(other)),
    });
    match done {
        Ok(result) => reply::encode(result, id),
        Err(refusal) => {
            tracing::info!(request = %id, caller = &*call.principal.arn, "refused: {refusal}");
            refusal.encode(id)
        }
    }
}

#[cfg(test)]
mod tests;
