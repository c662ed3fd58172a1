//! The secret that seals receipt handles.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use stanchion_keyring::private_file;

/// 256 secret bits that a data directory keeps for its life: handles issued before a restart stay valid after it.
#[derive(Clone)]
pub struct Secret([u8; Secret::BYTES]);

impl Secret {
    const BYTES: usize = 32;
    /// Name of its file in the data directory.
    pub const FILE: &'static str = "handle-secret";

    /// Makes a new secret.
    ///
    /// # Errors
    /// Fails if the operating system has no random bytes to give.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; Secret::BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Secret(bytes))
    }

    /// Reads the secret of a data directory, or makes one there that only the owner can read.
    ///
    /// The file is complete and on disk before it has its name, so a crash leaves either none or a whole one.
    ///
    /// # Errors
    /// Fails if the file can be neither read nor made, or has another length than 32 bytes.
    pub fn load_or_create(directory: &Path) -> io::Result<Self> {
        if let Some(secret) = Secret::load(directory)? {
            return Ok(secret);
        }
        let secret = Secret::random()?;
        private_file::write(&directory.join(Secret::FILE), &secret.0)?;
        Ok(secret)
    }

    /// Reads the secret of a data directory; `None` if it has none yet.
    ///
    /// # Errors
    /// Fails if the file cannot be read or has another length than 32 bytes.
    pub fn load(directory: &Path) -> io::Result<Option<Self>> {
        let path = directory.join(Secret::FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(Secret::BYTES as u64 + 1).read_to_end(&mut bytes)?;
        let bytes = bytes.try_into().map_err(|bytes: Vec<u8>| {
            let text = format!("{} has {} bytes instead of {}", path.display(), bytes.len(), Secret::BYTES);
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        Ok(Some(Secret(bytes)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_keeps_its_secret_and_only_the_owner_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let first = Secret::load_or_create(directory.path()).unwrap();
        let second = Secret::load_or_create(directory.path()).unwrap();
        assert_eq!(first.bytes(), second.bytes());
        let mode = fs::metadata(directory.path().join(Secret::FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_of_another_length_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(Secret::FILE), b"short").unwrap();
        let error = Secret::load_or_create(directory.path()).unwrap_err();
        assert!(error.to_string().contains("handle-secret has 5 bytes"), "{error}");
    }

    #[test]
    fn two_secrets_differ_and_none_is_printed() {
        let (a, b) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_ne!(a.bytes(), b.bytes());
        assert_eq!(format!("{a:?}"), "Secret");
    }
}
