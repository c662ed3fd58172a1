//! Accounts, users and their access keys, as a file holds them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use stanchion_policy::{Kind, Policy, Principal};
use stanchion_types::{AccountId, Region};

use crate::secret::Secret;

/// The shortest secret. A signature lets everybody who sees it try secrets at home.
const SECRET_BYTES_MIN: usize = 16;

/// Everybody who may call, by access key.
#[derive(Debug)]
pub struct Directory {
    keys: HashMap<Box<str>, Access>,
    /// Regions that are kept apart; without any, every region means the server's own.
    regions: Vec<Region>,
    principals: Vec<Arc<Principal>>,
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
        let mut directory = Directory { keys: HashMap::new(), regions: Vec::new(), principals: Vec::new() };
        for name in &file.regions {
            let region = Region::new(name).ok_or_else(|| FileError(format!("{name:?} is no region")))?;
            directory.regions.push(region);
        }
        let mut policies = HashMap::new();
        for (name, text) in &file.policies {
            let policy = Policy::of_identity(text).map_err(|fault| FileError(format!("policy {name}: {fault}")))?;
            policies.insert(name.as_str(), (Arc::from(name.as_str()), Arc::new(policy)));
        }
        for account in file.accounts {
            directory.add_account(account, &policies, fetch)?;
        }
        Ok(directory)
    }

    fn add_account(
        &mut self,
        account: Account,
        policies: &HashMap<&str, (Arc<str>, Arc<Policy>)>,
        fetch: &mut dyn FnMut(&Reference) -> Result<Secret, String>,
    ) -> Result<(), FileError> {
        let wrong = |text: String| Err(FileError(text));
        let Some(id) = AccountId::new(&account.id) else {
            return wrong(format!("account {:?}: the id must be 12 digits", account.id));
        };
        if self.principals.iter().any(|principal| principal.account == id) {
            return wrong(format!("account {id} is there twice"));
        }
        self.add(
            Principal {
                account: id,
                kind: Kind::Root,
                arn: format!("arn:aws:iam::{id}:root").into(),
                id: id.as_str().into(),
                tags: Vec::new(),
                policies: Vec::new(),
            },
            account.keys,
            fetch,
        )?;
        for user in account.users {
            let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
            if user.name.is_empty() || user.name.len() > 64 || !user.name.chars().all(legal) {
                return wrong(format!("account {id}: {:?} is no name for a user", user.name));
            }
            let arn: Arc<str> = format!("arn:aws:iam::{id}:user/{}", user.name).into();
            if self.principals.iter().any(|principal| principal.arn == arn) {
                return wrong(format!("account {id}: user {} is there twice", user.name));
            }
            let mut attached = Vec::new();
            for name in &user.policies {
                let Some((name, policy)) = policies.get(name.as_str()) else {
                    return wrong(format!("user {}: there is no policy {name}", user.name));
                };
                attached.push((name.clone(), policy.clone()));
            }
            let principal = Principal {
                account: id,
                kind: Kind::User(user.name.into()),
                id: user_id(&arn),
                arn,
                tags: user.tags.into_iter().collect(),
                policies: attached,
            };
            self.add(principal, user.keys, fetch)?;
        }
        Ok(())
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

    /// Returns those whom a text can mean: an ARN, the name of a user, or the number of an account.
    pub fn callers(&self, wanted: &str) -> Vec<Arc<Principal>> {
        let fits = |principal: &&Arc<Principal>| match &principal.kind {
            Kind::User(name) => **name == *wanted || *principal.arn == *wanted,
            Kind::Root => *principal.id == *wanted || *principal.arn == *wanted,
            Kind::Anonymous => false,
        };
        self.principals.iter().filter(fits).cloned().collect()
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

/// Returns the id of a user: the same after every restart, and another for every user.
fn user_id(arn: &str) -> Arc<str> {
    let hash = BASE32_NOPAD.encode(&Sha256::digest(arn));
    format!("AIDA{}", &hash[..17]).into()
}

#[cfg(test)]
mod tests;
