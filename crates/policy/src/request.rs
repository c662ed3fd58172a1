//! What is to be decided: who asks for what, under which circumstances.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use stanchion_types::{AccountId, Region};

use crate::key::Key;
use crate::permission_name::Permission;
use crate::policy::Policy;
use crate::time;

/// Longest header that conditions see, in bytes; a longer one counts as absent. To match a pattern takes the product of
/// both lengths in the worst case, and a caller may have written the pattern, too.
const HEADER_BYTES_MAX: usize = 2048;

/// What kind of caller it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody who did not sign.
    Anonymous,
    /// The account itself: its root credentials.
    Root,
    /// A user, by name.
    User(Arc<str>),
    /// A session of a role, by the ARN of the role: `arn:aws:iam::<account>:role/<name>`.
    AssumedRole(Arc<str>),
}

/// A caller, as policies see it.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Account of the caller. That of somebody who did not sign means nothing.
    pub account: AccountId,
    /// What kind of caller it is.
    pub kind: Kind,
    /// `arn:aws:iam::<account>:root`, `arn:aws:iam::<account>:user/<name>` or
    /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
    pub arn: Arc<str>,
    /// The caller's unique id: for a user a text that starts with `AIDA`, for a session the role's, which starts with
    /// `AROA`, a colon and the session's name, for an account its number.
    pub id: Arc<str>,
    /// Tags of the user or session.
    pub tags: Vec<(String, String)>,
    /// Identity policies of the user or role, each with its name.
    pub policies: Vec<(Arc<str>, Arc<Policy>)>,
    /// What is known of a caller with temporary credentials.
    pub session: Option<Session>,
}

/// Temporary credentials, as policies see them.
#[derive(Clone, Debug)]
pub struct Session {
    /// When they were issued, in seconds since 1970.
    pub issued: u64,
    /// Who is behind the session, if whoever began it said so.
    pub source_identity: Option<Arc<str>>,
    /// Policies that the session must keep within, each with its name; without any it may do what its user or role may.
    pub policies: Vec<(Arc<str>, Arc<Policy>)>,
    /// Tags that a session has as well which is begun from this one.
    pub passed_on: Vec<(String, String)>,
}

impl Principal {
    /// Returns the caller that is an account itself.
    pub fn root(account: AccountId) -> Self {
        Principal {
            account,
            kind: Kind::Root,
            arn: format!("arn:aws:iam::{account}:root").into(),
            id: account.as_str().into(),
            tags: Vec::new(),
            policies: Vec::new(),
            session: None,
        }
    }

    /// Returns the caller that did not sign. `account` is the one that a queue's bare name stands for.
    pub fn anonymous(account: AccountId) -> Self {
        Principal {
            account,
            kind: Kind::Anonymous,
            arn: "anonymous".into(),
            id: "anonymous".into(),
            tags: Vec::new(),
            policies: Vec::new(),
            session: None,
        }
    }
}

/// What a request brings along that conditions can ask for.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Where the request came from; `None` if that is no network.
    pub source: Option<IpAddr>,
    /// Whether it came over TLS.
    pub secure: bool,
    /// When it came, in seconds since 1970.
    pub now: u64,
    /// The header `user-agent`.
    pub user_agent: Option<HeaderValue>,
    /// The header `referer`.
    pub referer: Option<HeaderValue>,
}

/// What somebody who asks for a session of a role says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assuming<'a> {
    /// Name of the session.
    pub session_name: &'a str,
    /// What the role's owner has agreed upon with whoever may assume it.
    pub external_id: Option<&'a str>,
    /// Who is behind the session.
    pub source_identity: Option<&'a str>,
}

/// A question to policies: may this caller do that?
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// What the caller would need.
    pub permission: Permission,
    /// ARN of the resource.
    pub resource: &'a str,
    /// Account that owns the resource.
    pub owner: AccountId,
    /// Region of the request.
    pub region: &'a Region,
    /// What else is known of the request.
    pub circumstances: &'a Circumstances,
    /// Tags that the request would set or, with empty values, remove.
    pub request_tags: &'a [(String, String)],
    /// Asks for the tags of the resource; called only if a condition needs them.
    pub resource_tags: &'a dyn Fn() -> Vec<(String, String)>,
    /// The session that is asked for, if one is.
    pub assuming: Option<Assuming<'a>>,
}

