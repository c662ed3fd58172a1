//! The command line.

use std::fmt;
use std::path::PathBuf;

use crate::settings::{DataFlags, Flags};

/// A durable queue server that speaks the Amazon SQS API.
///
/// `stanchion serve` keeps its queues in ./stanchion-data, listens on 127.0.0.1:9324, and prints a command line to
/// try it with. Any SQS client works against it once it is told the endpoint; without a file of credentials they can be
/// anything.
#[derive(clap::Parser, Debug)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Serves queues until SIGTERM or SIGINT.
    ///
    /// On the first signal the server stops accepting, answers what is in flight, hands long polls back, writes a
    /// snapshot and leaves with exit code 0. A second signal makes it leave at once: nothing acknowledged is lost by
    /// that, the next start merely has more to replay.
    ///
    /// Every setting can be given as a flag, as an environment variable, or in a TOML file, which win in this order.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Flags),

    /// Prints the settings in effect, each with where it comes from, and checks the data directory.
    ///
    /// Every byte of the journal is read, the queues are brought back as a start would, and every message that they
    /// hold is read as a consumer would. Without --repair nothing is changed, and a server may be running on the
    /// directory. Exit code 1 means that something is wrong with the directory, 2 that a setting is wrong.
    Check(CheckArguments),

    /// Shows what a data directory holds: segments, snapshots and queues.
    ///
    /// Nothing is changed. While a server is running on the directory the answer may be a moment old.
    Inspect(InspectArguments),

    /// Copies all queues to a directory of backups, while the server runs or when it is stopped.
    ///
    /// A backup shows one moment: everything that was acknowledged before the command began is in it. Full segments of
    /// the journal are stored once for all backups of the directory, so the next backup copies only what is new. Every
    /// copy is read back and checked, and a backup that was interrupted is none. What is encrypted
    /// stays so: the keyring is not in it, and a restore needs it.
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArguments),

    /// Makes a data directory of a backup.
    ///
    /// Every byte is checked. The directory must be new or empty; it is a server's own as it was at the moment of the
    /// backup, receipt handles included.
    Restore(RestoreArguments),

    /// Writes queues with their messages as JSON lines, while the server runs or when it is stopped.
    ///
    /// Nothing is received by that: receive counts and order stay as they are. First a line for each queue, then a line
    /// for each message.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArguments),

    /// Adds the queues and messages of JSON lines to a running server.
    ///
    /// Messages keep their ids, ages, receive counts and order, and stand behind what is there. A queue that is missing
    /// is created; one that is there keeps its attributes. Importing a file twice adds its messages twice.
    Import(ImportArguments),

    /// Makes access keys.
    Keys(KeysArguments),

    /// Explains what callers may do.
    Policy(PolicyArguments),

    /// Makes keyrings, and changes the key that the data keys of a data directory are wrapped under.
    #[command(subcommand)]
    Keyring(KeyringCommand),

    /// Loads an SQS endpoint and reports throughput, latency and CPU per message.
    Bench(Box<stanchion_bench::Options>),

    /// Measures what a deep backlog costs, on servers that it starts itself.
    Depth(Box<stanchion_bench::depth::Options>),
}

