//! The command line.

use std::fmt;

use crate::settings::Flags;

/// A durable queue server that speaks the Amazon SQS API.
///
/// `stanchion serve` keeps its queues in ./stanchion-data, listens on 127.0.0.1:9324, and prints a command line to
/// try it with. Any SQS client works against it once it is told the endpoint; credentials can be anything.
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

    /// Loads an SQS endpoint and reports throughput, latency and CPU per message.
    Bench(Box<stanchion_bench::Options>),

    /// Measures what a deep backlog costs, on servers that it starts itself.
    Depth(Box<stanchion_bench::depth::Options>),
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
}

const SERVE_EXAMPLES: &str = "\
Examples:
  stanchion serve
      Queues in ./stanchion-data, on 127.0.0.1:9324.

  stanchion serve --data-dir /var/lib/stanchion --listen 0.0.0.0:9324 --insecure-anonymous
      Reachable from other machines, where anybody can use the queues.

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
