//! The key that session tokens are sealed under, as the data directory keeps it.
//!
//! It is a data key like those of the journal: wrapped under the keyring, so that whoever reads the disk or a backup cannot
//! be anybody. Where encryption is off it stands there in base64. Losing it ends all sessions, and their holders ask for new
//! ones; so a file that cannot be used is replaced, with a line in the log, and keeps no server from starting.

use std::fs;
use std::io;
use std::path::Path;

use data_encoding::BASE64;
use stanchion_auth::SessionKey;
use stanchion_keyring::{DataKey, Keyring, Source, Wrapped, private_file};
use zeroize::Zeroizing;

/// Name of the file in the data directory.
const FILE: &str = "session-key";
/// What the key is for, which is bound to it.
const PURPOSE: &[u8] = b"stanchion session key";

/// Reads the key of a data directory, or makes one. It is wrapped under the keyring's primary key from then on.
///
/// # Errors
/// What is wrong with the keyring, or keeps the file from being read or written.
pub(crate) fn load_or_create(directory: &Path, keyring: Option<&Source>) -> Result<SessionKey, String> {
    let keyring = keyring.map(Source::load).transpose().map_err(|error| error.to_string())?;
    keep(directory, keyring.as_ref()).map(|key| SessionKey::new(Zeroizing::new(*key.secret())))
}

/// Wraps the key of a data directory under the primary key of its keyring, if it has one.
///
/// # Errors
/// What keeps the file from being read or written.
pub(crate) fn rewrap(directory: &Path, keyring: &Keyring) -> Result<(), String> {
    if !directory.join(FILE).exists() {
        return Ok(());
    }
    keep(directory, Some(keyring)).map(|_| ())
}

/// Finds the key, or draws one, and writes it unless it stands there as it should.
fn keep(directory: &Path, keyring: Option<&Keyring>) -> Result<DataKey, String> {
    let path = directory.join(FILE);
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let text = match fs::read_to_string(&path) {
        Ok(text) => Some(Zeroizing::new(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(named(error)),
    };
    let found = match &text {
        None => None,
        Some(text) => match read(text.trim_end(), keyring) {
            Ok(found) => Some(found),
            Err(why) => {
                tracing::warn!(file = %path.display(), "all sessions are over, their key is replaced: {why}");
                None
            }
        },
    };
    let (key, is_as_it_should) = match found {
        Some(found) => found,
        None => (DataKey::draw().map_err(named)?, false),
    };
    if !is_as_it_should {
        let text = match keyring {
            Some(keyring) => Zeroizing::new(keyring.wrap(&key, PURPOSE).map_err(named)?.to_string()),
            None => Zeroizing::new(BASE64.encode(key.secret())),
        };
        private_file::write(&path, text.as_bytes()).map_err(named)?;
    }
    Ok(key)
}

/// Reads a key, and tells whether it stands there as it would be written now.
fn read(text: &str, keyring: Option<&Keyring>) -> Result<(DataKey, bool), String> {
    // Base64 has no colon, and what is wrapped always has one.
    if !text.contains(':') {
        let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(|_| "it is no key")?);
        let bytes: [u8; SessionKey::BYTES] = bytes.as_slice().try_into().map_err(|_| "it is no key")?;
        return Ok((DataKey::new(Zeroizing::new(bytes)), keyring.is_none()));
    }
    let wrapped: Wrapped = text.parse().map_err(|()| "it is no key")?;
    let keyring = keyring.ok_or("it is wrapped, and encryption is off")?;
    let key = keyring.unwrap(&wrapped, PURPOSE).map_err(|error| error.to_string())?;
    Ok((key, wrapped.under() == keyring.primary()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn keyring(byte: u8) -> Keyring {
        Keyring::of("first", Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_directory_keeps_its_key_wrapped_and_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let ring = keyring(1);
        let made = keep(directory.path(), Some(&ring)).unwrap();
        let path = directory.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("first:") && !text.contains(&BASE64.encode(made.secret())), "{text}");
        assert_eq!(keep(directory.path(), Some(&ring)).unwrap().secret(), made.secret());
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is not written again");
    }

    #[test]
    fn a_rotation_of_the_keyring_ends_no_session() {
        let directory = tempfile::tempdir().unwrap();
        let mut ring = keyring(1);
        rewrap(directory.path(), &ring).unwrap();
        assert!(!directory.path().join(FILE).exists(), "nobody has asked for one");
        let made = keep(directory.path(), Some(&ring)).unwrap();
        ring.add("second").unwrap();
        rewrap(directory.path(), &ring).unwrap();
        let text = fs::read_to_string(directory.path().join(FILE)).unwrap();
        assert!(text.starts_with("second:"), "{text}");
        assert_eq!(keep(directory.path(), Some(&ring)).unwrap().secret(), made.secret());
    }

    #[test]
    fn encryption_can_be_switched_on_later() {
        let directory = tempfile::tempdir().unwrap();
        let made = keep(directory.path(), None).unwrap();
        assert_eq!(keep(directory.path(), None).unwrap().secret(), made.secret());
        assert_eq!(keep(directory.path(), Some(&keyring(1))).unwrap().secret(), made.secret());
        assert!(fs::read_to_string(directory.path().join(FILE)).unwrap().starts_with("first:"));
    }

    #[test]
    fn a_key_that_cannot_be_used_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let made = keep(directory.path(), Some(&keyring(1))).unwrap();
        let other = keep(directory.path(), Some(&keyring(2))).unwrap();
        assert_ne!(other.secret(), made.secret());
        for text in ["", "short", "first:short", "none:AAAA"] {
            fs::write(directory.path().join(FILE), text).unwrap();
            let fresh = keep(directory.path(), Some(&keyring(2))).unwrap();
            assert_ne!(fresh.secret(), other.secret(), "{text:?}");
            assert_eq!(keep(directory.path(), Some(&keyring(2))).unwrap().secret(), fresh.secret());
        }
    }
}
