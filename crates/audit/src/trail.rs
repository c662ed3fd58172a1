//! Where lines end up: a file that rotates, or standard output.
//!
//! ```text
//! audit.log      lines are appended here
//! audit.log.1    the last full file
//! audit.log.2    the one before; beyond `files` they are deleted
//! ```

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who may read the trail: it says who did what.
const MODE: u32 = 0o600;

/// Where the trail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard output.
    Output,
    /// A file, made if it is not there, and readable by its owner only.
    File(PathBuf, Rotation),
}

/// When a file is full, and how many full ones stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes after which a file is full; a line is never cut.
    pub bytes: u64,
    /// Full files that are kept beside the one that is written, 1 or more.
    pub files: u32,
}

/// An open trail.
pub(crate) enum Trail {
    Stream(Box<dyn Write + Send>),
    File { path: PathBuf, rotation: Rotation, file: File },
}

impl Trail {
    /// Opens a place.
    ///
    /// # Errors
    /// The system's reason why the file cannot be appended to; that it is a pipe or a directory.
    pub(crate) fn open(place: Place) -> io::Result<Self> {
        match place {
            Place::Output => Ok(Trail::Stream(Box::new(io::stdout()))),
            Place::File(path, rotation) => Ok(Trail::File { file: append_to(&path)?, path, rotation }),
        }
    }

    /// Opens the file anew: somebody may have moved it away.
    ///
    /// # Errors
    /// As of [`open`](Trail::open); lines then go on to where they went.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        match self {
            Trail::Stream(_) => Ok(()),
            Trail::File { path, file, .. } => {
                *file = append_to(path)?;
                Ok(())
            }
        }
    }

    /// Appends whole lines, all or none. A file that they would make too large is full.
    ///
    /// # Errors
    /// The system's reason.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Trail::Stream(stream) => {
                stream.write_all(lines)?;
                stream.flush()
            }
            Trail::File { path, rotation, file } => {
                let before = file.metadata()?.len();
                let before = if before > 0 && before + lines.len() as u64 > rotation.bytes {
                    match rotate(path, rotation.files).and_then(|()| append_to(path)) {
                        Ok(fresh) => *file = fresh,
                        // Too long a file is better than no line.
                        Err(error) => tracing::error!(%error, "the audit file cannot be rotated"),
                    }
                    file.metadata()?.len()
                } else {
                    before
                };
                file.write_all(lines).inspect_err(|_| {
                    // Of a full disk a part of a line may be left, which the next one must not be taken for.
                    let _ = file.set_len(before);
                })
            }
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    // Opening a pipe would wait for its reader.
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir() || metadata.file_type().is_fifo()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "is no file"));
    }
    let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.permissions().mode() & 0o777 != MODE {
        file.set_permissions(Permissions::from_mode(MODE))?;
    }
    Ok(file)
}

/// Gives every full file the next number, and the first one to the file that is full now.
fn rotate(path: &Path, files: u32) -> io::Result<()> {
    let mut last = numbered(path, files);
    for number in (1..files).rev() {
        let next = numbered(path, number);
        match fs::rename(&next, &last) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => last = next,
        }
    }
    match fs::rename(path, numbered(path, 1)) {
        // Somebody has moved it away.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &Path, bytes: u64, files: u32) -> Trail {
        Trail::open(Place::File(directory.join("log"), Rotation { bytes, files })).unwrap()
    }

    fn read(directory: &Path, name: &str) -> String {
        fs::read_to_string(directory.join(name)).unwrap_or_default()
    }

    #[test]
    fn full_files_get_numbers_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let mut trail = open(directory.path(), 10, 2);
        for line in ["aaaa\n", "bbbb\n", "cccc\n", "dddddddddddddddd\n", "eeee\n", "ffff\n", "gggg\n"] {
            trail.append(line.as_bytes()).unwrap();
        }
        let read = |name| read(directory.path(), name);
        assert_eq!(read("log"), "gggg\n");
        assert_eq!(read("log.1"), "eeee\nffff\n");
        assert_eq!(read("log.2"), "dddddddddddddddd\n", "a line is never cut, however long it is");
        assert!(!directory.path().join("log.3").exists());
    }

    #[test]
    fn the_files_are_their_owners_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "old\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let mut trail = open(directory.path(), 10, 2);
        trail.append(b"0123456789\n").unwrap();
        for name in ["log", "log.1"] {
            let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, MODE, "{name}");
        }
        assert_eq!(read(directory.path(), "log.1"), "old\n", "what is there is kept");
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew_once_it_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut trail = open(directory.path(), 1000, 2);
        trail.append(b"a\n").unwrap();
        fs::rename(directory.path().join("log"), directory.path().join("moved")).unwrap();
        trail.append(b"b\n").unwrap();
        trail.reopen().unwrap();
        trail.append(b"c\n").unwrap();
        assert_eq!(read(directory.path(), "moved"), "a\nb\n");
        assert_eq!(read(directory.path(), "log"), "c\n");
    }

    #[test]
    fn what_cannot_be_appended_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let rotation = Rotation { bytes: 10, files: 1 };
        for path in [directory.path().to_owned(), directory.path().join("none").join("log")] {
            assert!(Trail::open(Place::File(path, rotation)).is_err());
        }
    }
}
