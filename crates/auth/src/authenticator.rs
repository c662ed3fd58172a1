//! Finding out who sent a request.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use data_encoding::HEXLOWER;
use http::header::{HOST, HeaderName};
use sha2::{Digest, Sha256};
use stanchion_policy::Principal;
use stanchion_types::{AccountId, Region};

use crate::canonical;
use crate::claim::{ALGORITHM, AMZ_DATE, Claim, Credential, TOKEN};
use crate::date;
use crate::directory::Directory;
use crate::key::{SigningKey, Temporary};
use crate::message::Message;
use crate::refusal::{Refusal, SKEW_MAX};
use crate::role::Role;
use crate::secret::Secret;
use crate::service::Service;
use crate::session::{Issued, SESSION_RANDOM_BYTES, SessionKey, Terms};

/// How many signing keys are kept. A client needs one a day; whoever signs for many regions could ask for more.
const KEPT_MAX: usize = 1024;

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Who sent a request.
#[derive(Clone, Debug)]
pub struct Identified {
    /// The caller; anonymous if the request is not signed.
    pub principal: Arc<Principal>,
    /// The region that the request means.
    pub region: Region,
}

/// Checks signatures against a directory of access keys, which can be exchanged while requests are checked.
#[derive(Debug)]
pub struct Authenticator {
    region: Region,
    anonymous: Arc<Principal>,
    /// Without one there are no sessions.
    sessions: Option<SessionKey>,
    known: RwLock<Arc<Known>>,
}

/// A directory with the signing keys that were derived from it. A key that is taken out of the directory goes with all
/// that was derived from it.
#[derive(Debug)]
struct Known {
    directory: Directory,
    /// Signing keys by credential. Only a good signature puts one here, so strangers cannot fill it.
    kept: RwLock<HashMap<Box<str>, Arc<SigningKey>, foldhash::fast::RandomState>>,
}

impl Authenticator {
    /// Makes one for a server whose own account and region are these: what unsigned requests mean, and signed ones for a
    /// region that nobody listed.
    pub fn new(directory: Directory, account: AccountId, region: Region) -> Self {
        let anonymous = Arc::new(Principal::anonymous(account));
        Authenticator { region, anonymous, sessions: None, known: RwLock::new(Arc::new(Known::new(directory))) }
    }

    /// Lets callers in who bring a session token that is sealed under this key.
    pub fn with_sessions(self, key: SessionKey) -> Self {
        Authenticator { sessions: Some(key), ..self }
    }

    /// Makes temporary credentials out of random bytes; `None` if there are no sessions here.
    pub fn issue(&self, terms: Terms, random: &[u8; SESSION_RANDOM_BYTES]) -> Option<Issued> {
        self.sessions.as_ref().map(|key| key.issue(terms, random))
    }

    /// Finds a role as it is now.
    pub fn role(&self, account: AccountId, name: &str) -> Option<Arc<Role>> {
        self.known().directory.role(account, name).cloned()
    }

    /// Returns how long the text of a policy of the file is, in bytes.
    pub fn policy_bytes(&self, name: &str) -> Option<usize> {
        self.known().directory.policy_bytes(name)
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another directory in place. Requests that are being checked are checked against the one before.
    pub fn replace(&self, directory: Directory) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Known::new(directory));
    }

    /// Looks at what a request that arrived at `now`, in seconds since 1970, says before its body, and tells whether it is
    /// signed at all: its body may not be worth reading. What this lets pass is for [`identify`](Authenticator::identify)
    /// to decide.
    ///
    /// # Errors
    /// What is wrong with the signature already: it is not whole, not of this time, or of a key that nobody has.
    pub fn preflight(&self, message: &Message<'_>, now: u64) -> Result<bool, Refusal> {
        let Some(claim) = Claim::find(message)? else { return Ok(false) };
        let credential = claim.credential()?;
        check_clock(&claim, now)?;
        check_coverage(message, &claim)?;
        let known = self.known();
        let is_known = match claim.token.as_deref() {
            None => known.directory.find(credential.access_key).is_some(),
            Some(token) => {
                known.kept(&claim).is_some() || known.temporary(token, &credential, self.sessions.as_ref()).is_some()
            }
        };
        if is_known { Ok(true) } else { Err(Refusal::UnknownKey) }
    }

    /// Finds out who sent a request to a service that arrived at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong with the signature, if there is one.
    pub fn identify(&self, message: &Message<'_>, service: Service, now: u64) -> Result<Identified, Refusal> {
        let Some(claim) = Claim::find(message)? else {
            return Ok(Identified { principal: self.anonymous.clone(), region: self.region.clone() });
        };
        let credential = claim.credential()?;
        if credential.service != service.name() {
            return Err(Refusal::WrongService(service));
        }
        let signed = date::write(claim.signed);
        if credential.day != &signed[..8] {
            return Err(Refusal::WrongDay);
        }
        check_clock(&claim, now)?;
        check_coverage(message, &claim)?;
        let payload = payload(message)?;

        let known = self.known();
        let key = known.key(&claim, &credential, service, self)?;
        let mut hash = Sha256::new();
        canonical::write(message, &claim.signed_headers, &payload, &mut |piece| hash.update(piece))?;
        let request = hex(hash.finalize().into());
        let lines: [&[u8]; 7] =
            [ALGORITHM.as_bytes(), b"\n", signed.as_bytes(), b"\n", credential.scope.as_bytes(), b"\n", &request];
        if !key.derived.fits(&lines, &claim.signature) {
            // A key that nobody has costs the same work as one whose signature is wrong.
            return Err(if key.is_dummy { Refusal::UnknownKey } else { Refusal::Mismatch });
        }
        if key.is_dummy {
            return Err(Refusal::UnknownKey);
        }
        if key.derived.temporary.as_ref().is_some_and(|temporary| temporary.expires <= now) {
            return Err(Refusal::SessionExpired);
        }
        if key.is_new {
            known.keep(&claim.credential, &key.derived);
        }
        Ok(Identified { principal: key.derived.principal.clone(), region: key.derived.region.clone() })
    }
}

