//! Reading backups again, to find what their medium has changed.

use std::collections::BTreeSet;

use super::{Vault, compare, plain, read_file};

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checked {
    pub(crate) backups: usize,
    pub(crate) bytes: u64,
}

impl Vault {
    /// Reads every file of every backup, each once, and compares it with its checksum. Returns what is damaged or
    /// missing, each with the name of the file.
    ///
    /// # Errors
    /// The system's refusal to list the directory.
    pub(crate) fn verify(&self, report: &mut dyn FnMut(u64)) -> Result<(Checked, Vec<String>), String> {
        let (mut checked, mut damages) = (Checked::default(), Vec::new());
        let mut seen = BTreeSet::new();
        for (name, manifest) in self.list()? {
            checked.backups += 1;
            let manifest = match manifest {
                Ok(manifest) => manifest,
                Err(error) => {
                    damages.push(error);
                    continue;
                }
            };
            let segments = manifest.segments.iter();
            let segments = segments.map(|segment| (self.segment_file(&name, segment), segment.bytes, &segment.sha256));
            let home = self.directory.join(&name);
            let files = manifest.files.iter();
            let files =
                files.map(|stored| (plain(&stored.file).map(|file| home.join(file)), stored.bytes, &stored.sha256));
            for (path, bytes, sha256) in segments.chain(files) {
                let found = path.and_then(|path| {
                    if !seen.insert(path.clone()) {
                        return Ok(());
                    }
                    let before = checked.bytes;
                    let (length, sum) = read_file(&path, &mut |piece| {
                        checked.bytes += piece.len() as u64;
                        report(checked.bytes);
                        Ok(())
                    })?;
                    assert_eq!(checked.bytes - before, length, "every piece was counted");
                    compare(&path, (length, &sum), (bytes, sha256))
                });
                damages.extend(found.err());
            }
        }
        Ok((checked, damages))
    }
}
