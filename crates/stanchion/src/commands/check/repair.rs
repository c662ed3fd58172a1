//! `stanchion check --repair`.
//!
//! What can be read is written to a new journal beside the damaged one, which takes its place at the end. Nothing that was
//! there is changed or removed, it only gets another name. A repair that is interrupted can be run again:
//!
//! ```text
//! 1  <directory>/repairing/...                   being written; begun anew if interrupted
//! 2  repairing -> repaired                       complete; from here on a start is refused until all is in its place
//! 3  journal -> journal.damaged-1, repaired/journal -> journal, and the same with the snapshots
//! 4  repaired is removed
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stanchion_broker::{Loss, Part, Saved, Secret, repair};
use stanchion_journal::inspect::Archive;
use stanchion_journal::local::{Directory, Disk};
use stanchion_journal::{Fault, Journal, Local, local};

use super::{Checked, PROGRESS_INTERVAL};
use crate::cli::Stop;
use crate::settings::Settings;
use crate::storage::{self, REPAIRED};
use crate::words::{Ticker, count, damage, say, size};

/// Where a repair writes what it saves until that is complete.
const REPAIRING: &str = "repairing";
/// The parts of a data directory that a repair replaces.
const PARTS: [&str; 2] = ["journal", "snapshots"];
/// How many losses are printed one by one.
const PRINTED_MAX: usize = 1000;

/// Repairs the data directory, unless nothing is wrong with it.
pub(super) fn run(settings: &Settings) -> Result<(), Stop> {
    let directory = &settings.data_dir;
    let stopped = |error: &dyn ToString| {
        Stop::failed(format_args!("data directory {}: {}", directory.display(), error.to_string()))
    };
    if !directory.exists() {
        return Err(stopped(&"does not exist"));
    }
    // Not even the lock is made, nor a permission changed, in a directory that has nothing to do with us.
    if [PARTS[0], PARTS[1], REPAIRED].iter().all(|part| !directory.join(part).exists()) {
        return Err(stopped(&"holds no journal"));
    }
    // Held to the end: no server may begin to write meanwhile.
    let _lock = local::lock(directory).map_err(|fault| stopped(&fault))?;
    if directory.join(REPAIRED).exists() {
        say!("going on with a repair that was interrupted");
        put_in_place(directory).map_err(|error| stopped(&error))?;
    }
    let checked = Checked::of(settings).map_err(|fault| stopped(&fault))?;
    checked.print(directory);
    if let Some(locked) = &checked.locked {
        return Err(stopped(&format_args!("it cannot be repaired without its keys: {locked}")));
    }
    if checked.findings.is_empty() {
        say!("nothing to repair");
        return Ok(());
    }
    say!("");
    let checked = small_repairs(settings, checked).map_err(|error| stopped(&error))?;
    if !checked.findings.is_empty() {
        save(settings, directory, &checked).map_err(|fault| stopped(&fault))?;
        put_in_place(directory).map_err(|error| stopped(&error))?;
    }
    let checked = Checked::of(settings).map_err(|fault| stopped(&fault))?;
    say!("");
    checked.print(directory);
    if checked.findings.is_empty() { Ok(()) } else { Err(stopped(&"the repair has left damage")) }
}

/// Does what takes no copying: permissions, the secret, and snapshots that are not needed. Returns what is wrong then.
fn small_repairs(settings: &Settings, checked: Checked) -> io::Result<Checked> {
    let directory = &settings.data_dir;
    repair_secret(directory)?;
    for name in ["", PARTS[0], PARTS[1]] {
        let path = if name.is_empty() { directory.to_owned() } else { directory.join(name) };
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let mode = metadata.permissions().mode();
        if mode & 0o002 != 0 {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & !0o002))?;
            say!("{}: only its owner and group may write into it now", path.display());
        }
    }
    let snapshots = checked.findings.files_in(&directory.join("snapshots"));
    if !snapshots.is_empty() && checked.findings.are_only_in(&snapshots) {
        for file in &snapshots {
            let aside = set_aside(file)?;
            say!("kept {} as {}; another snapshot and the records make up for it", file.display(), aside.display());
        }
    }
    Checked::of(settings).map_err(io::Error::other)
}

fn repair_secret(directory: &Path) -> io::Result<()> {
    let path = directory.join(Secret::FILE);
    if let Err(error) = Secret::load(directory)
        && error.kind() == io::ErrorKind::InvalidData
    {
        say!("kept {} as {}", path.display(), set_aside(&path)?.display());
    }
    if !path.exists() {
        Secret::load_or_create(directory)?;
        say!("lost: the secret; every receipt handle given out before is refused");
    }
    let mode = fs::metadata(&path)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        say!("{}: only its owner may read it now", path.display());
    }
    Ok(())
}

