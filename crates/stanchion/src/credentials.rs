//! The file of credentials: reading it, and reading it again when it has changed.

pub(crate) mod edit;

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stanchion_auth::{Authenticator, Directory, Reference, Secret};
use tokio::signal::unix::{SignalKind, signal};

/// How often it is looked whether the file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What of a file's mode must not be: others may not use it, nor its group change it.
const MODE_FORBIDDEN: u32 = 0o027;

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Credentials {
    path: PathBuf,
    /// How the file and those that it refers to looked before they were read.
    looks: BTreeMap<PathBuf, Look>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Credentials {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, without any of its secrets.
    pub(crate) fn load(path: &Path) -> Result<(Self, Directory), String> {
        let mut looks = BTreeMap::new();
        let text = read(path, &mut looks)?;
        let mut fetch = |reference: &Reference| match reference {
            Reference::Variable(name) => match env::var(name) {
                Ok(secret) => Ok(Secret::new(secret)),
                Err(_) => Err(format!("there is no environment variable {name}")),
            },
            Reference::File(path) => Ok(Secret::new(read(path, &mut looks)?.reveal().trim().to_owned())),
        };
        let directory = Directory::read(text.reveal(), &mut fetch);
        let directory = directory.map_err(|error| format!("file {}: {error}", path.display()))?;
        Ok((Credentials { path: path.to_owned(), looks }, directory))
    }

    /// Reads a file for somebody who needs no secret: those that are elsewhere are not fetched.
    ///
    /// # Errors
    /// As [`load`](Credentials::load).
    pub(crate) fn peek(path: &Path) -> Result<Directory, String> {
        let text = read(path, &mut BTreeMap::new())?;
        let directory = Directory::read(text.reveal(), &mut |_| Ok(Secret::new("-".repeat(40))));
        directory.map_err(|error| format!("file {}: {error}", path.display()))
    }

    /// Reads the file again whenever it or one that it refers to has changed, or the process gets SIGHUP. A file that is
    /// wrong changes nothing. Runs until it is dropped.
    pub(crate) async fn watch(mut self, authenticator: Arc<Authenticator>) {
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => {
                tracing::error!(%error, "changes of the credentials need a restart");
                return;
            }
        };
        loop {
            let told = tokio::select! {
                _ = hangups.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            if told || self.has_changed() {
                self.reload(&authenticator);
            }
        }
    }

    fn reload(&mut self, authenticator: &Authenticator) {
        match Credentials::load(&self.path) {
            Ok((fresh, directory)) => {
                tracing::info!(keys = directory.len(), "read the credentials again");
                authenticator.replace(directory);
                *self = fresh;
            }
            Err(error) => {
                tracing::error!("the credentials stay as they were: {error}");
                // Said once: it is tried again when the file changes again.
                self.looks.iter_mut().for_each(|(path, seen)| {
                    if let Ok(metadata) = fs::metadata(path) {
                        *seen = Look::of(&metadata);
                    }
                });
            }
        }
    }

    /// Tells whether a file looks other than before. One that is gone may be about to be replaced.
    fn has_changed(&self) -> bool {
        let differs = |(path, seen): (&PathBuf, &Look)| fs::metadata(path).is_ok_and(|now| Look::of(&now) != *seen);
        self.looks.iter().any(differs)
    }
}

impl Look {
    fn of(metadata: &Metadata) -> Self {
        Look {
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads a file that only its owner may change and no stranger may read.
fn read(path: &Path, looks: &mut BTreeMap<PathBuf, Look>) -> Result<Secret, String> {
    let named = |error: std::io::Error| format!("file {}: {error}", path.display());
    let metadata = fs::metadata(path).map_err(named)?;
    if metadata.mode() & MODE_FORBIDDEN != 0 {
        let mode = metadata.mode() & 0o777;
        let path = path.display();
        return Err(format!("file {path}: others can use it (mode {mode:03o}); run `chmod 600 {path}`"));
    }
    looks.insert(path.to_owned(), Look::of(&metadata));
    fs::read_to_string(path).map(Secret::new).map_err(named)
}
