//! `stanchion backup`.

use std::path::Path;
use std::sync::Arc;

use stanchion_journal::local::Directory;
use stanchion_types::Timestamp;

use crate::cli::{BackupArguments, Stop};
use crate::clock::now;
use crate::storage::Reading;
use crate::vault::Vault;
use crate::vault::write::Progress;
use crate::words::{Ticker, count, say, size, utc};

/// Makes a backup, or lists or checks those there are.
pub(crate) fn run(arguments: &BackupArguments) -> Result<(), Stop> {
    if arguments.list {
        return list(&arguments.to).map_err(Stop::failed);
    }
    if arguments.verify {
        return verify(&arguments.to).map_err(Stop::failed);
    }
    let data_dir = arguments.data.directory()?;
    back_up(&data_dir, &arguments.to, arguments.keep).map_err(Stop::failed)
}

fn list(directory: &Path) -> Result<(), String> {
    let backups = Vault::open(directory)?.list()?;
    for (name, manifest) in &backups {
        match manifest {
            Ok(manifest) => say!(
                "{name}: {}, {}, up to position {}",
                utc(Timestamp::from_millis(manifest.taken_ms)),
                size(manifest.bytes()),
                positions(&manifest.shards),
            ),
            Err(error) => say!("{name}: {error}"),
        }
    }
    say!("{}", count(backups.len(), "backup"));
    Ok(())
}

fn verify(directory: &Path) -> Result<(), String> {
    let mut ticker = Ticker::default();
    let report = &mut |bytes| ticker.tell(|| format!("{} read", size(bytes)));
    let (checked, damages) = Vault::open(directory)?.verify(report)?;
    for damage in &damages {
        say!("damaged: {damage}");
    }
    match damages.len() {
        0 => {
            say!("{}, {}: every byte is as it was written", count(checked.backups, "backup"), size(checked.bytes));
            Ok(())
        }
        number => Err(format!("{}: {} found", directory.display(), count(number, "damage"))),
    }
}

fn back_up(data_dir: &Path, directory: &Path, keep: Option<usize>) -> Result<(), String> {
    let vault = Vault::create(directory)?;
    let reading = Reading::begin(Arc::new(Directory::new(data_dir)), true)?;
    let now = now();
    let name = vault.free_name(&file_name(now))?;
    let mut ticker = Ticker::default();
    let report = &mut |progress: Progress| {
        let done = progress.copied + progress.shared;
        ticker.tell(|| format!("{} of {} done", size(done), size(progress.total)));
    };
    let draft = vault.draft(&reading.image, data_dir, now.millis(), &name, report)?;
    // Only now it is known that no file went while it was copied.
    reading.end()?;
    let progress = draft.progress;
    let manifest = vault.finish(draft)?;
    say!("backup {name}: up to position {}", positions(&manifest.shards));
    say!("copied {}, shared {} with earlier backups", size(progress.copied), size(progress.shared));
    if manifest.is_sealed() {
        say!("it is encrypted: to restore it, the keyring is needed, which is not in it");
    }
    let gone = vault.prune(keep)?;
    if !gone.is_empty() {
        say!("removed {}: {}", count(gone.len(), "old backup"), gone.join(", "));
    }
    Ok(())
}

/// Returns the positions of all shards in words; mostly there is one.
fn positions(shards: &[(u16, u64)]) -> String {
    match shards {
        [] => "0".to_owned(),
        [(_, position)] => position.to_string(),
        several => {
            let words: Vec<_> =
                several.iter().map(|(shard, position)| format!("{position} of shard {shard}")).collect();
            words.join(", ")
        }
    }
}

/// Returns a moment as part of a file's name; later moments have later names.
fn file_name(at: Timestamp) -> String {
    let mut name: String = utc(at).trim_end_matches(" UTC").replace(' ', "T").replace(['-', ':'], "");
    name.push('Z');
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_backup_tells_when_it_was_made() {
        assert_eq!(file_name(Timestamp::from_millis(1_795_255_412_345)), "20261121T100332Z");
    }
}
