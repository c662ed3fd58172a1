//! Why a caller is not known.

use std::fmt;

use stanchion_types::{Code, Error};

use crate::date;
use crate::service::Service;

/// What is wrong with a signature. None of them says more of a secret than whether it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A part of the signature is missing or cannot be read; the text says which.
    Incomplete(&'static str),
    /// Nobody has this access key, or it is switched off, or its session token is missing or another's.
    UnknownKey,
    /// The session is over.
    SessionExpired,
    /// The signature is another.
    Mismatch,
    /// It was made too long ago. Seconds since 1970.
    Expired {
        /// When the request says it was made, or until when it was good.
        signed: u64,
        /// The earliest moment that is good enough.
        earliest: u64,
        /// What the server's clock says.
        now: u64,
    },
    /// It was made in the future. Seconds since 1970.
    NotYetCurrent {
        /// When the request says it was made.
        signed: u64,
        /// The latest moment that is good enough.
        latest: u64,
        /// What the server's clock says.
        now: u64,
    },
    /// The scope has another day than the request.
    WrongDay,
    /// The scope names a region that this server does not serve.
    WrongRegion,
    /// The scope names another service.
    WrongService(Service),
    /// A header that matters is not covered.
    Unsigned(&'static str),
    /// The header with the hash of the body has another hash, or none.
    WrongPayload,
}

/// How far the clocks of client and server may be apart, in seconds.
pub(crate) const SKEW_MAX: u64 = 15 * 60;

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
                        Secret Access Key and signing method. Consult the service documentation for details.";

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = date::write;
        match self {
            Refusal::Incomplete(what) => f.write_str(what),
            Refusal::UnknownKey => f.write_str("The security token included in the request is invalid."),
            Refusal::SessionExpired => f.write_str("The security token included in the request is expired"),
            Refusal::Mismatch => f.write_str(MISMATCH),
            Refusal::Expired { signed, earliest, now } => {
                let (signed, earliest, now) = (at(*signed), at(*earliest), at(*now));
                write!(f, "Signature expired: {signed} is now earlier than {earliest} ({now} - 15 min.)")
            }
            Refusal::NotYetCurrent { signed, latest, now } => {
                let (signed, latest, now) = (at(*signed), at(*latest), at(*now));
                write!(f, "Signature not yet current: {signed} is still later than {latest} ({now} + 15 min.)")
            }
            Refusal::WrongDay => f.write_str("Date in Credential scope does not match the date of the request."),
            Refusal::WrongRegion => f.write_str("Credential should be scoped to a valid region."),
            Refusal::WrongService(service) => {
                write!(f, "Credential should be scoped to correct service: '{}'.", service.name())
            }
            Refusal::Unsigned("host") => {
                f.write_str("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
            }
            Refusal::Unsigned(name) => write!(f, "'{name}' must be a 'SignedHeader' in the AWS Authorization."),
            Refusal::WrongPayload => {
                f.write_str("The value of the header x-amz-content-sha256 must be the SHA-256 of the body.")
            }
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Incomplete(_) => Code::IncompleteSignature,
            Refusal::UnknownKey => Code::InvalidClientTokenId,
            Refusal::SessionExpired => Code::ExpiredToken,
            Refusal::Mismatch
            | Refusal::Expired { .. }
            | Refusal::NotYetCurrent { .. }
            | Refusal::WrongDay
            | Refusal::WrongRegion
            | Refusal::WrongService(_)
            | Refusal::Unsigned(_)
            | Refusal::WrongPayload => Code::SignatureDoesNotMatch,
        };
        Error::new(code, refusal.to_string())
    }
}
