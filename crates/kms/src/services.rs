//! The services of a server as one.

use std::sync::Arc;

use stanchion_keyring::DataKey;
use stanchion_keyring::service::{Answer, Generated, KeyService, LocalKeys, Reason, Refusal};

use crate::endpoint::Endpoint;

/// What a wrapped data key begins with: which service opens it.
const LOCAL: u8 = b'l';
const REMOTE: u8 = b'k';

/// The key management services of a server. New data keys come from the endpoint if there is one, else from the keyring;
/// each data key is opened by the service that it came from.
#[derive(Debug, Default)]
pub struct Services {
    /// The keyring.
    pub local: Option<Arc<LocalKeys>>,
    /// A server that speaks the API of AWS KMS.
    pub endpoint: Option<Endpoint>,
}

impl Services {
    fn remote(&self) -> Result<&Endpoint, Refusal> {
        let text = "the data key came from a key management service, and none is configured";
        self.endpoint.as_ref().ok_or_else(|| Refusal::new(Reason::NotFound, text))
    }

    fn local(&self) -> Result<&LocalKeys, Refusal> {
        let text = "the key of the queue is in a keyring, and there is none";
        self.local.as_deref().ok_or_else(|| Refusal::new(Reason::NotFound, text))
    }
}

impl KeyService for Services {
    fn generate<'a>(&'a self, key: &'a str, context: &'a str) -> Answer<'a, Generated> {
        Box::pin(async move {
            let (mark, generated) = match &self.endpoint {
                Some(endpoint) => (REMOTE, endpoint.generate(key, context).await?),
                None => (LOCAL, self.local()?.generate(key, context).await?),
            };
            let wrapped = [&[mark], &generated.wrapped[..]].concat();
            Ok(Generated { wrapped, ..generated })
        })
    }

    fn open<'a>(&'a self, wrapped: &'a [u8], context: &'a str) -> Answer<'a, DataKey> {
        Box::pin(async move {
            match wrapped.split_first() {
                Some((&LOCAL, wrapped)) => self.local()?.open(wrapped, context).await,
                Some((&REMOTE, wrapped)) => self.remote()?.open(wrapped, context).await,
                _ => Err(Refusal::new(Reason::Damaged, "the wrapped data key is of no known service")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use stanchion_keyring::Keyring;

    use super::*;

    #[tokio::test]
    async fn without_an_endpoint_keys_are_those_of_the_keyring() {
        let keyring = Arc::new(Keyring::draw("a").expect("drawn"));
        let services = Services { local: Some(Arc::new(LocalKeys::new(keyring))), endpoint: None };
        let made = services.generate("alias/a", "q").await.expect("made");
        services.open(&made.wrapped, "q").await.expect("opens");
        assert_eq!(services.generate("alias/b", "q").await.expect_err("no such key").reason, Reason::NotFound);
        let remote = [&[REMOTE], &made.wrapped[1..]].concat();
        assert_eq!(services.open(&remote, "q").await.expect_err("no endpoint").reason, Reason::NotFound);
        for damaged in [&b""[..], b"x"] {
            assert_eq!(services.open(damaged, "q").await.expect_err("damaged").reason, Reason::Damaged);
        }
        let nothing = Services::default();
        assert_eq!(nothing.generate("a", "q").await.expect_err("nothing there").reason, Reason::NotFound);
        assert_eq!(nothing.open(&made.wrapped, "q").await.expect_err("nothing there").reason, Reason::NotFound);
    }
}
