//! The file that the durable rungs write, with group commit: while one sync
//! runs, the messages of the next one gather.
//!
//! Two ways to do it, because nobody knows beforehand which is cheaper: a
//! thread that writes for all, or whoever serves a request writes for those
//! who came meanwhile.

mod file;
mod serving;
mod thread;

use file::LogFile;
use serving::Serving;
use std::io;
use std::path::Path;
use thread::Thread;

/// Who syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Syncing {
    /// A serving thread.
    Serving,
    /// A thread that does nothing else.
    Thread,
}

/// A file that messages are appended to.
pub(super) enum Log {
    Serving(Serving),
    Thread(Thread),
}

/// A write or sync has failed; nobody knows what is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed;

/// The bytes of messages that will be written together.
#[derive(Debug, Default)]
struct Gathered(Vec<u8>);

impl Gathered {
    /// This function adds a message: lengths, id, body.
    fn push(&mut self, id: &[u8; 16], body: &str) {
        let length = u32::try_from(body.len()).expect("a body is shorter than a request may be");
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(id);
        self.0.extend_from_slice(body.as_bytes());
    }
}

impl Log {
    /// This function makes the file, `bytes` zeros long.
    ///
    /// # Errors
    ///
    /// The system's reason.
    pub(super) fn open(path: &Path, bytes: u64, syncing: Syncing) -> io::Result<Self> {
        let file = LogFile::create(path, bytes)?;
        Ok(match syncing {
            Syncing::Serving => Self::Serving(Serving::new(file)),
            Syncing::Thread => Self::Thread(Thread::start(file)?),
        })
    }

    /// This function appends messages and returns when they are synced.
    ///
    /// # Errors
    ///
    /// [`Failed`], now and for ever after, when they could not be.
    pub(super) async fn append<'a>(
        &'static self,
        messages: impl IntoIterator<Item = (&'a [u8; 16], &'a str)>,
    ) -> Result<(), Failed> {
        let gather = |gathered: &mut Gathered| {
            for (id, body) in messages {
                gathered.push(id, body);
            }
        };
        match self {
            Self::Serving(log) => log.append(gather).await,
            Self::Thread(log) => log.append(gather).await,
        }
    }
}
