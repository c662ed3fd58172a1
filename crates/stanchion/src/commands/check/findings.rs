//! What a check found, in words and in JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stanchion_broker::{Found, Part, Unreadable};
use stanchion_journal::Fault;
use stanchion_journal::inspect::Damage;
use stanchion_types::QueueArn;

use crate::words::{count, say};

/// How many findings are printed one by one.
const PRINTED_MAX: usize = 50;
/// How many findings are kept, for JSON. Beyond it they are only counted.
const KEPT_MAX: usize = 10_000;

/// Something that is wrong.
struct Finding {
    file: PathBuf,
    /// In bytes; `None` if it is about the file as a whole.
    offset: Option<u64>,
    what: String,
    /// What a user loses by it, if that is known.
    means: Option<String>,
}

/// What has been found so far. Its size is bounded, however much is wrong.
#[derive(Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    total: usize,
    /// Messages that cannot be delivered, by queue.
    undeliverable: BTreeMap<QueueArn, u64>,
}

impl Findings {
    /// Tells whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Returns how much is wrong.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Tells whether nothing but the files given is wrong.
    pub(super) fn are_only_in(&self, files: &[PathBuf]) -> bool {
        self.total == self.kept.len() && self.kept.iter().all(|finding| files.contains(&finding.file))
    }

    /// Returns the files of a directory in which something is wrong.
    pub(super) fn files_in(&self, directory: &Path) -> Vec<PathBuf> {
        let inside = self.kept.iter().filter(|finding| finding.file.parent() == Some(directory));
        let mut files: Vec<_> = inside.map(|finding| finding.file.clone()).collect();
        files.sort();
        files.dedup();
        files
    }

    /// Adds something that is wrong with a file as a whole.
    pub(super) fn file(&mut self, file: &Path, what: impl Into<String>, means: &str) {
        self.add(Finding { file: file.to_owned(), offset: None, what: what.into(), means: Some(means.to_owned()) });
    }

    /// Adds damaged bytes.
    pub(super) fn damage(&mut self, damage: Damage, means: Option<&str>) {
        let Damage { file, offset, reason } = damage;
        self.add(Finding { file, offset: Some(offset), what: reason, means: means.map(str::to_owned) });
    }

    /// Adds what keeps a directory from being used.
    pub(super) fn refusal(&mut self, directory: &Path, reason: impl ToString) {
        let means = "a server refuses to start on this directory; `stanchion check --repair` saves what it can";
        self.file(directory, reason.to_string(), means);
    }

    /// Adds something that the queues need and that cannot be read.
    pub(super) fn unreadable(&mut self, directory: &Path, found: Found) {
        let (why, means) = match found {
            Found::Part(Unreadable { queue, part, why }) => {
                let (messages, means) = match part {
                    Part::Message(id) => (1, format!("message {id} of {queue} cannot be delivered")),
                    Part::Page { messages } => {
                        let words = count(messages as usize, "message");
                        (u64::from(messages), format!("{words} of {queue} cannot be delivered"))
                    }
                };
                *self.undeliverable.entry(queue).or_default() += messages;
                (why, means)
            }
            Found::Originals(why) => (
                why,
                "messages sent in the last five minutes may not be recognized when they are sent again".to_owned(),
            ),
        };
        let (file, offset, what) = place(directory, why);
        self.add(Finding { file, offset, what, means: Some(means) });
    }

    fn add(&mut self, finding: Finding) {
        self.total += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(finding);
        }
    }

    /// Prints the first findings and sums up the rest.
    pub(super) fn print(&self) {
        for finding in self.kept.iter().take(PRINTED_MAX) {
            let offset = finding.offset.map(|offset| format!(" at offset {offset}")).unwrap_or_default();
            say!("damaged: {}{offset}: {}", finding.file.display(), finding.what);
            if let Some(means) = &finding.means {
                say!("    {means}");
            }
        }
        if self.total > PRINTED_MAX {
            say!("and {} more; --json lists up to {KEPT_MAX}", self.total - PRINTED_MAX);
        }
        for (queue, messages) in &self.undeliverable {
            say!("{queue}: {} cannot be delivered", count(*messages as usize, "message"));
        }
    }

    /// Returns the findings as JSON.
    pub(super) fn json(&self) -> Value {
        let findings = self.kept.iter().map(|finding| {
            json!({
                "file": finding.file.display().to_string(),
                "offset": finding.offset,
                "what": finding.what,
                "means": finding.means,
            })
        });
        let undeliverable = self.undeliverable.iter().map(|(queue, messages)| (queue.to_string(), json!(messages)));
        json!({
            "total": self.total,
            "listed": findings.collect::<Vec<_>>(),
            "undeliverable": undeliverable.collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// Returns where a fault is, and what it is.
fn place(directory: &Path, fault: Fault) -> (PathBuf, Option<u64>, String) {
    let text = fault.to_string();
    match fault {
        Fault::Corrupt { file, offset, reason } => (file, Some(offset), reason),
        Fault::Missing { file, reason } => (file, None, reason),
        Fault::Io { file, .. } => (file, None, text),
        _ => (directory.to_owned(), None, text),
    }
}
