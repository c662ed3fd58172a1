//! The data directory: making it, opening its journal.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stanchion_journal::{Fault, Journal, Local, local};

use crate::settings::{Durability, Settings};

/// Where a repair keeps what it has saved, complete, while it puts it in place of what was damaged. Until that is done the
/// data directory holds a part of each.
pub(crate) const REPAIRED: &str = "repaired";

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

/// Opens the journal in a data directory, or begins one there.
pub(crate) fn open(directory: &Path, settings: &Settings) -> Result<Arc<dyn Journal>, Fault> {
    let options = local::Options {
        segment_bytes: settings.segment_bytes,
        cache_bytes: settings.cache_bytes as usize,
        durability: match settings.durability {
            Durability::Sync => local::Durability::Sync,
            Durability::Interval(interval) => local::Durability::Interval(interval),
            Durability::Memory => local::Durability::Memory,
        },
    };
    Ok(Arc::new(Local::open(directory, options)?))
}

/// Returns the broker's part of the settings.
pub(crate) fn broker_options(settings: &Settings) -> stanchion_broker::Options {
    let mut options = stanchion_broker::Options { snapshot_bytes: settings.snapshot_bytes, ..Default::default() };
    if !settings.sixty_second_rules {
        options.shard.engine.rest_seconds = 0;
    }
    options
}
