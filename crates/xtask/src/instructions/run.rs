//! One server under callgrind, and the requests that it gets.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use super::client::{Client, values};
use crate::process;

/// How many requests of each kind a run makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sends: u64,
    pub(super) query_sends: u64,
    pub(super) fifo_sends: u64,
    pub(super) batches: u64,
    pub(super) empty_receives: u64,
    pub(super) receives: u64,
    pub(super) deletes: u64,
}

impl Counts {
    #[cfg(test)]
    pub(super) fn sum(&self) -> u64 {
        let Self { sends, query_sends, fifo_sends, batches, empty_receives, receives, deletes } = self;
        sends + query_sends + fifo_sends + batches + empty_receives + receives + deletes
    }
}

/// Batches that every run puts into the queue that is received from: as many as the longest run needs.
const SUPPLY: u64 = 720;
/// Longer than any run.
const VISIBILITY_SECONDS: u64 = 43_200;
/// The groups that FIFO messages walk through.
const GROUPS: u64 = 100;
const BODY_BYTES: usize = 1024;
/// Runs that go on at the same time.
const AT_ONCE: usize = 2;
/// How long a server may take to end, under callgrind on a busy machine.
const END: Duration = Duration::from_secs(120);

/// This function makes a run of each set and gives the instructions of each.
///
/// # Errors
///
/// A sentence when a server does not start, does not do what it is asked, or does not end well.
pub(super) fn all(sets: &[Counts]) -> Result<Vec<u64>, String> {
    let directory = process::target().join("instructions");
    fs::create_dir_all(&directory).map_err(|source| format!("{}: {source}", directory.display()))?;
    let next = AtomicUsize::new(0);
    let totals: Vec<Mutex<Result<u64, String>>> = sets.iter().map(|_| Mutex::new(Ok(0))).collect();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Relaxed);
                    let Some(set) = sets.get(at) else { return };
                    let total = one(set, &directory.join(at.to_string()));
                    *totals[at].lock().expect("nobody panics with it") = total;
                }
            });
        }
    });
    totals.into_iter().map(|total| total.into_inner().expect("nobody panics with it")).collect()
}

