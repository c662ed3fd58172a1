//! `stanchion export`.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use stanchion_broker::{KeyBounds, Sealing};
use stanchion_journal::local::Disk;
use stanchion_keyring::service::LocalKeys;
use tokio::runtime::Builder;

use crate::cli::{ExportArguments, Stop};
use crate::exchange::export::{ExportError, Written, export};
use crate::exchange::sealed::Sealer;
use crate::settings::Settings;
use crate::storage::{self, Reading};
use crate::words::{Ticker, count};

/// Writes queues as JSON lines, sealed under the keyring unless they are to be plain.
pub(crate) fn run(arguments: &ExportArguments) -> Result<(), Stop> {
    let settings = arguments.data.settings()?;
    if arguments.output.is_none() && !arguments.plain && io::stdout().is_terminal() {
        return Err(Stop::misused(
            "a sealed export is nothing for a screen: name a file with --output, or give --plain",
        ));
    }
    let written = match &arguments.output {
        Some(path) => to_file(arguments, &settings, path)?,
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            let outcome = write(arguments, &settings, &mut out);
            // A reader that has seen enough and left, such as `head`, is no reason to fail.
            match outcome {
                Err(Failure::Export(ExportError::Output(error))) if error.kind() == ErrorKind::BrokenPipe => {
                    return Ok(());
                }
                outcome => outcome?,
            }
        }
    };
    let Written { queues, messages } = written;
    eprintln!("exported {} with {}", count(queues as usize, "queue"), count(messages as usize, "message"));
    Ok(())
}

/// Writes a file beside, and gives it its name when it is complete.
fn to_file(arguments: &ExportArguments, settings: &Settings, path: &Path) -> Result<Written, Stop> {
    let named = |error: io::Error| Stop::failed(format_args!("cannot write {}: {error}", path.display()));
    let mut draft = path.as_os_str().to_owned();
    draft.push(".unfinished");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(named)?;
    let mut out = BufWriter::new(&file);
    let written = write(arguments, settings, &mut out)?;
    drop(out);
    file.sync_all().map_err(named)?;
    std::fs::rename(&draft, path).map_err(named)?;
    Ok(written)
}

/// Why nothing, or not all, was exported.
enum Failure {
    Reading(String),
    Export(ExportError),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        match failure {
            Failure::Reading(text) => Stop::failed(text),
            Failure::Export(error) => Stop::failed(error),
        }
    }
}

fn write(arguments: &ExportArguments, settings: &Settings, out: &mut dyn Write) -> Result<Written, Failure> {
    let disk = storage::to_read(settings).map_err(Failure::Reading)?;
    let sealer = match arguments.plain {
        true => None,
        false => Some(storage::keyring_to_seal(settings, &*disk).map_err(Failure::Reading)?),
    };
    let mut open = opener(settings, &*disk).map_err(Failure::Reading)?;
    let mut reading = Reading::begin(disk, false).map_err(Failure::Reading)?;
    let options = storage::broker_options(settings).shard;
    let mut ticker = Ticker::default();
    let progress = &mut |written: Written| {
        ticker.tell(|| format!("{} written", count(written.messages as usize, "message")));
    };
    let image = &mut reading.image;
    let written = match sealer {
        None => export(image, &options, &arguments.queues, &mut open, out, progress).map_err(Failure::Export)?,
        Some(keyring) => {
            let failed = |error: io::Error| Failure::Export(error.into());
            let mut sealer = Sealer::begin(out, &keyring).map_err(failed)?;
            let written = export(image, &options, &arguments.queues, &mut open, &mut sealer, progress);
            let written = written.map_err(Failure::Export)?;
            sealer.finish().map_err(failed)?;
            written
        }
    };
    reading.end().map_err(Failure::Reading)?;
    Ok(written)
}

/// Returns what opens the contents of queues with a key of their own.
fn opener(settings: &Settings, disk: &dyn Disk) -> Result<impl FnMut(Bytes) -> Result<Bytes, String> + use<>, String> {
    let local = disk.keyring().map(|keyring| Arc::new(LocalKeys::new(keyring)));
    let sealing = Sealing::new(Some(Arc::new(storage::key_services(settings, local)?)), KeyBounds::default());
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    Ok(move |bytes: Bytes| runtime.block_on(sealing.read(&bytes)))
}
