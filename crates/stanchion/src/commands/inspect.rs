//! `stanchion inspect`.

use crate::cli::{InspectArguments, Stop};
use crate::settings::Settings;

/// Shows what a data directory holds.
pub(crate) fn run(arguments: &InspectArguments) -> Result<(), Stop> {
    let _settings = Settings::load(&arguments.flags).map_err(Stop::misused)?;
    let _ = arguments.what;
    Ok(())
}
