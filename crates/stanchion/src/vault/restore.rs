//! Making a data directory from a backup.

use std::io::Write;
use std::path::{Component, Path, PathBuf};

use stanchion_journal::local::{Image, check_copy};

use super::manifest::{Manifest, Segment};
use super::{
    Vault, compare, create_file, failed, file_names, make_directory, plain, read_file, rename, sync_directory,
};

/// What stands in the state file until everything else is there: no journal opens with it.
const NOT_YET: &str = "a restore has begun here and has not finished\n";
/// What a file system puts into its own root.
const LOST_AND_FOUND: &str = "lost+found";

impl Vault {
    /// Checks a backup and makes a data directory of it, which must not exist or be empty. Returns the manifest.
    ///
    /// Every byte is compared with its checksum before it is used, and every frame of every segment is read where it was
    /// written. The directory can be opened only when all of it is there.
    ///
    /// # Errors
    /// Which file is damaged or missing, or that the directory is not empty.
    pub(crate) fn restore(
        &self,
        name: &str,
        data_dir: &Path,
        report: &mut dyn FnMut(u64, u64),
    ) -> Result<Manifest, String> {
        let manifest = self.manifest(name)?;
        if data_dir.exists() && file_names(data_dir)?.iter().any(|name| name != LOST_AND_FOUND) {
            let shown = data_dir.display();
            return Err(format!("{shown} is not empty: a restore goes to a new directory, or to an empty one"));
        }
        for directory in [data_dir.to_owned(), data_dir.join("journal"), data_dir.join("snapshots")] {
            make_directory(&directory)?;
        }
        let state = data_dir.join(Image::state_file());
        write(&state, NOT_YET.as_bytes())?;
        // The name of the directory itself has to survive a power cut as well.
        if let Some(parent) = data_dir.parent() {
            sync_directory(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
        }
        sync_directory(&data_dir.join("journal"))?;
        let journal = u64::from_str_radix(&manifest.journal, 16)
            .map_err(|_| format!("the manifest of {name} names no journal: {}", manifest.journal))?;
        let (mut done, total) = (0, manifest.bytes());
        for segment in &manifest.segments {
            self.restore_segment(name, segment, journal, data_dir, &mut |bytes| {
                done += bytes;
                report(done, total);
            })?;
        }
        let mut last = None;
        for stored in &manifest.files {
            let from = self.directory.join(name).join(plain(&stored.file)?);
            let mut bytes = Vec::new();
            let (length, sha256) = read_file(&from, &mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })?;
            compare(&from, (length, &sha256), (stored.bytes, &stored.sha256))?;
            let path = inside(&stored.path)?;
            if path == Image::state_file() {
                last = Some(bytes);
            } else {
                write(&data_dir.join(path), &bytes)?;
            }
            done += length;
            report(done, total);
        }
        for directory in [data_dir.join("journal"), data_dir.join("snapshots"), data_dir.to_owned()] {
            sync_directory(&directory)?;
        }
        let last = last.ok_or_else(|| format!("the manifest of {name} lists no state"))?;
        let new = state.with_extension("restored");
        write(&new, &last)?;
        rename(&new, &state)?;
        sync_directory(&data_dir.join("journal"))?;
        Ok(manifest)
    }

    fn restore_segment(
        &self,
        name: &str,
        segment: &Segment,
        journal: u64,
        data_dir: &Path,
        written: &mut dyn FnMut(u64),
    ) -> Result<(), String> {
        let from = self.segment_file(name, segment)?;
        let to = data_dir.join(Image::segment_file(segment.number));
        let mut out = create_file(&to)?;
        let (length, sha256) = read_file(&from, &mut |piece| {
            written(piece.len() as u64);
            out.write_all(piece).map_err(|error| failed("write", &to, &error))
        })?;
        compare(&from, (length, &sha256), (segment.bytes, &segment.sha256))?;
        check_copy(&to, journal, &segment.part()).map_err(|fault| fault.to_string())?;
        out.set_len(segment.length).map_err(|error| failed("lengthen", &to, &error))?;
        out.sync_all().map_err(|error| failed("sync", &to, &error))
    }
}

/// Makes sure that a path of a manifest does not lead out of the data directory.
fn inside(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    let fine = path.components().all(|part| matches!(part, Component::Normal(_)));
    if fine { Ok(path) } else { Err(format!("the manifest names a path {}", path.display())) }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut file = create_file(path)?;
    file.write_all(bytes).map_err(|error| failed("write", path, &error))?;
    file.sync_all().map_err(|error| failed("sync", path, &error))
}

/// Returns the name of the newest backup, or checks that the wanted one is there.
///
/// # Errors
/// Which backups there are instead.
pub(crate) fn choose(vault: &Vault, wanted: Option<&str>) -> Result<String, String> {
    let names: Vec<String> = vault.list()?.into_iter().map(|(name, _)| name).collect();
    let found = match wanted {
        Some(wanted) => names.iter().find(|name| *name == wanted),
        None => names.last(),
    };
    match (found, wanted) {
        (Some(name), _) => Ok(name.clone()),
        (None, Some(wanted)) => Err(format!("there is no backup {wanted}; there are: {}", names.join(", "))),
        (None, None) => Err("there is no complete backup".to_owned()),
    }
}
