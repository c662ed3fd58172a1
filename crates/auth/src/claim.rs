//! What a request says of its signature: in the header `authorization`, or in parameters of its URL.

use std::borrow::Cow;

use data_encoding::HEXLOWER_PERMISSIVE;
use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE, HeaderName};
use percent_encoding::percent_decode_str;

use crate::date;
use crate::message::Message;
use crate::refusal::Refusal;

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What every scope ends with.
const TERMINATOR: &str = "aws4_request";
/// Longest id of an access key.
const KEY_CHARS_MAX: usize = 128;
/// Longest validity of a URL in seconds: a week.
const EXPIRES_MAX: u64 = 604_800;

pub(crate) const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// A claim to be somebody, not yet proven.
#[derive(Clone, Debug)]
pub(crate) struct Claim<'a> {
    /// Access key and scope, with slashes.
    pub(crate) credential: Cow<'a, str>,
    /// Names of the signed headers, with semicolons.
    pub(crate) signed_headers: Cow<'a, str>,
    pub(crate) signature: [u8; 32],
    /// When it was signed, in seconds since 1970.
    pub(crate) signed: u64,
    /// For how many seconds a URL is good; `None` for a header.
    pub(crate) expires: Option<u64>,
    /// The session token that comes with it.
    pub(crate) token: Option<Cow<'a, str>>,
}

/// The parts of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    pub(crate) access_key: &'a str,
    /// Everything behind the access key.
    pub(crate) scope: &'a str,
    pub(crate) day: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

impl<'a> Credential<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (access_key, scope) = text.split_once('/')?;
        let mut parts = scope.split('/');
        let (day, region, service) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = parts.next() == Some(TERMINATOR) && parts.next().is_none();
        let legal = whole && !access_key.is_empty() && !region.is_empty() && !service.is_empty();
        legal.then_some(Credential { access_key, scope, day, region, service })
    }
}

/// Returns the id of the access key that a request names, whether or not anybody has it and whatever its signature is.
pub fn named_key(message: &Message<'_>) -> Option<String> {
    let claim = Claim::find(message).ok()??;
    let key = claim.credential().ok()?.access_key;
    // Longer than any; it is nothing to keep.
    (key.len() <= KEY_CHARS_MAX).then(|| key.to_owned())
}

