//! A server that speaks the API of AWS KMS.

mod refusals;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use stanchion_keyring::service::{Answer, Generated, KeyService, Reason, Refusal};
use stanchion_keyring::{DataKey, KEY_BYTES};
use zeroize::Zeroizing;

use crate::credentials::{Credentials, CredentialsSource};
use crate::sign::{self, sign};
use crate::transport::{Place, Response, Transport};
use refusals::refusal;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// The name under which the ARN of the queue stands in the encryption context.
const CONTEXT: &str = "aws:sqs:arn";
/// How often a question is asked before there is no answer.
const TRIES: u32 = 3;
/// How long one try may take.
const TRY: Duration = Duration::from_secs(3);
/// How long the first pause between two tries is; the next one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);
const WRONG_URL: &str = "must be https:// or, on this machine, http://, a host and perhaps a port, without a path";
/// A longer wrapped key is none, in bytes: the service's own bound.
const WRAPPED_MAX: usize = 6144;

/// Where the server is, and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointOptions {
    /// Its URL: `https://`, or `http://` on this machine, with a host and perhaps a port.
    pub url: String,
    /// The region that signatures name.
    pub region: String,
    /// Authorities, in PEM, whose certificates it may have; without them those of the operating system.
    pub authorities: Option<PathBuf>,
    /// The access key with which requests are signed. It is read for each.
    pub credentials: CredentialsSource,
}

/// Why a server cannot be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError(pub(crate) String);

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EndpointError {}

/// Tells whether a URL is one of which a client can be made.
///
/// # Errors
/// What it must be.
pub fn check_url(url: &str) -> Result<(), EndpointError> {
    Place::read(url).map(|_| ()).ok_or_else(|| EndpointError(WRONG_URL.to_owned()))
}

/// A client of a server that speaks the API of AWS KMS. Each question is a connection of its own: there is one for each data
/// key, not for each message.
#[derive(Debug)]
pub struct Endpoint {
    transport: Transport,
    region: String,
    credentials: CredentialsSource,
}

impl Endpoint {
    /// Makes a client; it does not call anybody yet.
    ///
    /// # Errors
    /// What is wrong with the URL or the file of authorities.
    pub fn new(options: EndpointOptions) -> Result<Endpoint, EndpointError> {
        let place = Place::read(&options.url).ok_or_else(|| EndpointError(WRONG_URL.to_owned()))?;
        let transport = Transport::new(place, options.authorities.as_deref())?;
        Ok(Endpoint { transport, region: options.region, credentials: options.credentials })
    }

    /// Asks, and asks again if there is no answer or one that may be another the next time.
    async fn ask(&self, operation: &str, body: &Value) -> Result<Response, Refusal> {
        let body = body.to_string();
        let target = format!("TrentService.{operation}");
        let (mut tries, mut pause) = (0, PAUSE);
        loop {
            tries += 1;
            let outcome = self.ask_once(&target, &body).await;
            let refusal = match outcome {
                Ok(response) if response.status == 200 => return Ok(response),
                Ok(response) => refusal(&response),
                Err(reason) => {
                    let text = format!("{} gives no answer: {reason}", self.transport.authority());
                    Refusal::new(Reason::Unavailable, text)
                }
            };
            if tries == TRIES || !matches!(refusal.reason, Reason::Unavailable | Reason::Throttled) {
                tracing::warn!(endpoint = self.transport.authority(), operation, %refusal, "a key cannot be had");
                return Err(refusal);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn ask_once(&self, target: &str, body: &str) -> Result<Response, String> {
        let credentials = self.credentials().await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = sign::Request {
            host: self.transport.authority(),
            region: &self.region,
            target,
            content_type: CONTENT_TYPE,
            body: body.as_bytes(),
            now,
        };
        let mut headers = vec![("content-type", CONTENT_TYPE), ("x-amz-target", target)];
        let signature = sign(&request, &credentials);
        headers.extend(signature.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = self.transport.post(&headers, body.to_owned());
        tokio::time::timeout(TRY, answer).await.unwrap_or_else(|_| Err(format!("none within {TRY:?}")))
    }

    async fn credentials(&self) -> Result<Credentials, String> {
        let source = self.credentials.clone();
        let loaded = tokio::task::spawn_blocking(move || source.load());
        let loaded = tokio::time::timeout(TRY, loaded).await.map_err(|_| "its credentials take too long".to_owned())?;
        let loaded = loaded.map_err(|error| error.to_string())?;
        loaded.map_err(|error| format!("there are no credentials for it: {error}"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Opened {
    plaintext: Zeroizing<String>,
    ciphertext_blob: Option<String>,
}

impl Opened {
    fn read(&self) -> Option<DataKey> {
        let bytes = Zeroizing::new(BASE64.decode(self.plaintext.as_bytes()).ok()?);
        let secret: [u8; KEY_BYTES] = bytes.as_slice().try_into().ok()?;
        Some(DataKey::new(Zeroizing::new(secret)))
    }
}

fn opened(response: &Response) -> Result<(DataKey, Opened), Refusal> {
    let nonsense = || Refusal::new(Reason::Unavailable, "the answer of the key management service makes no sense");
    // The parser's own words could quote the key.
    let opened: Opened = serde_json::from_slice(&response.body).map_err(|_| nonsense())?;
    let key = opened.read().ok_or_else(nonsense)?;
    Ok((key, opened))
}

impl KeyService for Endpoint {
    fn generate<'a>(&'a self, key: &'a str, context: &'a str) -> Answer<'a, Generated> {
        Box::pin(async move {
            let body = json!({ "KeyId": key, "KeySpec": "AES_256", "EncryptionContext": { CONTEXT: context } });
            let (key, opened) = opened(&self.ask("GenerateDataKey", &body).await?)?;
            let wrapped = opened.ciphertext_blob.as_deref().and_then(|blob| BASE64.decode(blob.as_bytes()).ok());
            match wrapped.filter(|wrapped| (1..=WRAPPED_MAX).contains(&wrapped.len())) {
                Some(wrapped) => Ok(Generated { key, wrapped }),
                None => Err(Refusal::new(Reason::Unavailable, "the key management service wrapped no data key")),
            }
        })
    }

    fn open<'a>(&'a self, wrapped: &'a [u8], context: &'a str) -> Answer<'a, DataKey> {
        Box::pin(async move {
            let body = json!({ "CiphertextBlob": BASE64.encode(wrapped), "EncryptionContext": { CONTEXT: context } });
            Ok(opened(&self.ask("Decrypt", &body).await?)?.0)
        })
    }
}

#[cfg(test)]
mod tests;
