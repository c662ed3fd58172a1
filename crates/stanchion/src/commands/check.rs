//! `stanchion check`.

use std::path::Path;

use stanchion_journal::Fault;
use stanchion_journal::inspect::{self, Report};

use crate::cli::Stop;
use crate::settings::{Flags, Settings, stray_variables};
use crate::words::{count, damage, say, size};

/// Prints the settings in effect and checks the data directory.
pub(crate) fn run(flags: &Flags) -> Result<(), Stop> {
    let settings = Settings::load(flags).map_err(Stop::misused)?;
    print_settings(&settings);
    say!("");
    check_directory(&settings.data_dir)
}

fn print_settings(settings: &Settings) {
    let keys = settings.shown.iter().map(|shown| shown.key.len()).max().unwrap_or(0);
    let texts = settings.shown.iter().map(|shown| shown.text.len()).max().unwrap_or(0);
    for shown in &settings.shown {
        let text = if shown.text.is_empty() { "-" } else { &shown.text };
        say!("{:keys$}  {text:texts$}  ({})", shown.key, shown.source);
    }
    for queue in &settings.queues {
        say!("declares queue {}", queue.name);
    }
    for variable in stray_variables() {
        say!("environment variable {variable}: is no setting");
    }
}

fn check_directory(directory: &Path) -> Result<(), Stop> {
    let shown = directory.display();
    if !directory.exists() {
        say!("data directory {shown}: does not exist yet");
        return Ok(());
    }
    let report = match inspect::check(directory) {
        Ok(report) => report,
        Err(Fault::Missing { file, .. }) if !directory.join("journal").exists() => {
            say!("data directory {shown}: holds no journal yet, {} is missing", file.display());
            return Ok(());
        }
        Err(fault) => return Err(Stop::failed(format_args!("data directory {shown}: {fault}"))),
    };
    print_report(directory, &report);
    match report.damages.len() {
        0 => Ok(()),
        damages => Err(Stop::failed(format_args!("data directory {shown}: {} found", count(damages, "damage")))),
    }
}

fn print_report(directory: &Path, report: &Report) {
    say!(
        "data directory {}: {}, {} of {}, {}",
        directory.display(),
        count(report.segments as usize, "segment"),
        count(report.records as usize, "record"),
        size(report.payload_bytes),
        count(report.snapshots as usize, "snapshot"),
    );
    for (shard, last) in &report.shards {
        say!("shard {shard}: ends at record {last}");
    }
    if let Some(torn) = &report.torn_tail {
        say!(
            "{}; these are remains of a write that was never answered, and the next start cuts them off",
            damage(torn)
        );
    }
    for found in &report.damages {
        say!("damaged: {}", damage(found));
    }
    if report.damages.is_empty() {
        say!("every byte that must be there is there");
    }
}
