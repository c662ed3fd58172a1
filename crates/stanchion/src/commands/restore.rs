//! `stanchion restore`.

use crate::cli::{RestoreArguments, Stop};
use crate::vault::Vault;
use crate::vault::restore::choose;
use crate::words::{Ticker, say, size};

/// Makes a data directory of a backup.
pub(crate) fn run(arguments: &RestoreArguments) -> Result<(), Stop> {
    restore(arguments).map_err(Stop::failed)
}

fn restore(arguments: &RestoreArguments) -> Result<(), String> {
    let vault = Vault::open(&arguments.from)?;
    let name = choose(&vault, arguments.backup.as_deref())?;
    let mut ticker = Ticker::default();
    let report = &mut |done, total| ticker.tell(|| format!("{} of {} done", size(done), size(total)));
    let manifest = vault.restore(&name, &arguments.data_dir, report)?;
    let shown = arguments.data_dir.display();
    say!("restored backup {name} to {shown}: {}, every byte checked", size(manifest.bytes()));
    if manifest.is_sealed() {
        say!("it is encrypted: name its keyring with --keyring, or copy it to {shown}/keyring");
    }
    say!("start it: stanchion serve --data-dir {shown}");
    Ok(())
}
