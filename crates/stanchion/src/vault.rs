//! A directory of backups.
//!
//! ```text
//! <directory>/lock                                        held while a backup is made or removed
//! <directory>/segments/<journal>-<number>-<seal>.segment  full segments, each stored once for all backups
//! <directory>/<name>/manifest.json                        written last: without it there is no backup
//! <directory>/<name>/last.segment                         the segment that was in use
//! <directory>/<name>/state, snapshot.<shard>, handle-secret
//! ```
//!
//! A full segment never changes, and its seal's checksum covers all that it holds, so the same name is the same content.

pub(crate) mod manifest;
pub(crate) mod restore;
mod verify;
pub(crate) mod write;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use manifest::{Manifest, Segment};

const MANIFEST: &str = "manifest.json";
const SEGMENTS: &str = "segments";
const LAST: &str = "last.segment";
const LOCK: &str = "lock";
/// What the name of a full segment ends with.
const SEGMENT: &str = ".segment";
/// What the name of a backup that is not complete ends with.
const UNFINISHED: &str = ".unfinished";
/// How much is read or written at once, in bytes.
const PIECE: usize = 1 << 20;

/// A backup's name with its manifest, or what is wrong with that.
type Listed = (String, Result<Manifest, String>);

/// A directory of backups.
pub(crate) struct Vault {
    directory: PathBuf,
    /// Held as long as this value.
    _lock: Option<File>,
}

impl Vault {
    /// Opens a directory of backups to read.
    ///
    /// # Errors
    /// That there is no such directory.
    pub(crate) fn open(directory: &Path) -> Result<Vault, String> {
        if !directory.is_dir() {
            return Err(format!("{} is no directory of backups: it does not exist", directory.display()));
        }
        Ok(Vault { directory: directory.to_owned(), _lock: None })
    }

    /// Opens a directory of backups to write, and makes it if it does not exist. Nobody else writes meanwhile.
    ///
    /// # Errors
    /// The system's refusal, or that somebody else is writing.
    pub(crate) fn create(directory: &Path) -> Result<Vault, String> {
        make_directory(directory)?;
        make_directory(&directory.join(SEGMENTS))?;
        let path = directory.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = lock.map_err(|error| failed("open", &path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Vault { directory: directory.to_owned(), _lock: Some(lock) }),
            Err(fs::TryLockError::WouldBlock) => {
                Err(format!("{} is locked: another backup is being made there", path.display()))
            }
            Err(fs::TryLockError::Error(error)) => Err(failed("lock", &path, &error)),
        }
    }

    /// Lists the complete backups, oldest first.
    ///
    /// # Errors
    /// The system's refusal to list the directory.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, String> {
        let mut names = Vec::new();
        for name in file_names(&self.directory)? {
            if !name.ends_with(UNFINISHED) && self.directory.join(&name).join(MANIFEST).exists() {
                names.push(name);
            }
        }
        Ok(names.into_iter().map(|name| (name.clone(), self.manifest(&name))).collect())
    }

    /// Returns where a segment of a backup is.
    fn segment_file(&self, name: &str, segment: &Segment) -> Result<PathBuf, String> {
        Ok(match segment.seal {
            Some(_) => self.directory.join(SEGMENTS).join(plain(&segment.file)?),
            None => self.directory.join(name).join(LAST),
        })
    }

    /// Reads the manifest of a backup.
    fn manifest(&self, name: &str) -> Result<Manifest, String> {
        Manifest::load(&self.directory.join(name).join(MANIFEST))
    }

    /// Removes the oldest backups until `keep` are left, and what no backup needs any more. Returns their names.
    ///
    /// # Errors
    /// The system's refusal, or a manifest that cannot be read: then nobody knows what it needs, and nothing is removed.
    pub(crate) fn prune(&self, keep: Option<usize>) -> Result<Vec<String>, String> {
        let mut backups = Vec::new();
        for (name, manifest) in self.list()? {
            backups.push((name, manifest?));
        }
        let excess = keep.map_or(0, |keep| backups.len().saturating_sub(keep));
        let gone: Vec<String> = backups.drain(..excess).map(|(name, _)| name).collect();
        for name in &gone {
            // From here on it is no backup any more, whatever becomes of its files.
            rename(&self.directory.join(name), &self.directory.join(format!("{name}{UNFINISHED}")))?;
        }
        sync_directory(&self.directory)?;
        // What is not ours stays, whatever it is called: the directory may hold other things.
        let is_ours = |name: &str| is_backup_name(name) || gone.iter().any(|gone| gone == name);
        for name in file_names(&self.directory)? {
            let directory = self.directory.join(&name);
            if name.strip_suffix(UNFINISHED).is_some_and(is_ours) && directory.is_dir() {
                fs::remove_dir_all(&directory).map_err(|error| failed("remove", &directory, &error))?;
            }
        }
        let segments = self.directory.join(SEGMENTS);
        for name in file_names(&segments)? {
            if !name.trim_end_matches(UNFINISHED).ends_with(SEGMENT) {
                continue;
            }
            let needed = backups.iter().any(|(_, manifest)| manifest.pool_files().any(|file| file == name));
            if !needed {
                remove_file(&segments.join(name))?;
            }
        }
        sync_directory(&segments)?;
        sync_directory(&self.directory)?;
        Ok(gone)
    }
}