fn one(set: &Counts, directory: &Path) -> Result<u64, String> {
    let home = Home::make(directory)?;
    let counts = home.0.join("callgrind.out");
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", counts.display()));
    command.arg(process::target().join("release").join("stanchion"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--worker-threads", "1", "--sixty-second-rules=off"]);
    command.arg("--data-dir").arg(home.0.join("data")).current_dir(&home.0);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STANCHION_")) {
        command.env_remove(name);
    }
    let log = home.0.join("log");
    let file = File::create(&log).map_err(|source| format!("{}: {source}", log.display()))?;
    command.stdout(Stdio::piped()).stderr(file);
    let mut server = Server(process::spawn(&mut command)?);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let endpoint = server.endpoint().ok_or_else(|| format!("the server did not start under callgrind:\n{}", said()))?;
    ask(&mut Client::open(&endpoint)?, set)?;
    server.end().map_err(|what| format!("the server {what}:\n{}", said()))?;
    let text = fs::read_to_string(&counts).map_err(|source| format!("{}: {source}", counts.display()))?;
    total(&text).ok_or_else(|| format!("{} has no total", counts.display()))
}

/// The sum that callgrind writes at the end.
fn total(counts: &str) -> Option<u64> {
    counts.lines().rev().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
}

/// Makes the requests of a run, one after the other.
fn ask(client: &mut Client, set: &Counts) -> Result<(), String> {
    let queues = ["sent", "supply", "empty", "ordered.fifo"];
    let mut urls = Vec::new();
    for name in queues {
        let fifo = if name.ends_with(".fifo") { r#","Attributes":{"FifoQueue":"true"}"# } else { "" };
        let answer = client.json("CreateQueue", &format!(r#"{{"QueueName":"{name}"{fifo}}}"#))?;
        let url = values(&answer, "QueueUrl").first().map(|url| (*url).to_owned());
        urls.push(url.ok_or_else(|| format!("CreateQueue: no address in {answer}"))?);
    }
    let [sent, supply, empty, ordered] = urls.try_into().expect("as many as there are queues");
    let text: String = ('a'..='z').cycle().take(BODY_BYTES).collect();
    let batch = |queue: &str| {
        let entries: Vec<_> = (0..10).map(|number| format!(r#"{{"Id":"{number}","MessageBody":"{text}"}}"#)).collect();
        format!(r#"{{"QueueUrl":"{queue}","Entries":[{}]}}"#, entries.join(","))
    };
    let send = format!(r#"{{"QueueUrl":"{sent}","MessageBody":"{text}"}}"#);
    let encoded = sent.replace(':', "%3A").replace('/', "%2F");
    let form = format!("Action=SendMessage&Version=2012-11-05&QueueUrl={encoded}&MessageBody={text}");
    let (batches, supplies) = (batch(&sent), batch(&supply));
    for _ in 0..SUPPLY {
        client.json("SendMessageBatch", &supplies)?;
    }
    for _ in 0..set.sends {
        client.json("SendMessage", &send)?;
    }
    for _ in 0..set.query_sends {
        client.query(&form)?;
    }
    for number in 0..set.fifo_sends {
        let ids = format!(r#""MessageGroupId":"group-{:03}","MessageDeduplicationId":"{number:08}""#, number % GROUPS);
        client.json("SendMessage", &format!(r#"{{"QueueUrl":"{ordered}","MessageBody":"{text}",{ids}}}"#))?;
    }
    for _ in 0..set.batches {
        client.json("SendMessageBatch", &batches)?;
    }
    let receive = |queue: &str| {
        format!(r#"{{"QueueUrl":"{queue}","MaxNumberOfMessages":10,"VisibilityTimeout":{VISIBILITY_SECONDS}}}"#)
    };
    for _ in 0..set.empty_receives {
        let answer = client.json("ReceiveMessage", &receive(&empty))?;
        if !values(&answer, "Body").is_empty() {
            return Err("ReceiveMessage: a message in an empty queue".to_owned());
        }
    }
    let mut entries = Vec::new();
    for _ in 0..set.receives {
        let answer = client.json("ReceiveMessage", &receive(&supply))?;
        let handles = values(&answer, "ReceiptHandle").into_iter().enumerate();
        let deletions: Vec<_> =
            handles.map(|(id, handle)| format!(r#"{{"Id":"{id}","ReceiptHandle":"{handle}"}}"#)).collect();
        if deletions.len() != 10 {
            return Err(format!("ReceiveMessage: {} messages of 10", deletions.len()));
        }
        entries.push(deletions.join(","));
    }
    for entries in entries.iter().take(usize::try_from(set.deletes).unwrap_or(usize::MAX)) {
        client.json("DeleteMessageBatch", &format!(r#"{{"QueueUrl":"{supply}","Entries":[{entries}]}}"#))?;
    }
    Ok(())
}

/// A directory that goes with this value.
struct Home(PathBuf);

impl Home {
    fn make(path: &Path) -> Result<Self, String> {
        // What a run that was broken off has left.
        let _ = fs::remove_dir_all(path);
        fs::create_dir_all(path).map_err(|source| format!("{}: {source}", path.display()))?;
        Ok(Self(path.to_path_buf()))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Left-over data is a nuisance, not a failure; the directory is below the target directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server; it ends with this value.
struct Server(Child);

impl Server {
    /// Waits for the line with the address. Without one the process has ended, which closes its output.
    fn endpoint(&mut self) -> Option<String> {
        let mut lines = BufReader::new(self.0.stdout.take()?).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.trim().strip_prefix("endpoint: ").map(str::to_owned));
        // Nobody needs the rest, but a closed pipe would be an error for the server.
        thread::spawn(move || lines.for_each(drop));
        address
    }

    /// Asks the server to end, which is when callgrind writes what it has counted.
    fn end(mut self) -> Result<(), String> {
        let asked = Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            return Err("ended before it was asked to".to_owned());
        }
        match process::wait(&mut self.0, END) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("did not end well: {status}")),
            None => Err(format!("did not end in {END:?}")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, unless something failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_total_is_the_last_line_of_its_name() {
        let counts = "# callgrind format\nsummary: 12\n\nfn=(1) main\n0 12\n\ntotals: 4711\n";
        assert_eq!(total(counts), Some(4711));
        assert_eq!(total("totals: \n"), None);
    }
}
