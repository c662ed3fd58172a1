//! The data directory: making it, opening its journal, reading it beside a server.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use stanchion_journal::local::{Directory, Disk, Image};
use stanchion_journal::{Fault, Local, local};
use stanchion_keyring::service::LocalKeys;
use stanchion_keyring::{Keyring, Source};
use stanchion_kms::{Endpoint, Services};

use crate::control::client::{Connection, HeldFiles};
use crate::settings::{Durability, Settings};

/// Where a repair keeps what it has saved, complete, while it puts it in place of what was damaged. Until that is done the
/// data directory holds a part of each.
pub(crate) const REPAIRED: &str = "repaired";
/// The keyring of a data directory for which none is configured.
const KEYRING: &str = "keyring";

/// The most segments that stay open to read.
const OPEN_SEGMENTS_MAX: usize = 384;

/// Makes the data directory unless it exists, readable by its owner only, and returns its full path.
pub(crate) fn prepare(directory: &Path) -> Result<PathBuf, String> {
    let named = |error: io::Error| format!("setting data_dir: cannot use {}: {error}", directory.display());
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(named)?;
    if directory.join(REPAIRED).exists() {
        let text = "was interrupted: run `stanchion check --repair` again to finish it";
        return Err(format!("data directory {}: a repair {text}", directory.display()));
    }
    directory.canonicalize().map_err(named)
}

/// Returns where the keyring of a data directory comes from.
pub(crate) fn keyring_source(directory: &Path, settings: &Settings) -> Source {
    settings.keyring.clone().unwrap_or_else(|| Source::File(directory.join(KEYRING)))
}

/// Returns the keyring to write with; makes one if none is configured and nothing is encrypted yet.
fn keyring_to_write(directory: &Path, settings: &Settings) -> Result<Option<Arc<Keyring>>, String> {
    if !settings.encryption {
        return Ok(None);
    }
    let source = keyring_source(directory, settings);
    let may_make = settings.keyring.is_none() && !is_sealed(directory);
    let (keyring, made) = if may_make { source.load_or_make() } else { source.load().map(|keyring| (keyring, false)) }
        .map_err(|error| error.to_string())?;
    if made {
        tracing::warn!(
            keyring = %source,
            "made a keyring: without it nothing in the data directory or in a backup can be read, so keep a copy elsewhere"
        );
    }
    Ok(Some(Arc::new(keyring)))
}

/// Returns the data directory to read, with its keyring if anything in it is encrypted.
///
/// # Errors
/// Why there is no keyring to be had.
pub(crate) fn to_read(settings: &Settings) -> Result<Arc<Directory>, String> {
    let directory = &settings.data_dir;
    if !is_sealed(directory) {
        return Ok(Arc::new(Directory::new(directory)));
    }
    let keyring = keyring_source(directory, settings).load().map_err(|error| error.to_string())?;
    Ok(Arc::new(Directory::new(directory).with_keyring(Some(Arc::new(keyring)))))
}

/// Returns the keyring to seal an export of a data directory with: the one that it is encrypted under, or else the one
/// that is configured.
///
/// # Errors
/// Why there is none to be had.
pub(crate) fn keyring_to_seal(settings: &Settings, disk: &dyn Disk) -> Result<Arc<Keyring>, String> {
    if let Some(keyring) = disk.keyring() {
        return Ok(keyring);
    }
    let loaded = keyring_source(&settings.data_dir, settings).load();
    let loaded = loaded.map_err(|error| format!("the export cannot be sealed: {error}; with --plain it is not"))?;
    Ok(Arc::new(loaded))
}

/// Says whether anything in a data directory may be encrypted.
fn is_sealed(directory: &Path) -> bool {
    directory.join(Image::data_keys_file()).exists()
}

