//! The door of a server with a certificate: who speaks TLS is let in, who does not is told so.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{HeaderMap, Response, StatusCode, Uri};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::host;
use crate::tls::{HTTP2, Tls};

/// The first byte of a TLS connection: a record that is part of a handshake. No request begins with it.
const HANDSHAKE: u8 = 0x16;

/// What becomes of plain HTTP on a server with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// A request is answered with 400 and a line that tells why.
    #[default]
    Refuse,
    /// A request is answered with 308 and where to find the server.
    Redirect,
    /// A request is served as if it had come by HTTPS.
    Serve,
}

/// How clients get in.
pub(crate) struct Door {
    pub(crate) tls: Arc<Tls>,
    pub(crate) plain: PlainHttp,
}

/// A connection that was let in.
pub(crate) enum Entered {
    Plain(TcpStream),
    Http1(TlsStream<TcpStream>),
    Http2(TlsStream<TcpStream>),
}

impl Door {
    /// Finds out what a client speaks.
    pub(crate) async fn open(&self, stream: TcpStream) -> io::Result<Entered> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
            return Ok(Entered::Plain(stream));
        }
        let stream = TlsAcceptor::from(self.tls.config()).accept(stream).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        Ok(if is_http2 { Entered::Http2(stream) } else { Entered::Http1(stream) })
    }

    /// Answers a request that came without TLS; `None` if it is to be served.
    pub(crate) fn turn_away(&self, uri: &Uri, headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let secure = host(uri, headers).and_then(|host| HeaderValue::from_str(&format!("https://{host}{target}")).ok());
        let mut response = Response::new(Full::new(Bytes::from_static(b"this server speaks https\n")));
        *response.status_mut() = match (self.plain, secure) {
            (PlainHttp::Serve, _) => return None,
            (PlainHttp::Redirect, Some(location)) => {
                response.headers_mut().insert(LOCATION, location);
                StatusCode::PERMANENT_REDIRECT
            }
            (PlainHttp::Redirect, None) | (PlainHttp::Refuse, _) => StatusCode::BAD_REQUEST,
        };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        // The body of the request is not read, so nothing can follow it.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        Some(response)
    }
}
