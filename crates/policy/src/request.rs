//! What is to be decided: who asks for what, under which circumstances.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use stanchion_types::{AccountId, Region};

use crate::key::Key;
use crate::permission_name::Permission;
use crate::policy::Policy;
use crate::time;

/// What kind of caller it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody who did not sign.
    Anonymous,
    /// The account itself: its root credentials.
    Root,
    /// A user, by name.
    User(Arc<str>),
}

/// A caller, as policies see it.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Account of the caller. That of somebody who did not sign means nothing.
    pub account: AccountId,
    /// What kind of caller it is.
    pub kind: Kind,
    /// `arn:aws:iam::<account>:root` or `arn:aws:iam::<account>:user/<name>`.
    pub arn: Arc<str>,
    /// The caller's unique id: for a user a text that starts with `AIDA`, for an account its number.
    pub id: Arc<str>,
    /// Tags of the user.
    pub tags: Vec<(String, String)>,
    /// Identity policies, each with its name.
    pub policies: Vec<(Arc<str>, Arc<Policy>)>,
}

impl Principal {
    /// Returns the caller that did not sign. `account` is the one that a queue's bare name stands for.
    pub fn anonymous(account: AccountId) -> Self {
        let (tags, policies) = (Vec::new(), Vec::new());
        Principal { account, kind: Kind::Anonymous, arn: "anonymous".into(), id: "anonymous".into(), tags, policies }
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
    pub user_agent: Option<String>,
    /// The header `referer`.
    pub referer: Option<String>,
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
        match key {
            Key::SourceIp => source.map(|ip| ip.to_canonical().to_string().into()),
            Key::SecureTransport => Some(truth(*secure)),
            Key::CurrentTime => Some(time::write(*now).into()),
            Key::EpochTime => Some(now.to_string().into()),
            Key::UserAgent => user_agent.as_deref().map(Cow::from),
            Key::Referer => referer.as_deref().map(Cow::from),
            Key::PrincipalArn => signed.then(|| (&*self.principal.arn).into()),
            Key::PrincipalAccount => signed.then(|| self.principal.account.to_string().into()),
            Key::PrincipalType => Some(match self.principal.kind {
                Kind::Anonymous => "Anonymous".into(),
                Kind::Root => "Account".into(),
                Kind::User(_) => "User".into(),
            }),
            Key::UserId => Some((&*self.principal.id).into()),
            Key::UserName => match &self.principal.kind {
                Kind::User(name) => Some((&**name).into()),
                Kind::Anonymous | Kind::Root => None,
            },
            Key::PrincipalTag(tag) => find(&self.principal.tags, tag).map(|value| value.to_owned().into()),
            Key::ResourceTag(tag) => find(&(self.resource_tags)(), tag).map(|value| value.to_owned().into()),
            Key::RequestTag(tag) => find(self.request_tags, tag).map(|value| value.to_owned().into()),
            Key::RequestedRegion => Some(self.region.as_str().into()),
            Key::ResourceAccount => Some(self.owner.to_string().into()),
            Key::ViaAwsService => Some(truth(false)),
            Key::TagKeys | Key::Absent => None,
        }
    }
}

fn truth(value: bool) -> Cow<'static, str> {
    if value { "true".into() } else { "false".into() }
}

fn find<'t>(tags: &'t [(String, String)], wanted: &str) -> Option<&'t str> {
    tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
}