/// Tells whether [`Vault::free_name`] gives such names: `20261121T100332Z`, `20261121T100332Z-2`.
fn is_backup_name(name: &str) -> bool {
    let (moment, number) = name.split_once('-').unwrap_or((name, "2"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((date, time)) = moment.strip_suffix('Z').and_then(|moment| moment.split_once('T')) else { return false };
    date.len() >= 8 && time.len() == 6 && is_digits(date) && is_digits(time) && is_digits(number)
}

/// Compares length and checksum of a file with what they must be.
fn compare(file: &Path, is: (u64, &str), must_be: (u64, &str)) -> Result<(), String> {
    if is.0 != must_be.0 {
        return Err(format!("{} is damaged: it has {} bytes instead of {}", file.display(), is.0, must_be.0));
    }
    if is.1 != must_be.1 {
        return Err(format!("{} is damaged: it fails its checksum", file.display()));
    }
    Ok(())
}

/// Makes sure that a name of a manifest is the name of a file and not a path.
fn plain(name: &str) -> Result<&str, String> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Ok(name),
        _ => Err(format!("the manifest names a file {name:?}")),
    }
}

/// A checksum as its hexadecimal digits.
fn hex(hasher: Sha256) -> String {
    data_encoding::HEXLOWER.encode(&hasher.finalize())
}

/// Reads a file in pieces; returns its length and checksum.
fn read_file(path: &Path, take: &mut dyn FnMut(&[u8]) -> Result<(), String>) -> Result<(u64, String), String> {
    let mut file = File::open(path).map_err(|error| failed("open", path, &error))?;
    let (mut hasher, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; PIECE];
    loop {
        let read = file.read(&mut buffer).map_err(|error| failed("read", path, &error))?;
        if read == 0 {
            return Ok((length, hex(hasher)));
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
        take(&buffer[..read])?;
    }
}

fn make_directory(path: &Path) -> Result<(), String> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| failed("create", path, &error))
}

/// Creates a file that only its owner can read.
fn create_file(path: &Path) -> Result<File, String> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).map_err(|error| failed("create", path, &error))
}

fn remove_file(path: &Path) -> Result<(), String> {
    fs::remove_file(path).map_err(|error| failed("remove", path, &error))
}

fn rename(from: &Path, to: &Path) -> Result<(), String> {
    fs::rename(from, to).map_err(|error| failed("rename", from, &error))
}

fn sync_directory(path: &Path) -> Result<(), String> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| failed("sync", path, &error))
}

/// Lists the names in a directory, in order.
fn file_names(path: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(path).map_err(|error| failed("list", path, &error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("list", path, &error))?;
        // A name that is not text is not one of ours.
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

fn failed(operation: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {operation} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_backup_removes_remains_of_backups_and_nothing_else() {
        let root = tempfile::tempdir().expect("a directory");
        let path = |name: &str| root.path().join(name);
        let vault = Vault::create(root.path()).expect("opens");
        for name in ["20261121T100332Z.unfinished", "20261121T100332Z-2.unfinished", "photos.unfinished"] {
            fs::create_dir(path(name)).expect("is made");
            fs::write(path(name).join("file"), "x").expect("writes");
        }
        let files = ["all.jsonl.unfinished", "segments/a.segment", "segments/a.segment.unfinished", "segments/notes"];
        for name in files {
            fs::write(path(name), "x").expect("writes");
        }
        assert_eq!(vault.prune(None), Ok(Vec::new()));
        let left = ["all.jsonl.unfinished", "lock", "photos.unfinished", "segments"];
        assert_eq!(file_names(root.path()).expect("lists"), left);
        assert_eq!(file_names(&path("segments")).expect("lists"), ["notes"]);
        assert!(path("photos.unfinished").join("file").exists());
    }
}