/// Opens the journal in a data directory, or begins one there.
///
/// Returns the keyring as well, if anything is encrypted.
///
/// # Errors
/// What is wrong with the directory, its journal or its keyring.
pub(crate) fn open(directory: &Path, settings: &Settings) -> Result<(Arc<Local>, Option<Arc<Keyring>>), String> {
    let keyring = keyring_to_write(directory, settings)?;
    let options = local::Options {
        segment_bytes: settings.segment_bytes,
        cache_bytes: settings.cache_bytes as usize,
        durability: match settings.durability {
            Durability::Sync => local::Durability::Sync,
            Durability::Interval(interval) => local::Durability::Interval(interval),
            Durability::Memory => local::Durability::Memory,
        },
        reserve_segments: settings.reserve_segments,
        open_segments: open_segments(getrlimit(Resource::Nofile).current),
        ..local::Options::default()
    };
    let disk = Directory::new(directory).with_keyring(keyring.clone());
    let journal = Local::open_on(Arc::new(disk), options).map_err(|fault| fault.to_string())?;
    Ok((Arc::new(journal), keyring))
}

/// Returns where the keys come from that queues name.
///
/// # Errors
/// What is wrong with the settings of the key management service.
pub(crate) fn key_services(settings: &Settings, local: Option<Arc<LocalKeys>>) -> Result<Services, String> {
    let endpoint = settings.kms.clone().map(Endpoint::new).transpose();
    let endpoint = endpoint.map_err(|error| format!("setting kms_authorities: {error}"))?;
    Ok(Services { local, endpoint })
}

/// Returns how many segments may stay open to read where a process may have so many files open: an eighth, which leaves
/// most to connections, and no more than a backlog of 24 GiB has.
pub(crate) fn open_segments(files_max: Option<u64>) -> usize {
    files_max
        .map_or(OPEN_SEGMENTS_MAX, |files_max| usize::try_from(files_max / 8).unwrap_or(usize::MAX))
        .clamp(32, OPEN_SEGMENTS_MAX)
}

/// Returns the broker's part of the settings.
pub(crate) fn broker_options(settings: &Settings) -> stanchion_broker::Options {
    let mut options = stanchion_broker::Options { snapshot_bytes: settings.snapshot_bytes, ..Default::default() };
    // Space comes back in whole files, so what is sparse and what is little is measured in them.
    let usage = &mut options.shard.engine.usage;
    usage.segment_bytes = settings.segment_bytes;
    usage.slack_bytes = 4 * settings.segment_bytes;
    if !settings.sixty_second_rules {
        options.shard.engine.rest_seconds = 0;
    }
    options
}

/// A journal to read, while its server runs or nobody uses it.
pub(crate) struct Reading {
    /// The journal at one moment.
    pub(crate) image: Image,
    held: Option<HeldFiles>,
}

impl Reading {
    /// Finds the journal of a data directory: held by its server if one runs there, which takes a snapshot first if
    /// asked to; else locked, so that none starts meanwhile.
    ///
    /// # Errors
    /// What is wrong with the directory, or with the server.
    pub(crate) fn begin(disk: Arc<dyn Disk>, snapshot: bool) -> Result<Reading, String> {
        let data_dir = &disk.root().to_owned();
        let at = |fault: Fault| format!("data directory {}: {fault}", data_dir.display());
        let Some(connection) = Connection::open(data_dir)? else {
            return match Image::still(disk) {
                Ok(image) => Ok(Reading { image, held: None }),
                Err(fault @ Fault::Locked { .. }) => {
                    Err(format!("{}, and no server answers on its control socket: is it starting?", at(fault)))
                }
                Err(fault) => Err(at(fault)),
            };
        };
        let held = connection.hold(snapshot)?;
        let image = Image::held(disk, held.held.end).map_err(at)?;
        let found: Vec<_> = image.shards().into_iter().map(|(shard, position)| (shard.0, position.0)).collect();
        if found != held.held.shards {
            return Err(format!("the server's journal ends at {:?}, its files at {found:?}", held.held.shards));
        }
        Ok(Reading { image, held: Some(held) })
    }

    /// Ends reading.
    ///
    /// # Errors
    /// That the server did not keep its files until now.
    pub(crate) fn end(self) -> Result<(), String> {
        self.held.map_or(Ok(()), HeldFiles::release)
    }
}