/// Writes what can be saved beside what is there.
fn save(settings: &Settings, directory: &Path, checked: &Checked) -> Result<(), Fault> {
    let new = directory.join(REPAIRING);
    let failed = |operation, path: &Path, error: &io::Error| Fault::io(operation, path, error);
    if new.exists() {
        fs::remove_dir_all(&new).map_err(|error| failed("remove", &new, &error))?;
    }
    DirBuilder::new().mode(0o700).create(&new).map_err(|error| failed("create", &new, &error))?;
    let disk = storage::to_read(settings).map_err(|error| failed("read", directory, &io::Error::other(error)))?;
    // What was encrypted stays so, and what was not stays as it was.
    let keyring = disk.keyring();
    let mut archive = Archive::open_on(disk)?;
    if let Some(torn) = &checked.report.torn_tail {
        archive.cut_at(torn);
    }
    let options = local::Options {
        segment_bytes: settings.segment_bytes,
        cache_bytes: 0,
        // All is synced at the end, before the new journal gets its name.
        durability: local::Durability::Memory,
        reserve_segments: 0,
        ..local::Options::default()
    };
    let journal = Local::open_on(Arc::new(Directory::new(&new).with_keyring(keyring)), options)?;
    let mut losses = 0;
    let mut saved = Saved::default();
    for shard in archive.shards() {
        let mut progress = Ticker::on_terminal(PROGRESS_INTERVAL);
        let done = repair(
            &mut archive,
            &checked.report.damages,
            shard,
            &journal,
            &mut |saved| progress.tell(|| format!("saved {}", count(saved.messages as usize, "message"))),
            &mut |loss| {
                losses += 1;
                if losses <= PRINTED_MAX {
                    say!("lost: {}", words(&loss));
                }
            },
        )?;
        saved.queues += done.queues;
        saved.messages += done.messages;
        saved.bytes += done.bytes;
    }
    if losses > PRINTED_MAX {
        say!("lost: {} more", losses - PRINTED_MAX);
    }
    journal.close()?;
    let (queues, messages) = (count(saved.queues as usize, "queue"), count(saved.messages as usize, "message"));
    say!("saved {queues} and {messages}, {}", size(saved.bytes));
    let ready = directory.join(REPAIRED);
    fs::rename(&new, &ready).map_err(|error| failed("rename", &new, &error))?;
    sync(directory).map_err(|error| failed("sync", directory, &error))
}

/// Puts what was saved in the place of what was there. Can be done again if it was interrupted.
fn put_in_place(directory: &Path) -> io::Result<()> {
    let ready = directory.join(REPAIRED);
    for part in PARTS {
        let (new, place) = (ready.join(part), directory.join(part));
        if !new.exists() {
            continue;
        }
        if place.exists() {
            say!("kept {} as {}", place.display(), set_aside(&place)?.display());
            sync(directory)?;
        }
        fs::rename(&new, &place)?;
        sync(directory)?;
    }
    fs::remove_dir_all(&ready)?;
    sync(directory)
}

/// Renames a file or directory to the first free name that says that it is damaged.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = |number: u32| path.with_file_name(format!("{name}.damaged-{number}"));
    let mut number = 1;
    while aside(number).exists() {
        number += 1;
    }
    fs::rename(path, aside(number))?;
    Ok(aside(number))
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn words(loss: &Loss) -> String {
    match loss {
        Loss::Snapshot(at) => format!("a snapshot: {}", damage(at)),
        Loss::Records { first, last, at } => {
            let which = match (first, last) {
                (first, last) if first == last => format!("record {first}, or a part of it"),
                _ => format!("records {first} to {last}"),
            };
            let place = at.as_ref().map(|at| format!(": {}", damage(at))).unwrap_or_default();
            format!("{which}; what was sent, received and deleted there is unknown{place}")
        }
        Loss::End { after, at } => {
            format!("all that happened after record {after}: {}", damage(at))
        }
        Loss::Part(part) => match part.part {
            Part::Message(id) => format!("message {id} of {}: {}", part.queue, part.why),
            Part::Page { messages } => {
                format!("{} of {}: {}", count(messages as usize, "message"), part.queue, part.why)
            }
        },
        Loss::Nameless { queue, messages } => {
            let messages = count(*messages as usize, "message");
            format!("{messages} sent to queue number {queue}, whose creation is lost, and with it its name")
        }
        Loss::Task(source) => format!("the message move task of {source}; what it had not moved is still there"),
    }
}
