//! `stanchion check`.

use crate::cli::Stop;
use crate::settings::{Flags, Settings};

/// Prints the settings in effect and checks the data directory.
pub(crate) fn run(flags: &Flags) -> Result<(), Stop> {
    let settings = Settings::load(flags).map_err(Stop::misused)?;
    let width = settings.shown.iter().map(|shown| shown.key.len()).max().unwrap_or(0);
    for shown in &settings.shown {
        let text = if shown.text.is_empty() { "(not set)" } else { &shown.text };
        println!("{:width$}  {text}  ({})", shown.key, shown.source);
    }
    for queue in &settings.queues {
        println!("declares queue {}", queue.name);
    }
    Ok(())
}
