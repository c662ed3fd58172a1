//! `stanchion check`.

mod files;
mod findings;
mod repair;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use stanchion_broker::{Audit, Found, OpenError, audit, restore_archive};
use stanchion_journal::inspect::{self, Archive, Report};
use stanchion_journal::{Fault, ShardId};

use crate::cli::{CheckArguments, Stop};
use crate::settings::{Settings, stray_variables};
use crate::storage::{self, REPAIRED};
use crate::words::{Ticker, count, damage, say, size};
use findings::Findings;

/// How often a long check says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// Prints the settings in effect and checks the data directory.
pub(crate) fn run(arguments: &CheckArguments) -> Result<(), Stop> {
    let settings = Settings::load(&arguments.flags).map_err(Stop::misused)?;
    if !arguments.json {
        print_settings(&settings);
        say!("");
    }
    if arguments.repair {
        return repair::run(&settings);
    }
    check_directory(&settings, arguments.json)
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

fn check_directory(settings: &Settings, json: bool) -> Result<(), Stop> {
    let directory = &settings.data_dir;
    let shown = directory.display();
    if !directory.exists() {
        say_or_json(json, &format!("data directory {shown}: does not exist yet"));
        return Ok(());
    }
    if !directory.join("journal").exists() && !directory.join("snapshots").exists() {
        say_or_json(json, &format!("data directory {shown}: holds no journal yet"));
        return Ok(());
    }
    let stopped = |fault: Fault| Stop::failed(format_args!("data directory {shown}: {fault}"));
    let checked = Checked::of(settings).map_err(stopped)?;
    if json {
        say!("{}", checked.json(directory));
    } else {
        checked.print(directory);
    }
    match checked.findings.total() {
        0 => match &checked.locked {
            Some(locked) => Err(Stop::failed(format_args!("data directory {shown}: {locked}"))),
            None => Ok(()),
        },
        damages => Err(Stop::failed(format_args!("data directory {shown}: {} found", count(damages, "damage")))),
    }
}

fn say_or_json(json: bool, text: &str) {
    if json {
        say!("{}", json!({ "note": text }));
    } else {
        say!("{text}");
    }
}

/// A data directory and all that is wrong with it.
struct Checked {
    report: Report,
    audits: BTreeMap<ShardId, Audit>,
    findings: Findings,
    /// Why nothing could be looked into that is encrypted.
    locked: Option<String>,
}

impl Checked {
    /// Reads everything: the files, every byte of the journal, and whatever the queues refer to.
    ///
    /// Without the keyring the files are checked as they are stored, and nothing can be said of the queues.
    fn of(settings: &Settings) -> Result<Checked, Fault> {
        let directory = &settings.data_dir;
        let (report, audits, findings) = (Report::default(), BTreeMap::new(), Findings::default());
        let mut checked = Checked { report, audits, findings, locked: None };
        if directory.join(REPAIRED).exists() {
            let reason = "a repair was interrupted";
            checked.findings.refusal(directory, reason);
        }
        files::check(directory, &mut checked.findings);
        match inspect::check(directory) {
            Ok(report) => checked.report = report,
            Err(fault @ (Fault::Missing { .. } | Fault::Io { .. })) => {
                checked.findings.refusal(directory, &fault);
            }
            Err(fault) => return Err(fault),
        }
        for found in &checked.report.damages {
            checked.findings.damage(found.clone(), None);
        }
        let disk = match storage::to_read(settings) {
            Ok(disk) => disk,
            Err(error) => {
                checked.locked = Some(error);
                return Ok(checked);
            }
        };
        match Archive::open_on(disk) {
            Err(fault @ Fault::Sealed { .. }) => checked.locked = Some(fault.to_string()),
            Ok(mut archive) => {
                if let Some(torn) = &checked.report.torn_tail {
                    archive.cut_at(torn);
                }
                for shard in archive.shards() {
                    checked.audit(directory, &mut archive, shard);
                }
            }
            Err(fault) if checked.findings.is_empty() => return Err(fault),
            // What is missing has been said.
            Err(_) => {}
        }
        Ok(checked)
    }

    /// Brings a shard back as a start would, and reads whatever its queues refer to.
    fn audit(&mut self, directory: &Path, archive: &mut Archive, shard: ShardId) {
        let restored = match restore_archive(archive, shard, stanchion_shard::Options::default()) {
            Ok(restored) => restored,
            Err(OpenError::Journal(fault @ Fault::Sealed { .. })) => {
                self.locked = Some(fault.to_string());
                return;
            }
            Err(error) => return self.findings.refusal(directory, &error),
        };
        let engine = restored.shard.engine();
        let all: u64 =
            engine.all_queues().map(|queue| queue.counters()).map(|c| c.visible + c.in_flight + c.delayed).sum();
        let mut progress = Ticker::on_terminal(PROGRESS_INTERVAL);
        let mut unreadable = Vec::new();
        let findings = &mut self.findings;
        let audit = audit(
            engine,
            shard,
            archive,
            &mut |audit| progress.tell(|| format!("read {} of {all} messages", audit.messages)),
            &mut |found| match why(&found) {
                // A server that runs may have trimmed it meanwhile: looked at again below.
                Fault::Missing { .. } | Fault::Io { .. } if unreadable.len() < MOVED_MAX => unreadable.push(found),
                _ => findings.unreadable(directory, found),
            },
        );
        let trimmed = |fault: &Fault| match fault {
            Fault::Missing { file, .. } | Fault::Io { file, .. } => inspect::is_trimmed(directory, file),
            _ => false,
        };
        for found in unreadable {
            if !trimmed(why(&found)) {
                self.findings.unreadable(directory, found);
            }
        }
        self.audits.insert(shard, audit);
    }

    fn print(&self, directory: &Path) {
        let report = &self.report;
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
        for (shard, audit) in &self.audits {
            say!(
                "shard {shard}: {}, {}, {}, {} read",
                count(audit.queues as usize, "queue"),
                count(audit.messages as usize, "message"),
                count(audit.pages as usize, "page"),
                size(audit.bytes),
            );
        }
        if let Some(torn) = &report.torn_tail {
            say!(
                "{}; these are remains of a write that was never answered, and the next start cuts them off",
                damage(torn)
            );
        }
        self.findings.print();
        if let Some(locked) = &self.locked {
            say!("not checked: what the queues hold, and whether it is all there: {locked}");
        } else if self.findings.is_empty() {
            say!("every byte that must be there is there");
        }
    }

    fn json(&self, directory: &Path) -> Value {
        let report = &self.report;
        let torn = report
            .torn_tail
            .as_ref()
            .map(|torn| json!({ "file": torn.file.display().to_string(), "offset": torn.offset, "what": torn.reason }));
        let shards = self.audits.iter().map(|(shard, audit)| {
            json!({
                "shard": shard.0,
                "queues": audit.queues,
                "messages": audit.messages,
                "pages": audit.pages,
                "bytes": audit.bytes,
            })
        });
        json!({
            "data_dir": directory.display().to_string(),
            "segments": report.segments,
            "records": report.records,
            "payload_bytes": report.payload_bytes,
            "snapshots": report.snapshots,
            "torn_tail": torn,
            "shards": shards.collect::<Vec<_>>(),
            "locked": self.locked,
            "damages": self.findings.json(),
        })
    }
}

fn why(found: &Found) -> &Fault {
    match found {
        Found::Part(part) => &part.why,
        Found::Originals(why) => why,
    }
}

/// How many parts of queues are looked at again because a running server may have moved them.
const MOVED_MAX: usize = 10_000;
