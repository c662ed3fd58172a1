//! Accounts, users, roles and their access keys, as a file holds them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use stanchion_policy::{Kind, Policy, Principal, Session};
use stanchion_types::{AccountId, Region};

use crate::role::Role;
use crate::secret::Secret;
use crate::session::{Bearer, Terms};

/// The shortest secret. A signature lets everybody who sees it try secrets at home.
const SECRET_BYTES_MIN: usize = 16;

/// Everybody who may call, by access key.
#[derive(Debug)]
pub struct Directory {
    keys: HashMap<Box<str>, Access>,
    /// Regions that are kept apart; without any, every region means the server's own.
    regions: Vec<Region>,
    principals: Vec<Arc<Principal>>,
    /// By ARN.
    roles: HashMap<Arc<str>, Arc<Role>>,
    policies: HashMap<Box<str>, Named>,
}

/// Policies, each with its name.
type Attached = Vec<(Arc<str>, Arc<Policy>)>;

/// A policy of the file.
#[derive(Clone, Debug)]
struct Named {
    name: Arc<str>,
    policy: Arc<Policy>,
    /// How long its text is.
    bytes: usize,
}

/// What belongs to an access key.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) secret: Secret,
    pub(crate) principal: Arc<Principal>,
}

/// Where a secret is that does not stand in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A variable of the environment: `env:NAME`.
    Variable(String),
    /// A file, of which blanks and ends of lines around the secret do not count: `file:PATH`.
    File(PathBuf),
}

/// What is wrong with a file of credentials, in words without any of its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError(String);

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FileError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    regions: Vec<String>,
    #[serde(default)]
    policies: BTreeMap<String, String>,
    #[serde(default)]
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    id: String,
    #[serde(default)]
    keys: Vec<Key>,
    #[serde(default)]
    users: Vec<User>,
    #[serde(default)]
    roles: Vec<RoleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    name: String,
    trust: String,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default = "an_hour")]
    max_session_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    keys: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: String,
    secret: Secret,
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

fn an_hour() -> u64 {
    3600
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Secret::new)
    }
}

