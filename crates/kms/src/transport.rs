//! One request over one connection.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::endpoint::EndpointError;

/// A longer answer makes no sense, in bytes.
const ANSWER_MAX: usize = 64 << 10;

/// An answer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// A way to a server.
pub(crate) struct Transport {
    host: String,
    port: u16,
    authority: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// Where a server is.
pub(crate) struct Place {
    host: String,
    port: u16,
    authority: String,
    /// The name that its certificate must have, if it is to be called by HTTPS.
    secure: Option<ServerName<'static>>,
}

impl Place {
    /// Reads a URL; `None` if it is none, or would send keys over a network in the clear.
    pub(crate) fn read(url: &str) -> Option<Place> {
        let url: Uri = url.parse().ok()?;
        let (scheme, authority) = (url.scheme()?, url.authority()?);
        if url.path() != "/" || url.query().is_some() || authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let own = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let (secure, port) = match scheme {
            scheme if *scheme == Scheme::HTTPS => (Some(ServerName::try_from(host.clone()).ok()?), 443),
            scheme if *scheme == Scheme::HTTP && own => (None, 80),
            _ => return None,
        };
        let port = authority.port_u16().unwrap_or(port);
        Some(Place { host, port, authority: authority.as_str().to_owned(), secure })
    }
}

impl Transport {
    /// Makes a way to a server.
    ///
    /// # Errors
    /// What is wrong with the file of authorities.
    pub(crate) fn new(place: Place, authorities: Option<&Path>) -> Result<Transport, EndpointError> {
        let Place { host, port, authority, secure } = place;
        let connector = |name| Ok((TlsConnector::from(Arc::new(config(authorities)?)), name));
        let tls = secure.map(connector).transpose()?;
        Ok(Transport { host, port, authority, tls })
    }

    /// Returns host and port as the header `host` has them.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Posts a body.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: String) -> Result<Response, String> {
        let words = |error: &dyn fmt::Display| error.to_string();
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| words(&error))?;
        match &self.tls {
            None => self.converse(stream, headers, body).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(|error| words(&error))?;
                self.converse(stream, headers, body).await
            }
        }
    }

    async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Response, String> {
        let mut request = Request::builder().method(Method::POST).uri("/").header("host", &self.authority);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        // The connection goes with whoever waits for the answer.
        let _guard = Guard(connection.abort_handle());
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|error| error.to_string())?;
        let body: Vec<u8> = body.to_bytes().into();
        Ok(Response { status, body: Zeroizing::new(body) })
    }
}

struct Guard(tokio::task::AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn config(authorities: Option<&Path>) -> Result<ClientConfig, EndpointError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => {
            let failed = |why: &dyn fmt::Display| EndpointError(format!("file {}: {why}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
                let certificate = certificate.map_err(|error| failed(&error))?;
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
            if roots.is_empty() {
                return Err(failed(&"there is no certificate in it"));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            // Some systems have a few that nobody can read.
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(EndpointError(
                    "this system has no certificate authorities: name a file of them".to_owned(),
                ));
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| EndpointError(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
