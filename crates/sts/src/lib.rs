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
pub use refusal::{Refusal, encode_error};

use form::Form;
use reply::Answer;

/// The version of the API, by which a request in the Query protocol is told from one to the queues.
const VERSION: &str = "2011-06-15";

/// Tells whether a request in the Query protocol is for this API: the first parameter `Version` says so.
pub fn is_meant(query: Option<&str>, body: &[u8]) -> bool {
    let parameters = query.unwrap_or_default().as_bytes().split(|byte| *byte == b'&');
    let mut parameters = parameters.chain(body.split(|byte| *byte == b'&'));
    parameters.find_map(|parameter| parameter.strip_prefix(b"Version=")) == Some(VERSION.as_bytes())
}

/// Does an action, or says why not.
type Act = fn(&Call<'_>, &Form<'_>) -> Result<Answer, Refusal>;

const ACTIONS: [(&str, Act); 3] = [
    ("AssumeRole", assume_role::assume_role),
    ("GetCallerIdentity", |call, _| Ok(reply::caller_identity(call.principal))),
    ("GetSessionToken", session_token::get_session_token),
];

/// What of a request an audit trail may tell: neither policies nor tokens.
const TOLD: [&str; 4] = ["RoleArn", "RoleSessionName", "SourceIdentity", "DurationSeconds"];
/// How much of each, in characters; the longest that is legal.
const TOLD_MAX: usize = 2048;

/// An answer, and what of it there is to tell others than the caller.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub reply: Reply,
    /// Name of the action; empty if there is none of that name.
    pub action: &'static str,
    /// Parameters that say for what, by name.
    pub parameters: Vec<(&'static str, String)>,
    /// The refusal, if it is one.
    pub refusal: Option<Refusal>,
}

/// Does what a request asks for, or says why not.
pub fn answer(call: &Call<'_>, query: Option<&str>, body: &[u8], id: &RequestId) -> Answered {
    let form = match Form::read(query, body) {
        Ok(form) => form,
        Err(refusal) => return Answered::of("", Vec::new(), Err(refusal), call, id),
    };
    let asked = form.get("Action");
    let Some((action, act)) = ACTIONS.into_iter().find(|(name, _)| asked == Some(*name)) else {
        let refusal = match asked {
            _ if call.is_anonymous() => Refusal::missing_token(),
            Some(other) => Refusal::unknown_action(other),
            None => Refusal::missing_action(),
        };
        return Answered::of("", Vec::new(), Err(refusal), call, id);
    };
    let told = |name| Some((name, form.get(name)?.chars().take(TOLD_MAX).collect()));
    let parameters = TOLD.into_iter().filter_map(told).collect();
    let done = if call.is_anonymous() { Err(Refusal::missing_token()) } else { act(call, &form) };
    Answered::of(action, parameters, done, call, id)
}

impl Answered {
    fn of(
        action: &'static str,
        parameters: Vec<(&'static str, String)>,
        done: Result<Answer, Refusal>,
        call: &Call<'_>,
        id: &RequestId,
    ) -> Answered {
        match done {
            Ok(done) => Answered { reply: reply::encode(done, id), action, parameters, refusal: None },
            Err(refusal) => {
                tracing::info!(request = %id, caller = &*call.principal.arn, "refused: {refusal}");
                Answered { reply: refusal.encode(id), action, parameters, refusal: Some(refusal) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
