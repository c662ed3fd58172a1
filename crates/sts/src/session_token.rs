//! `GetSessionToken`: temporary credentials that may what their user may.

use stanchion_auth::{Bearer, Terms};
use stanchion_policy::Kind;

use crate::call::Call;
use crate::form::{Checks, Form, SERIAL_NUMBER, TOKEN_CODE};
use crate::refusal::Refusal;
use crate::reply::{self, Answer};

/// How long a session lasts if the request does not say, in seconds.
const SECONDS_DEFAULT: u64 = 43_200;
/// How long one of an account itself lasts at most, in seconds.
const ROOT_SECONDS_MAX: u64 = 3600;

pub(crate) fn get_session_token(call: &Call<'_>, form: &Form<'_>) -> Result<Answer, Refusal> {
    let seconds = form.number("DurationSeconds")?;
    let (serial, code) = (form.get("SerialNumber"), form.get("TokenCode"));
    let mut checks = Checks::default();
    checks.number("durationSeconds", seconds, 900, 129_600);
    checks.optional("serialNumber", serial, &SERIAL_NUMBER);
    checks.optional("tokenCode", code, &TOKEN_CODE);
    checks.finish()?;

    let principal = call.principal;
    let bearer = match &principal.kind {
        _ if principal.session.is_some() => {
            return Err(Refusal::access_denied("Cannot call GetSessionToken with session credentials"));
        }
        Kind::User(name) => Bearer::User(name.to_string()),
        Kind::Root => Bearer::Root,
        Kind::Anonymous | Kind::AssumedRole(_) => return Err(Refusal::missing_token()),
    };
    check_factors(serial, code)?;
    let seconds = seconds.unwrap_or(SECONDS_DEFAULT);
    // The service shortens what an account asks for itself, and does not refuse it.
    let seconds = if bearer == Bearer::Root { seconds.min(ROOT_SECONDS_MAX) } else { seconds };
    let issued = call.circumstances.now;
    let expires = issued + seconds;
    let terms = Terms {
        account: principal.account,
        bearer,
        issued,
        expires,
        policy: None,
        policy_names: Vec::new(),
        tags: Vec::new(),
        passed_on: Vec::new(),
        source_identity: None,
    };
    let session = call.issue(terms)?;
    tracing::info!(caller = &*principal.arn, access_key = session.access_key, seconds, "a session was issued");
    Ok(Answer { action: "GetSessionToken", members: vec![reply::credentials(&session, expires)] })
}

/// Refuses a second factor: nobody has a device here that could make one.
pub(crate) fn check_factors(serial: Option<&str>, code: Option<&str>) -> Result<(), Refusal> {
    if serial.is_none() && code.is_none() {
        return Ok(());
    }
    Err(Refusal::access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code. "))
}
