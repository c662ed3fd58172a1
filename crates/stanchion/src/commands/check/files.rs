//! The files of a data directory from outside: what must be there, and who may read it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use stanchion_broker::Secret;

use super::findings::Findings;

/// Looks at the secret, the directories and who may use them. Nothing is changed.
pub(super) fn check(directory: &Path, findings: &mut Findings) {
    for name in ["", "journal", "snapshots"] {
        let path = if name.is_empty() { directory.to_owned() } else { directory.join(name) };
        match fs::read_dir(&path) {
            Ok(_) => writable_by_others(&path, findings),
            Err(error) => findings.file(&path, format!("it cannot be listed: {error}"), "a server cannot start on it"),
        }
    }
    secret(directory, findings);
}

fn secret(directory: &Path, findings: &mut Findings) {
    let path = directory.join(Secret::FILE);
    match Secret::load(directory) {
        Ok(Some(_)) => {}
        Ok(None) => {
            let means = "the next start makes a new one, and refuses every receipt handle given out before";
            return findings.file(&path, "it is missing", means);
        }
        Err(error) => return findings.file(&path, error.to_string(), "a server refuses to start without it"),
    }
    let others = fs::metadata(&path).map(|metadata| metadata.permissions().mode() & 0o077);
    if others.is_ok_and(|others| others != 0) {
        let means = "who reads it can forge receipt handles";
        findings.file(&path, "others than its owner may read or write it", means);
    }
}

fn writable_by_others(path: &Path, findings: &mut Findings) {
    let mode: io::Result<u32> = fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o002 != 0) {
        findings.file(path, "everybody may write into it", "any user of this machine can take messages away");
    }
}
