//! Those who read contents that a reply has told them of.
//!
//! A message may be deleted, purged or moved right after it was handed out. Whoever was told where its content was reads
//! it there all the same, so the journal forgets the place only when they are done.

use tokio::sync::watch;

/// Everybody who has been told of contents since some moment.
#[derive(Debug)]
pub(crate) struct Readers {
    here: watch::Sender<()>,
}

/// One of them, as long as this value lives.
#[derive(Debug)]
pub(crate) struct Reading {
    _here: watch::Receiver<()>,
}

impl Default for Readers {
    fn default() -> Self {
        Readers { here: watch::Sender::new(()) }
    }
}

impl Readers {
    /// Lets one more in.
    pub(super) fn join(&self) -> Reading {
        Reading { _here: self.here.subscribe() }
    }

    /// Waits until all of them are gone.
    pub(super) async fn gone(self) {
        self.here.closed().await;
    }
}
