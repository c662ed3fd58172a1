//! `stanchion export`.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::cli::{ExportArguments, Stop};
use crate::exchange::export::{ExportError, Written, export};
use crate::settings::Settings;
use crate::storage::{self, Reading};
use crate::words::{Ticker, count};

/// Writes queues as JSON lines.
pub(crate) fn run(arguments: &ExportArguments) -> Result<(), Stop> {
    let settings = arguments.data.settings()?;
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
    let mut reading = Reading::begin(disk, false).map_err(Failure::Reading)?;
    let options = storage::broker_options(settings).shard;
    let mut ticker = Ticker::default();
    let progress = &mut |written: Written| {
        ticker.tell(|| format!("{} written", count(written.messages as usize, "message")));
    };
    let written = export(&mut reading.image, &options, &arguments.queues, out, progress).map_err(Failure::Export)?;
    reading.end().map_err(Failure::Reading)?;
    Ok(written)
}