impl<'a> Claim<'a> {
    /// Finds the claim of a request; `None` if it makes none.
    pub(crate) fn find(message: &Message<'a>) -> Result<Option<Self>, Refusal> {
        let mut headers = message.headers.get_all(AUTHORIZATION).iter();
        let header = headers.next();
        if headers.next().is_some() {
            return Err(Refusal::Incomplete("The request has more than one Authorization header."));
        }
        let parameters = message.query.filter(|query| is_signed(query));
        match (header, parameters) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Refusal::Incomplete(
                "The request is signed in its Authorization header and in its query-string; only one is allowed.",
            )),
            (Some(header), None) => {
                let text = header.to_str().map_err(|_| Refusal::Incomplete("The Authorization header is not text."))?;
                Claim::of_header(text, message.headers).map(Some)
            }
            (None, Some(query)) => Claim::of_query(query).map(Some),
        }
    }

    fn of_header(text: &'a str, headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let (algorithm, rest) = text.trim().split_once(' ').unwrap_or((text, ""));
        check_algorithm(algorithm)?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let slot = match part.split_once('=') {
                Some(("Credential", value)) => (&mut credential, value),
                Some(("SignedHeaders", value)) => (&mut signed_headers, value),
                Some(("Signature", value)) => (&mut signature, value),
                _ => return Err(Refusal::Incomplete("Authorization header has a part that is none.")),
            };
            if slot.0.replace(slot.1).is_some() {
                return Err(Refusal::Incomplete("Authorization header has a part twice."));
            }
        }
        let missing = |what: &'static str| Refusal::Incomplete(what);
        let credential = credential.ok_or_else(|| missing("Authorization header requires 'Credential' parameter."))?;
        let signature = signature.ok_or_else(|| missing("Authorization header requires 'Signature' parameter."))?;
        let signed_headers =
            signed_headers.ok_or_else(|| missing("Authorization header requires 'SignedHeaders' parameter."))?;
        let at = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let signed = match (at(&AMZ_DATE), at(&DATE)) {
            (Some(text), _) => date::read(text),
            (None, Some(text)) => date::read_http(text).or_else(|| date::read(text)),
            (None, None) => {
                return Err(missing(
                    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
                ));
            }
        };
        Ok(Claim {
            credential: credential.into(),
            signed_headers: signed_headers.into(),
            signature: read_signature(signature)?,
            signed: signed.ok_or_else(|| missing("Date must be in ISO-8601 'basic format'."))?,
            expires: None,
            token: headers.get(TOKEN).map(|value| String::from_utf8_lossy(value.as_bytes())),
        })
    }

    fn of_query(query: &'a str) -> Result<Self, Refusal> {
        let missing = |what: &'static str| Refusal::Incomplete(what);
        let (mut algorithm, mut credential, mut signed_headers, mut signature) = (None, None, None, None);
        let (mut date, mut expires, mut token) = (None, None, None);
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let slot = match name {
                "X-Amz-Algorithm" => &mut algorithm,
                "X-Amz-Credential" => &mut credential,
                "X-Amz-SignedHeaders" => &mut signed_headers,
                "X-Amz-Signature" => &mut signature,
                "X-Amz-Date" => &mut date,
                "X-Amz-Expires" => &mut expires,
                "X-Amz-Security-Token" => &mut token,
                _ => continue,
            };
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| missing("AWS query-string parameters must be text."))?;
            if slot.replace(value).is_some() {
                return Err(missing("An AWS query-string parameter is there twice."));
            }
        }
        check_algorithm(
            &algorithm.ok_or_else(|| missing("AWS query-string parameters must include 'X-Amz-Algorithm'."))?,
        )?;
        let credential =
            credential.ok_or_else(|| missing("AWS query-string parameters must include 'X-Amz-Credential'."))?;
        let signature =
            signature.ok_or_else(|| missing("AWS query-string parameters must include 'X-Amz-Signature'."))?;
        let signed_headers =
            signed_headers.ok_or_else(|| missing("AWS query-string parameters must include 'X-Amz-SignedHeaders'."))?;
        let date = date.ok_or_else(|| missing("AWS query-string parameters must include 'X-Amz-Date'."))?;
        let expires = expires.ok_or_else(|| missing("AWS query-string parameters must include 'X-Amz-Expires'."))?;
        let digits = !expires.is_empty() && expires.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = expires.parse().ok().filter(|seconds| digits && (1..=EXPIRES_MAX).contains(seconds));
        Ok(Claim {
            credential,
            signed_headers,
            signature: read_signature(&signature)?,
            signed: date::read(&date).ok_or_else(|| missing("X-Amz-Date must be in ISO-8601 'basic format'."))?,
            expires: Some(
                seconds.ok_or_else(|| missing("X-Amz-Expires must be a number of seconds from 1 to 604800."))?,
            ),
            token,
        })
    }

    pub(crate) fn credential(&self) -> Result<Credential<'_>, Refusal> {
        Credential::parse(&self.credential).ok_or(Refusal::Incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request.",
        ))
    }
}

/// Tells whether a query has a parameter that only signed ones have.
fn is_signed(query: &str) -> bool {
    query.contains("X-Amz-")
        && query.split('&').any(|parameter| {
            let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
            matches!(name, "X-Amz-Algorithm" | "X-Amz-Signature" | "X-Amz-Credential")
        })
}

/// Refuses every other algorithm, among them the one with asymmetric keys: no client of this service uses it.
fn check_algorithm(name: &str) -> Result<(), Refusal> {
    if name == ALGORITHM {
        return Ok(());
    }
    Err(Refusal::Incomplete("Unsupported AWS 'algorithm': it must be 'AWS4-HMAC-SHA256'."))
}

fn read_signature(text: &str) -> Result<[u8; 32], Refusal> {
    let mut signature = [0; 32];
    let decoded = text.len() == 64 && HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut signature).is_ok();
    // In upper case it would be another text, which no signer writes.
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    if decoded && lower { Ok(signature) } else { Err(Refusal::Incomplete("Signature must be 64 hexadecimal digits.")) }
}