/// A signing key as it was found.
struct Found {
    derived: Arc<SigningKey>,
    is_new: bool,
    is_dummy: bool,
}

impl Known {
    fn new(directory: Directory) -> Self {
        Known { directory, kept: RwLock::default() }
    }

    fn key(
        &self,
        claim: &Claim<'_>,
        credential: &Credential<'_>,
        service: Service,
        authenticator: &Authenticator,
    ) -> Result<Found, Refusal> {
        let token = claim.token.as_deref();
        if let Some(derived) = self.kept(claim) {
            return Ok(Found { derived, is_new: false, is_dummy: false });
        }
        let home = &authenticator.region;
        let region = match self.directory.region(credential.region, home) {
            Some(region) => region,
            // Its one endpoint serves all regions, and clients sign for whichever they are in.
            None if service == Service::Sts => home.clone(),
            None => return Err(Refusal::WrongRegion),
        };
        let found = match token {
            Some(token) => self.temporary(token, credential, authenticator.sessions.as_ref()),
            None => self
                .directory
                .find(credential.access_key)
                .map(|access| (access.secret.clone(), access.principal.clone(), None)),
        };
        let is_dummy = found.is_none();
        let (secret, principal, temporary) = found
            .unwrap_or_else(|| (Secret::new("-".repeat(40)), Arc::new(Principal::anonymous(AccountId::DEFAULT)), None));
        let mut derived = SigningKey::derive(&secret, credential, principal, region);
        derived.temporary = temporary;
        Ok(Found { derived: Arc::new(derived), is_new: true, is_dummy })
    }

    /// Opens a session token. One whose user, role or policies are gone is nobody's.
    fn temporary(
        &self,
        token: &str,
        credential: &Credential<'_>,
        sessions: Option<&SessionKey>,
    ) -> Option<(Secret, Arc<Principal>, Option<Temporary>)> {
        let opened = sessions?.open(token)?;
        if opened.access_key != credential.access_key {
            return None;
        }
        let principal = self.directory.bearer(&opened.terms)?;
        let temporary = Temporary { token: token.into(), expires: opened.terms.expires };
        Some((opened.secret, Arc::new(principal), Some(temporary)))
    }

    /// Finds the signing key of a claim, if one was good before.
    fn kept(&self, claim: &Claim<'_>) -> Option<Arc<SigningKey>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(&*claim.credential).filter(|derived| derived.goes_with(claim.token.as_deref())).cloned()
    }

    fn keep(&self, credential: &str, derived: &Arc<SigningKey>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            // Yesterday's are among them, and those of today are soon back.
            kept.clear();
        }
        kept.insert(credential.into(), derived.clone());
    }
}

fn check_clock(claim: &Claim<'_>, now: u64) -> Result<(), Refusal> {
    let signed = claim.signed;
    let (earliest, latest) = (now.saturating_sub(SKEW_MAX), now.saturating_add(SKEW_MAX));
    if signed > latest {
        return Err(Refusal::NotYetCurrent { signed, latest, now });
    }
    match claim.expires {
        None if signed < earliest => Err(Refusal::Expired { signed, earliest, now }),
        Some(expires) if signed + expires < now => {
            Err(Refusal::Expired { signed: signed + expires, earliest: now, now })
        }
        _ => Ok(()),
    }
}

/// Refuses a request in which a header that matters is not covered. Clients leave out what proxies change.
fn check_coverage(message: &Message<'_>, claim: &Claim<'_>) -> Result<(), Refusal> {
    // So each is hashed once at most: what strangers can make the server hash is what they send.
    if !claim.signed_headers.split(';').is_sorted_by(|one, next| one < next) {
        return Err(Refusal::Incomplete("SignedHeaders must be sorted, and name no header twice."));
    }
    let covered = |name: &str| claim.signed_headers.split(';').any(|signed| signed == name);
    if !covered(HOST.as_str()) {
        return Err(Refusal::Unsigned("host"));
    }
    let dated = claim.expires.is_none() && !message.headers.contains_key(AMZ_DATE);
    for (name, text) in [
        (AMZ_DATE, "x-amz-date"),
        (TARGET, "x-amz-target"),
        (TOKEN, "x-amz-security-token"),
        (CONTENT_SHA256, "x-amz-content-sha256"),
    ] {
        if message.headers.contains_key(&name) && !covered(text) {
            return Err(Refusal::Unsigned(text));
        }
    }
    if dated && !covered("date") {
        return Err(Refusal::Unsigned("date"));
    }
    Ok(())
}

/// Returns the hash of the body in hexadecimal digits, which must be what the request says it is, if it says so. A
/// payload that is not signed is refused: nothing would keep it from being exchanged on its way.
fn payload(message: &Message<'_>) -> Result<[u8; 64], Refusal> {
    let hash = hex(Sha256::digest(message.body).into());
    let mut said = message.headers.get_all(CONTENT_SHA256).iter();
    match (said.next(), said.next()) {
        (None, _) => Ok(hash),
        (Some(said), None) if said.as_bytes() == hash => Ok(hash),
        _ => Err(Refusal::WrongPayload),
    }
}

fn hex(digest: [u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    HEXLOWER.encode_mut(&digest, &mut text);
    text
}

#[cfg(test)]
mod tests;
