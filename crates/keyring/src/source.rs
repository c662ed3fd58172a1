//! Where a keyring comes from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::{Keyring, private_file};

/// A longer text is no keyring, in bytes.
const BYTES_MAX: u64 = 1 << 20;
/// The name of the key in a keyring that was made because there was none.
const FIRST_NAME: &str = "first";

/// Where a keyring comes from. As text: `env:NAME`, `command:COMMAND`, or else the path of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file that nobody but its owner may read.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// What a command, run by the shell, prints.
    Command(String),
}

/// Why there is no keyring to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    source: Source,
    reason: String,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the keyring {}: {}", self.source, self.reason)
    }
}

impl std::error::Error for SourceError {}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Variable(name) => write!(f, "env:{name}"),
            Source::Command(command) => write!(f, "command:{command}"),
        }
    }
}

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Source, &'static str> {
        match text.split_once(':') {
            Some(("env" | "command", "")) | None if text.is_empty() || text.ends_with(':') => {
                Err("must be a file, env:NAME or command:COMMAND")
            }
            Some(("env", name)) => Ok(Source::Variable(name.to_owned())),
            Some(("command", command)) => Ok(Source::Command(command.to_owned())),
            _ => Ok(Source::File(PathBuf::from(text))),
        }
    }
}

impl Source {
    /// Reads the keyring.
    ///
    /// # Errors
    /// What is wrong with it, or with the permissions of its file. Never shows a key.
    pub fn load(&self) -> Result<Keyring, SourceError> {
        let failed = |reason: String| SourceError { source: self.clone(), reason };
        let text = self.read().map_err(failed)?;
        text.parse().map_err(|error: crate::KeyringError| failed(error.to_string()))
    }

    /// Reads the text, which may be another secret than a keyring.
    ///
    /// # Errors
    /// Why it cannot be read, or that others may read the file, in words.
    pub fn read(&self) -> Result<Zeroizing<String>, String> {
        match self {
            Source::File(path) => read_private(path),
            Source::Variable(name) => std::env::var(name).map(Zeroizing::new).map_err(|_| "it is not set".to_owned()),
            Source::Command(command) => run(command),
        }
    }

    /// Reads the keyring, or makes a file with one new key if there is none; says whether it did. The file is durable
    /// before anything can be wrapped under its key.
    ///
    /// # Errors
    /// As [`load`](Source::load), and what keeps the file from being made.
    pub fn load_or_make(&self) -> Result<(Keyring, bool), SourceError> {
        let Source::File(path) = self else { return Ok((self.load()?, false)) };
        if path.symlink_metadata().is_ok() {
            return Ok((self.load()?, false));
        }
        let failed = |error: io::Error| SourceError { source: self.clone(), reason: error.to_string() };
        let keyring = Keyring::draw(FIRST_NAME).map_err(failed)?;
        create(path, &keyring).map_err(failed)?;
        Ok((keyring, true))
    }
}

/// Writes a keyring into a file that is not there yet.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], and whatever keeps the file from being made.
pub fn create(path: &Path, keyring: &Keyring) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    private_file::write(path, keyring.print().as_bytes())
}

/// Writes a keyring in place of the one in a file, durably and as a whole.
///
/// # Errors
/// Whatever keeps it from being written; the file is as it was then.
pub fn replace(path: &Path, keyring: &Keyring) -> io::Result<()> {
    private_file::write(&path.canonicalize()?, keyring.print().as_bytes())
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no file".to_owned());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!("others may read or change it: its mode is {mode:04o} and must be 0600"));
    }
    read_text(file)
}

fn read_text(from: impl Read) -> Result<Zeroizing<String>, String> {
    // As large as it may get from the start: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(1 << 16));
    let read = from.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if read as u64 > BYTES_MAX {
        return Err("it is too long to be one".to_owned());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is no text".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn run(command: &str) -> Result<Zeroizing<String>, String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = shell.spawn().map_err(|error| error.to_string())?;
    let text = child.stdout.take().map_or_else(|| Err("it has no output".to_owned()), read_text);
    let status = child.wait().map_err(|error| error.to_string())?;
    // A command whose output is not wanted any more ends badly too.
    let text = text?;
    if !status.success() {
        return Err(format!("the command ended with {status}"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_source_is_a_file_unless_it_says_otherwise() {
        assert_eq!("a/keyring".parse(), Ok(Source::File("a/keyring".into())));
        assert_eq!("env:KEYS".parse(), Ok(Source::Variable("KEYS".into())));
        assert_eq!("command:vault read x:y".parse(), Ok(Source::Command("vault read x:y".into())));
        for wrong in ["", "env:", "command:"] {
            assert!(wrong.parse::<Source>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_keyring_is_made_once_for_its_owner_only_and_then_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keyring");
        let source = Source::File(path.clone());
        assert!(source.load().is_err(), "there is none yet");
        let (made, new) = source.load_or_make().expect("makes one");
        assert!(new);
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        let (read, new) = source.load_or_make().expect("reads it");
        assert!(!new);
        assert_eq!(read.print(), made.print());
    }

    #[test]
    fn a_file_is_replaced_where_it_is_and_never_made_over_another() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, link) = (directory.path().join("keyring"), directory.path().join("link"));
        let mut keyring = Keyring::draw("a").expect("drawn");
        create(&path, &keyring).expect("makes it");
        std::os::unix::fs::symlink(&path, &link).expect("links");
        for there in [&path, &link] {
            assert_eq!(create(there, &keyring).expect_err("refused").kind(), io::ErrorKind::AlreadyExists);
        }
        keyring.add("b").expect("drawn");
        replace(&link, &keyring).expect("replaces it");
        assert!(link.is_symlink());
        assert_eq!(Source::File(path).load().expect("reads").primary(), "b");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keyring");
        let source = Source::File(path.clone());
        source.load_or_make().expect("makes one");
        for mode in [0o640, 0o604, 0o660, 0o777] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            let error = source.load().expect_err("refused").to_string();
            assert!(error.contains(&format!("{mode:04o}")) && error.contains("0600"), "{error}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).expect("set");
        source.load().expect("less than 0600 is fine");
    }

    #[test]
    fn a_command_may_print_it_and_its_failure_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keyring");
        let (made, _) = Source::File(path.clone()).load_or_make().expect("makes one");
        let command = format!("cat '{}'", path.display());
        assert_eq!(Source::Command(command.clone()).load().expect("reads").print(), made.print());
        let error = Source::Command(format!("{command}; exit 3")).load().expect_err("fails").to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        let error = Source::Command("head -c 2000000 /dev/zero".into()).load().expect_err("too long").to_string();
        assert!(error.contains("too long"), "{error}");
        assert!(Source::Variable("STANCHION_NO_SUCH_KEYRING".into()).load().is_err());
    }
}
