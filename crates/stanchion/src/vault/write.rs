//! Making a backup.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use stanchion_broker::Secret;
use stanchion_journal::Fault;
use stanchion_journal::local::{Image, Part, check_copy};

use super::manifest::{FORMAT, Manifest, Segment, Stored};
use super::{
    LAST, MANIFEST, SEGMENT, SEGMENTS, UNFINISHED, Vault, create_file, failed, hex, make_directory, rename,
    sync_directory,
};

/// How far a backup is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Bytes that have been copied.
    pub(crate) copied: u64,
    /// Bytes that an earlier backup had stored already.
    pub(crate) shared: u64,
    /// Bytes of all segments together.
    pub(crate) total: u64,
}

/// A backup that has all its files but its manifest, and so is none yet.
pub(crate) struct Draft {
    directory: PathBuf,
    name: String,
    manifest: Manifest,
    pub(crate) progress: Progress,
}

impl Vault {
    /// Copies everything that a directory needs to be what the image shows, checks the copies, and makes them durable.
    ///
    /// # Errors
    /// What cannot be read or written, or is damaged.
    pub(crate) fn draft(
        &self,
        image: &Image,
        data_dir: &Path,
        taken_ms: u64,
        name: &str,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Draft, String> {
        let directory = self.directory.join(format!("{name}{UNFINISHED}"));
        make_directory(&directory)?;
        let mut progress = Progress { total: image.parts().iter().map(|part| part.used).sum(), ..Progress::default() };
        let known = self.known_segments()?;
        let mut segments = Vec::new();
        for part in image.parts() {
            let segment = match self.find(image, part, &known) {
                Some(segment) => {
                    progress.shared += part.used;
                    segment
                }
                None => self.copy(image, part, &directory, &mut |bytes| {
                    progress.copied += bytes;
                    report(progress);
                })?,
            };
            segments.push(segment);
            report(progress);
        }
        let mut files = vec![store(&directory, "state", Image::state_file(), image.state().as_bytes())?];
        for (shard, _) in image.shards() {
            if let Some(position) = image.snapshot_position(shard).map_err(|fault| fault.to_string())? {
                let path = Image::snapshot_file(shard, position);
                let from = data_dir.join(&path);
                let bytes = fs::read(&from).map_err(|error| failed("read", &from, &error))?;
                files.push(store(&directory, &format!("snapshot.{shard}"), path, &bytes)?);
            }
        }
        // After everything that they open. They are of use to nobody without the keyring, which stays where it is.
        if let Some(bytes) = image.data_keys().map_err(|fault| fault.to_string())? {
            files.push(store(&directory, "keys", Image::data_keys_file(), &bytes)?);
        }
        let secret = data_dir.join(Secret::FILE);
        if secret.exists() {
            let bytes = fs::read(&secret).map_err(|error| failed("read", &secret, &error))?;
            files.push(store(&directory, Secret::FILE, Secret::FILE.into(), &bytes)?);
        }
        let manifest = Manifest {
            format: FORMAT,
            stanchion: env!("CARGO_PKG_VERSION").to_owned(),
            taken_ms,
            journal: format!("{:016x}", image.journal()),
            shards: image.shards().into_iter().map(|(shard, position)| (shard.0, position.0)).collect(),
            segments,
            files,
        };
        Ok(Draft { directory, name: name.to_owned(), manifest, progress })
    }

    /// Makes a draft a backup.
    ///
    /// # Errors
    /// What cannot be written.
    pub(crate) fn finish(&self, draft: Draft) -> Result<Manifest, String> {
        let path = draft.directory.join(MANIFEST);
        let text = draft.manifest.print().map_err(|error| error.to_string())?;
        write_whole(&path, &text)?;
        sync_directory(&draft.directory)?;
        rename(&draft.directory, &self.directory.join(&draft.name))?;
        sync_directory(&self.directory)?;
        Ok(draft.manifest)
    }

    /// Returns a name for a backup made at a moment that no other has.
    ///
    /// # Errors
    /// The system's refusal to list the directory.
    pub(crate) fn free_name(&self, base: &str) -> Result<String, String> {
        let taken = super::file_names(&self.directory)?;
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let mut names = std::iter::once(base.to_owned()).chain(numbered);
        let free = names.find(|name| !taken.contains(name) && !taken.contains(&format!("{name}{UNFINISHED}")));
        free.ok_or_else(|| "no name is free".to_owned())
    }

    /// Lists the full segments that complete backups have.
    fn known_segments(&self) -> Result<HashMap<String, Segment>, String> {
        let mut known = HashMap::new();
        for (_, manifest) in self.list()? {
            // What a damaged backup has is copied again under the same name.
            for segment in manifest.into_iter().flat_map(|manifest| manifest.segments) {
                if segment.seal.is_some() {
                    known.insert(segment.file.clone(), segment);
                }
            }
        }
        Ok(known)
    }

    /// Finds a segment that is stored already.
    fn find(&self, image: &Image, part: &Part, known: &HashMap<String, Segment>) -> Option<Segment> {
        let segment = known.get(&pool_name(image, part)?)?;
        let stored = fs::metadata(self.directory.join(SEGMENTS).join(&segment.file)).ok()?;
        (stored.len() == part.used && segment.part() == *part).then(|| segment.clone())
    }

    /// Copies a segment, reads the copy back and checks every frame of it.
    fn copy(
        &self,
        image: &Image,
        part: &Part,
        directory: &Path,
        copied: &mut dyn FnMut(u64),
    ) -> Result<Segment, String> {
        let (home, file) = match pool_name(image, part) {
            Some(name) => (self.directory.join(SEGMENTS), name),
            None => (directory.to_owned(), LAST.to_owned()),
        };
        let draft = home.join(format!("{file}{UNFINISHED}"));
        let mut hasher = Sha256::new();
        let mut out = create_file(&draft)?;
        image.copy(part, &mut |piece| {
            out.write_all(piece).map_err(|error| Refusal(failed("write", &draft, &error)))?;
            hasher.update(piece);
            copied(piece.len() as u64);
            Ok::<(), Refusal>(())
        })?;
        out.sync_all().map_err(|error| failed("sync", &draft, &error))?;
        check_copy(&draft, image.journal(), part).map_err(|fault| fault.to_string())?;
        rename(&draft, &home.join(&file))?;
        sync_directory(&home)?;
        let Part { number, length, used, seal } = *part;
        Ok(Segment { number, length, seal, file, bytes: used, sha256: hex(hasher) })
    }
}

/// Why a copy ended, in words.
struct Refusal(String);

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal(fault.to_string())
    }
}

impl From<Refusal> for String {
    fn from(refusal: Refusal) -> String {
        refusal.0
    }
}

/// Returns the name under which a full segment is stored for all backups.
fn pool_name(image: &Image, part: &Part) -> Option<String> {
    Some(format!("{:016x}-{:012}-{:08x}{SEGMENT}", image.journal(), part.number, part.seal?))
}

fn store(directory: &Path, file: &str, path: PathBuf, bytes: &[u8]) -> Result<Stored, String> {
    write_whole(&directory.join(file), bytes)?;
    let path = path.to_str().ok_or("a path of a data directory is text")?.to_owned();
    let sha256 = hex(Sha256::new_with_prefix(bytes));
    Ok(Stored { file: file.to_owned(), path, bytes: bytes.len() as u64, sha256 })
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut file: File = create_file(path)?;
    file.write_all(bytes).map_err(|error| failed("write", path, &error))?;
    file.sync_all().map_err(|error| failed("sync", path, &error))
}
