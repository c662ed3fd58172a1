//! A key management service that does what a test says.

use std::sync::{Mutex, mpsc};

use stanchion_keyring::service::{Answer, Generated, KeyService, Reason, Refusal};
use stanchion_keyring::{DataKey, KEY_BYTES};

/// It has any key. What it wraps is in the clear, with the name of the key and the context in front.
///
/// While it is there, a clock that was stopped moves only when a test moves it.
#[derive(Debug)]
pub(crate) struct Service {
    state: Mutex<State>,
    _still: mpsc::Sender<()>,
}

impl Default for Service {
    fn default() -> Self {
        let (sender, ended) = mpsc::channel();
        // A stopped clock jumps to the next deadline when nothing runs; a blocking task counts as running.
        drop(tokio::task::spawn_blocking(move || ended.recv()));
        Service { state: Mutex::default(), _still: sender }
    }
}

#[derive(Debug, Default)]
struct State {
    asked: Vec<String>,
    refusals: Vec<(String, Reason)>,
    hangs: bool,
    drawn: u8,
}

impl Service {
    /// Returns what it was asked for since the start, or since it was told to forget that.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    pub(crate) fn forget_asked(&self) {
        self.state.lock().unwrap().asked.clear();
    }

    /// Refuses a key from now on, or no more.
    pub(crate) fn refuse(&self, key: &str, reason: Option<Reason>) {
        let mut state = self.state.lock().unwrap();
        state.refusals.retain(|(refused, _)| refused != key);
        state.refusals.extend(reason.map(|reason| (key.to_owned(), reason)));
    }

    /// Gives no answer from now on, or answers again.
    pub(crate) fn hang(&self, hangs: bool) {
        self.state.lock().unwrap().hangs = hangs;
    }

    async fn ask(&self, what: &str, key: &str, context: &str) -> Result<(), Refusal> {
        let (hangs, refusal) = {
            let mut state = self.state.lock().unwrap();
            state.asked.push(format!("{what} {key} for {context}"));
            let refused = state.refusals.iter().find(|(refused, _)| refused == key);
            (state.hangs, refused.map(|(_, reason)| Refusal::new(*reason, "words of the service")))
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        refusal.map_or(Ok(()), Err)
    }
}

impl KeyService for Service {
    fn generate<'a>(&'a self, key: &'a str, context: &'a str) -> Answer<'a, Generated> {
        Box::pin(async move {
            self.ask("generate", key, context).await?;
            let mut state = self.state.lock().unwrap();
            state.drawn += 1;
            let secret = [state.drawn; KEY_BYTES];
            let wrapped = [format!("{key} {context} ").as_bytes(), &secret].concat();
            Ok(Generated { key: DataKey::new(secret.into()), wrapped })
        })
    }

    fn open<'a>(&'a self, wrapped: &'a [u8], context: &'a str) -> Answer<'a, DataKey> {
        Box::pin(async move {
            let (names, secret) = wrapped.split_last_chunk::<KEY_BYTES>().expect("what this service has wrapped");
            let names = std::str::from_utf8(names).expect("names");
            let (key, own) = names.trim_end().split_once(' ').expect("a key and a context");
            assert_eq!(own, context, "the context is that of the wrapping");
            self.ask("open", key, context).await?;
            Ok(DataKey::new((*secret).into()))
        })
    }
}