impl Question<'_> {
    /// Returns the values of a key, `None` if the request does not have it. Only `aws:TagKeys` can have several.
    pub(crate) fn values(&self, key: &Key) -> Option<Vec<Cow<'_, str>>> {
        match key {
            Key::TagKeys if self.request_tags.is_empty() => None,
            Key::TagKeys => Some(self.request_tags.iter().map(|(key, _)| key.into()).collect()),
            key => self.value(key).map(|value| vec![value]),
        }
    }

    /// Returns the only value of a key.
    pub(crate) fn value(&self, key: &Key) -> Option<Cow<'_, str>> {
        let Circumstances { source, secure, now, user_agent, referer } = self.circumstances;
        let signed = self.principal.kind != Kind::Anonymous;
        let session = self.principal.session.as_ref();
        match key {
            Key::SourceIp => source.map(|ip| ip.to_canonical().to_string().into()),
            Key::SecureTransport => Some(truth(*secure)),
            Key::CurrentTime => Some(time::write(*now).into()),
            Key::EpochTime => Some(now.to_string().into()),
            Key::UserAgent => text(user_agent),
            Key::Referer => text(referer),
            // A role's, whatever the session is called.
            Key::PrincipalArn => match &self.principal.kind {
                Kind::Anonymous => None,
                Kind::AssumedRole(role) => Some((&**role).into()),
                Kind::Root | Kind::User(_) => Some((&*self.principal.arn).into()),
            },
            Key::PrincipalAccount => signed.then(|| self.principal.account.to_string().into()),
            Key::PrincipalType => Some(match self.principal.kind {
                Kind::Anonymous => "Anonymous".into(),
                Kind::Root => "Account".into(),
                Kind::User(_) => "User".into(),
                Kind::AssumedRole(_) => "AssumedRole".into(),
            }),
            Key::UserId => Some((&*self.principal.id).into()),
            Key::UserName => match &self.principal.kind {
                Kind::User(name) => Some((&**name).into()),
                Kind::Anonymous | Kind::Root | Kind::AssumedRole(_) => None,
            },
            Key::PrincipalTag(tag) => find(&self.principal.tags, tag).map(|value| value.to_owned().into()),
            Key::ResourceTag(tag) => find(&(self.resource_tags)(), tag).map(|value| value.to_owned().into()),
            Key::RequestTag(tag) => find(self.request_tags, tag).map(|value| value.to_owned().into()),
            Key::TokenIssueTime => session.map(|session| time::write(session.issued).into()),
            // There are no devices here that could prove anything; only temporary credentials have the key.
            Key::MultiFactorAuthPresent => session.map(|_| truth(false)),
            Key::SourceIdentity => session?.source_identity.as_deref().map(Cow::from),
            Key::ExternalId => self.assuming?.external_id.map(Cow::from),
            Key::RoleSessionName => self.assuming.map(|assuming| assuming.session_name.into()),
            Key::RequestedSourceIdentity => self.assuming?.source_identity.map(Cow::from),
            Key::RequestedRegion => Some(self.region.as_str().into()),
            Key::ResourceAccount => Some(self.owner.to_string().into()),
            Key::ViaAwsService => Some(truth(false)),
            Key::TagKeys | Key::Absent => None,
        }
    }
}

/// Returns the text of a header; what is no ASCII counts as absent.
fn text(header: &Option<HeaderValue>) -> Option<Cow<'_, str>> {
    let header = header.as_ref().filter(|header| header.len() <= HEADER_BYTES_MAX)?;
    header.to_str().ok().map(Cow::from)
}

fn truth(value: bool) -> Cow<'static, str> {
    if value { "true".into() } else { "false".into() }
}

fn find<'t>(tags: &'t [(String, String)], wanted: &str) -> Option<&'t str> {
    tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
}
