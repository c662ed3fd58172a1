//! What a backup consists of.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use stanchion_journal::local::{Image, Part};

use super::{failed, hex};

/// Version of the format.
pub(crate) const FORMAT: u32 = 1;

/// A backup: which files it has, and what they must be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    /// Version of the program that made it.
    pub(crate) stanchion: String,
    /// When it was made, in milliseconds since 1970.
    pub(crate) taken_ms: u64,
    /// The random number that all files of the journal carry, in hexadecimal digits.
    pub(crate) journal: String,
    /// The last position of each shard.
    pub(crate) shards: Vec<(u16, u64)>,
    /// The segments in order; the last one is in the backup's own directory.
    pub(crate) segments: Vec<Segment>,
    /// Everything else.
    pub(crate) files: Vec<Stored>,
}

/// A segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    /// Length of its file in a data directory; the backup stores the used bytes only.
    pub(crate) length: u64,
    /// The checksum of its seal, if it is full.
    pub(crate) seal: Option<u32>,
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// A file besides the segments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Its name in the backup's directory.
    pub(crate) file: String,
    /// Its path in a data directory.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// The manifest as it is on disk: with a checksum of its own.
#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    #[serde(borrow)]
    manifest: &'a RawValue,
    sha256: String,
}

impl Segment {
    /// Returns what the journal knows of it.
    pub(crate) fn part(&self) -> Part {
        Part { number: self.number, length: self.length, used: self.bytes, seal: self.seal }
    }
}

impl Manifest {
    /// Reads a manifest and checks it.
    ///
    /// # Errors
    /// That it is damaged, or of another format.
    pub(crate) fn load(path: &Path) -> Result<Manifest, String> {
        let damaged = |reason: &dyn std::fmt::Display| format!("{} is damaged: {reason}", path.display());
        let text = fs::read(path).map_err(|error| failed("read", path, &error))?;
        let sealed: Sealed<'_> = serde_json::from_slice(&text).map_err(|error| damaged(&error))?;
        if hex(Sha256::new_with_prefix(sealed.manifest.get())) != sealed.sha256 {
            return Err(damaged(&"it fails its checksum"));
        }
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_str(sealed.manifest.get()).map_err(|error| damaged(&error))?;
        if format != FORMAT {
            let path = path.display();
            return Err(format!("{path} is of format {format}, and this program reads format {FORMAT}"));
        }
        serde_json::from_str(sealed.manifest.get()).map_err(|error| damaged(&error))
    }

    /// Writes the manifest as bytes.
    ///
    /// # Errors
    /// None that a manifest of ours leads to.
    pub(crate) fn print(&self) -> Result<Vec<u8>, serde_json::Error> {
        let manifest = serde_json::value::to_raw_value(self)?;
        let sha256 = hex(Sha256::new_with_prefix(manifest.get()));
        let mut text = serde_json::to_vec(&Sealed { manifest: &manifest, sha256 })?;
        text.push(b'\n');
        Ok(text)
    }

    /// Lists the segments that are stored for all backups together.
    pub(crate) fn pool_files(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter(|segment| segment.seal.is_some()).map(|segment| segment.file.as_str())
    }

    /// Says whether something in it may be encrypted.
    pub(crate) fn is_sealed(&self) -> bool {
        self.files.iter().any(|stored| Path::new(&stored.path) == Image::data_keys_file())
    }

    /// Returns the bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        let segments: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        segments + self.files.iter().map(|stored| stored.bytes).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_with_any_byte_changed_is_damaged() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("manifest.json");
        let segment = Segment { number: 3, length: 9, seal: Some(7), file: "f".into(), bytes: 5, sha256: "00".into() };
        let stored = Stored { file: "state".into(), path: "journal/state".into(), bytes: 1, sha256: "11".into() };
        let manifest = Manifest {
            format: FORMAT,
            stanchion: "1".into(),
            taken_ms: 1,
            journal: "ab".into(),
            shards: vec![(0, 8)],
            segments: vec![segment],
            files: vec![stored],
        };
        let text = manifest.print().expect("JSON");
        fs::write(&path, &text).expect("writes");
        assert_eq!(Manifest::load(&path).expect("whole").bytes(), 6);
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).expect("writes");
            let error = Manifest::load(&path).expect_err("damaged");
            assert!(error.contains("manifest.json"), "{error}");
        }
    }
}