impl Directory {
    /// Reads the text of a file; `fetch` gets the secrets that it refers to, or says why it cannot.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn read(text: &str, fetch: &mut dyn FnMut(&Reference) -> Result<Secret, String>) -> Result<Self, FileError> {
        let file: File = toml::from_str(text).map_err(|error| {
            // The message only: the whole error shows the line, on which a secret may stand.
            let line = error.span().map_or(0, |span| text.get(..span.start).map_or(0, |before| before.lines().count()));
            FileError(format!("line {}: {}", line.max(1), error.message()))
        })?;
        let mut directory = Directory {
            keys: HashMap::new(),
            regions: Vec::new(),
            principals: Vec::new(),
            roles: HashMap::new(),
            policies: HashMap::new(),
        };
        for name in &file.regions {
            let region = Region::new(name).ok_or_else(|| FileError(format!("{name:?} is no region")))?;
            directory.regions.push(region);
        }
        for (name, text) in &file.policies {
            let policy = Policy::of_identity(text).map_err(|fault| FileError(format!("policy {name}: {fault}")))?;
            let named = Named { name: name.as_str().into(), policy: Arc::new(policy), bytes: text.len() };
            directory.policies.insert(name.as_str().into(), named);
        }
        for account in file.accounts {
            directory.add_account(account, fetch)?;
        }
        Ok(directory)
    }

    fn add_account(
        &mut self,
        account: Account,
        fetch: &mut dyn FnMut(&Reference) -> Result<Secret, String>,
    ) -> Result<(), FileError> {
        let wrong = |text: String| Err(FileError(text));
        let Some(id) = AccountId::new(&account.id) else {
            return wrong(format!("account {:?}: the id must be 12 digits", account.id));
        };
        if self.principals.iter().any(|principal| principal.account == id) {
            return wrong(format!("account {id} is there twice"));
        }
        self.add(Principal::root(id), account.keys, fetch)?;
        for user in account.users {
            if !is_name(&user.name) {
                return wrong(format!("account {id}: {:?} is no name for a user", user.name));
            }
            let arn: Arc<str> = format!("arn:aws:iam::{id}:user/{}", user.name).into();
            if self.principals.iter().any(|principal| principal.arn == arn) {
                return wrong(format!("account {id}: user {} is there twice", user.name));
            }
            let attached =
                self.attached(&user.policies).map_err(|why| FileError(format!("user {}: {why}", user.name)))?;
            let principal = Principal {
                account: id,
                kind: Kind::User(user.name.into()),
                id: unique_id("AIDA", &arn),
                arn,
                tags: user.tags.into_iter().collect(),
                policies: attached,
                session: None,
            };
            self.add(principal, user.keys, fetch)?;
        }
        account.roles.into_iter().try_for_each(|role| self.add_role(id, role))
    }

    fn add_role(&mut self, account: AccountId, entry: RoleEntry) -> Result<(), FileError> {
        let RoleEntry { name, trust, policies, tags, max_session_seconds } = entry;
        if !is_name(&name) {
            return Err(FileError(format!("account {account}: {name:?} is no name for a role")));
        }
        let wrong = |why: String| FileError(format!("role {name}: {why}"));
        if !(3600..=43_200).contains(&max_session_seconds) {
            return Err(wrong("max_session_seconds must be between 3600 and 43200".to_owned()));
        }
        let arn: Arc<str> = format!("arn:aws:iam::{account}:role/{name}").into();
        let role = Role {
            account,
            name: name.as_str().into(),
            id: unique_id("AROA", &arn),
            trust: Policy::of_trust(&trust).map_err(|fault| wrong(format!("trust: {fault}")))?,
            policies: self.attached(&policies).map_err(wrong)?,
            tags: tags.into_iter().collect(),
            session_seconds_max: max_session_seconds,
            arn: arn.clone(),
        };
        match self.roles.insert(arn, Arc::new(role)) {
            None => Ok(()),
            Some(_) => Err(FileError(format!("account {account}: role {name} is there twice"))),
        }
    }

    /// Finds the policies with these names.
    fn attached(&self, names: &[String]) -> Result<Attached, String> {
        let find = |name: &String| {
            let named = self.policies.get(name.as_str()).ok_or_else(|| format!("there is no policy {name}"))?;
            Ok((named.name.clone(), named.policy.clone()))
        };
        names.iter().map(find).collect()
    }

    fn add(
        &mut self,
        principal: Principal,
        keys: Vec<Key>,
        fetch: &mut dyn FnMut(&Reference) -> Result<Secret, String>,
    ) -> Result<(), FileError> {
        let principal = Arc::new(principal);
        self.principals.push(principal.clone());
        for key in keys {
            let wrong = |text: &str| FileError(format!("access key {:?}: {text}", key.id));
            let legal = (4..=128).contains(&key.id.len())
                && key.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !legal {
                return Err(wrong("the id must be 4 to 128 letters, digits and underscores"));
            }
            let secret = match Reference::of(key.secret.reveal()) {
                Some(reference) => fetch(&reference).map_err(|why| wrong(&why))?,
                None => key.secret.clone(),
            };
            if secret.reveal().len() < SECRET_BYTES_MIN {
                return Err(wrong("the secret must be 16 characters or longer"));
            }
            if self.keys.contains_key(key.id.as_str()) {
                return Err(wrong("it is there twice"));
            }
            // One that is switched off is checked all the same, so that switching it on holds no surprise.
            if key.active {
                self.keys.insert(key.id.into(), Access { secret, principal: principal.clone() });
            }
        }
        Ok(())
    }

    /// Returns how many access keys there are that can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Tells whether nobody has a key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn role(&self, account: AccountId, name: &str) -> Option<&Arc<Role>> {
        self.roles.get(format!("arn:aws:iam::{account}:role/{name}").as_str())
    }

    pub(crate) fn policy_bytes(&self, name: &str) -> Option<usize> {
        self.policies.get(name).map(|named| named.bytes)
    }

    /// Returns the caller that a session is, with what its user or role may do now; `None` if one of those that it speaks
    /// of is gone.
    pub(crate) fn bearer(&self, terms: &Terms) -> Option<Principal> {
        let mut policies = self.attached(&terms.policy_names).ok()?;
        if let Some(text) = &terms.policy {
            policies.push((INLINE.into(), Arc::new(Policy::of_identity(text).ok()?)));
        }
        let passed_on = terms.tags.iter().filter(|(key, _)| terms.passed_on.contains(key)).cloned().collect();
        let source_identity = terms.source_identity.as_deref().map(Arc::from);
        let session = Session { issued: terms.issued, source_identity, policies, passed_on };
        let arn = match &terms.bearer {
            Bearer::Role { role, session: name } => {
                return Some(self.role(terms.account, role)?.session(name, &terms.tags, session));
            }
            Bearer::Root => format!("arn:aws:iam::{}:root", terms.account),
            Bearer::User(name) => format!("arn:aws:iam::{}:user/{name}", terms.account),
        };
        let principal = self.principals.iter().find(|principal| *principal.arn == *arn)?;
        Some(Principal { session: Some(session), ..Principal::clone(principal) })
    }

    /// Returns those whom a text can mean: an ARN, the name of a user or role, or the number of an account. A role stands
    /// for a session of it, begun at `now`, in seconds since 1970.
    pub fn callers(&self, wanted: &str, now: u64) -> Vec<Arc<Principal>> {
        let session = || Session { issued: now, source_identity: None, policies: Vec::new(), passed_on: Vec::new() };
        let role = |role: &Arc<Role>| {
            let name = wanted.strip_prefix(&format!("arn:aws:sts::{}:assumed-role/{}/", role.account, role.name));
            let meant = *role.name == *wanted || *role.arn == *wanted;
            Some(Arc::new(role.session(name.or(meant.then_some("simulated"))?, &[], session())))
        };
        let fits = |principal: &&Arc<Principal>| match &principal.kind {
            Kind::User(name) => **name == *wanted || *principal.arn == *wanted,
            Kind::Root => *principal.id == *wanted || *principal.arn == *wanted,
            Kind::AssumedRole(_) | Kind::Anonymous => false,
        };
        self.principals.iter().filter(fits).cloned().chain(self.roles.values().filter_map(role)).collect()
    }

    pub(crate) fn find(&self, access_key: &str) -> Option<&Access> {
        self.keys.get(access_key)
    }

    /// Returns the region that a scope means; `None` if it is not served.
    pub(crate) fn region(&self, name: &str, home: &Region) -> Option<Region> {
        if name == home.as_str() || self.regions.is_empty() {
            return Some(home.clone());
        }
        self.regions.iter().find(|region| region.as_str() == name).cloned()
    }
}

impl Reference {
    fn of(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("env:") {
            return Some(Reference::Variable(name.to_owned()));
        }
        text.strip_prefix("file:").map(|path| Reference::File(path.into()))
    }
}

/// The name of a session policy that came with the request for the session.
const INLINE: &str = "of the session";

/// Tells whether a text can be the name of a user or role.
fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(legal)
}

/// Returns the id of a user or role: the same after every restart, and another for every one.
fn unique_id(kind: &str, arn: &str) -> Arc<str> {
    let hash = BASE32_NOPAD.encode(&Sha256::digest(arn));
    format!("{kind}{}", &hash[..17]).into()
}

#[cfg(test)]
mod tests;