/// What to do about access keys.
#[derive(clap::Args, Debug)]
pub(crate) struct KeysArguments {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(clap::Subcommand, Debug)]
pub(crate) enum KeysCommand {
    /// Makes an access key, writes it into the file of credentials, and prints it as two variables of the environment.
    ///
    /// It is printed this once. A server that uses the file knows the key within seconds.
    Create {
        /// File of credentials. Made if it does not exist, readable by its owner only.
        #[arg(long, value_name = "FILE", env = "STANCHION_CREDENTIALS")]
        credentials: PathBuf,
        /// Account of the key, 12 digits.
        #[arg(long, value_name = "ID")]
        account: String,
        /// User of the account. A user that is new may do nothing until the file gives him a policy. Without it, the key is
        /// the account's own and may do everything there.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

/// What to explain.
#[derive(clap::Args, Debug)]
pub(crate) struct PolicyArguments {
    #[command(subcommand)]
    pub(crate) command: PolicyCommand,
}

#[derive(clap::Subcommand, Debug)]
pub(crate) enum PolicyCommand {
    /// Tells whether somebody may do something, and which statement decides that.
    ///
    /// Exit code 1 means that he may not. The queue's policy is read from the data directory, and nothing is changed.
    Simulate(SimulateArguments),
}

/// Who wants to do what.
#[derive(clap::Args, Debug)]
pub(crate) struct SimulateArguments {
    /// Name or ARN of a user or role, ARN of a session, the number of an account for the account itself, or anonymous.
    #[arg(long = "as", value_name = "CALLER")]
    pub(crate) caller: String,
    /// File with a policy that the session of a role must keep within.
    #[arg(long, value_name = "FILE")]
    pub(crate) session_policy: Option<PathBuf>,
    /// Action, such as sqs:SendMessage.
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: String,
    /// Queue, by ARN or by its name in the user's account.
    #[arg(long, value_name = "QUEUE")]
    pub(crate) queue: String,
    /// Address that the request comes from.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source_ip: Option<std::net::IpAddr>,
    /// File of credentials. Without it, the one of the settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataFlags,
}

/// What to do with a keyring.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum KeyringCommand {
    /// Writes a keyring with one new key into a new file, readable by its owner only.
    Create {
        /// File to write.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Wraps the data keys of a data directory under a new key, while the server runs.
    ///
    /// If the keyring is a file, a new key is added to it and becomes the primary one. The server then reads the keyring
    /// again and wraps all data keys under its primary key. Nothing else is written: messages stay as they are. If no
    /// server runs, the next start does it. Earlier keys are only needed for earlier backups afterwards.
    Rotate {
        #[command(flatten)]
        data: DataFlags,
    },
}

/// What to back up, and where to.
#[derive(clap::Args, Debug)]
pub(crate) struct BackupArguments {
    /// Directory of backups. Made if it does not exist, readable by its owner only.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// Lists the backups of the directory instead of making one.
    #[arg(long)]
    pub(crate) list: bool,
    /// Reads every backup of the directory and compares it with its checksums, instead of making one. Exit code 1 means
    /// that something is damaged or missing.
    #[arg(long, conflicts_with = "list")]
    pub(crate) verify: bool,
    /// Removes the oldest backups afterwards, until so many are left.
    #[arg(long, value_name = "NUMBER", value_parser = at_least_one)]
    pub(crate) keep: Option<usize>,
    #[command(flatten)]
    pub(crate) data: DataFlags,
}

/// What to restore, and where to.
#[derive(clap::Args, Debug)]
pub(crate) struct RestoreArguments {
    /// Directory of backups.
    #[arg(long, value_name = "DIR")]
    pub(crate) from: PathBuf,
    /// Name of the backup, as `backup --list` shows it. Without it, the newest.
    #[arg(long, value_name = "NAME")]
    pub(crate) backup: Option<String>,
    /// Data directory to make: new, or empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
}

/// What to export, and where to.
#[derive(clap::Args, Debug)]
pub(crate) struct ExportArguments {
    /// Names of queues.
    #[arg(required_unless_present = "all", value_name = "QUEUE")]
    pub(crate) queues: Vec<String>,
    /// Exports every queue.
    #[arg(long, conflicts_with = "queues")]
    pub(crate) all: bool,
    /// File to write instead of standard output. It appears when it is complete.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Writes text that anybody can read, instead of sealing it under the keyring.
    #[arg(long)]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) data: DataFlags,
}

/// What to import.
#[derive(clap::Args, Debug)]
pub(crate) struct ImportArguments {
    /// File that an export has written, or of JSON lines, or - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Queue for all messages, whatever their lines say.
    #[arg(long, value_name = "NAME")]
    pub(crate) queue: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataFlags,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "must be a number from 1 on".to_owned())
}

/// How to check.
#[derive(clap::Args, Debug)]
pub(crate) struct CheckArguments {
    /// Prints one JSON object instead of words, with up to 10,000 findings.
    #[arg(long, conflicts_with = "repair")]
    pub(crate) json: bool,
    /// Saves what can be saved of a damaged directory and lists what is lost.
    ///
    /// No server may be using the directory. Everything that can be read is copied, so there must be room for it; what was
    /// there before is kept beside it as journal.damaged-1 and so on. Whatever was in flight becomes visible again.
    #[arg(long)]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// What to inspect.
#[derive(clap::Args, Debug)]
pub(crate) struct InspectArguments {
    /// Which part to show.
    #[arg(value_enum, default_value = "all")]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// A part of a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// Everything.
    All,
    /// The files of the journal.
    Segments,
    /// The snapshots.
    Snapshots,
    /// The queues, with their attributes and counters.
    Queues,
    /// How many requests the running server has refused for who sent them.
    Refused,
}

const BACKUP_EXAMPLES: &str = "\
Examples:
  stanchion backup --data-dir /var/lib/stanchion --to /backup/stanchion --keep 7
      One more backup, and no more than seven.

  stanchion backup --to /backup/stanchion --list
      Which there are.

  stanchion backup --to /backup/stanchion --verify
      Whether they are as they were written.

  stanchion restore --from /backup/stanchion --data-dir /var/lib/stanchion-restored
      The newest of them as a data directory.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  stanchion export orders --output orders.jsonl
      One queue to a file.

  stanchion export --all --data-dir old | stanchion import - --data-dir new
      Every queue from one server to another.";

const SERVE_EXAMPLES: &str = "\
Examples:
  stanchion serve
      Queues in ./stanchion-data, on 127.0.0.1:9324.

  stanchion serve --data-dir /var/lib/stanchion --listen 0.0.0.0:9324 --insecure-anonymous
      Reachable from other machines, where anybody can use the queues.

  stanchion serve --listen 0.0.0.0:9324 --credentials credentials.toml
      Reachable from other machines, for those whom the file knows.

  STANCHION_DURABILITY=interval=20 stanchion serve --config stanchion.toml
      Settings and declared queues from a file, one of them overridden.";

/// Why a command ended badly, and the exit code that says so.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) code: u8,
    text: String,
}

impl Stop {
    /// Something went wrong at work: exit code 1.
    pub(crate) fn failed(text: impl fmt::Display) -> Self {
        Stop { code: 1, text: text.to_string() }
    }

    /// The settings are wrong: exit code 2.
    pub(crate) fn misused(text: impl fmt::Display) -> Self {
        Stop { code: 2, text: text.to_string() }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
