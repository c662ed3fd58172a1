//! HTTPS with real sockets: who gets in, by what protocol, and what becomes of plain HTTP and of new certificates.

mod fixture;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fixture::{LONG, Running, SHORT, request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use stanchion_http::{Options, PlainHttp, Tls, TlsFiles};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority, and a directory for what it signs.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("authority.pem"), issuer.pem()).unwrap();
        Authority { issuer, dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a certificate for `localhost` and its key.
    fn sign(&self, certificate: &str, key: &str) {
        let pair = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let signed = params.signed_by(&pair, &self.issuer).unwrap();
        fs::write(self.file(certificate), signed.pem()).unwrap();
        fs::write(self.file(key), pair.serialize_pem()).unwrap();
    }

    fn files(&self) -> TlsFiles {
        TlsFiles { certificate: self.file("server.pem"), key: self.file("server.key"), client_authorities: None }
    }

    /// Returns what a client needs that trusts this authority.
    fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        builder.with_root_certificates(roots).with_no_client_auth()
    }
}

/// A server with a certificate, its authority, and what reloads the certificate.
struct Secured {
    running: Running,
    authority: Authority,
    tls: Arc<Tls>,
}

fn start(options: Options, plain: PlainHttp) -> Secured {
    let authority = Authority::new();
    authority.sign("server.pem", "server.key");
    let files = authority.files();
    start_with(options, plain, authority, files)
}

fn start_with(options: Options, plain: PlainHttp, authority: Authority, files: TlsFiles) -> Secured {
    let tls = Arc::new(Tls::load(files).unwrap());
    let running = fixture::start(options, |server| server.secured(tls.clone(), plain));
    Secured { running, authority, tls }
}

impl Secured {
    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.running.address).await.unwrap()
    }

    async fn connect(&self, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.tcp().await).await
    }

    /// Returns the certificate that a new client is shown.
    async fn shown(&self) -> CertificateDer<'static> {
        let stream = self.connect(self.authority.client(&[&TLS13])).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    }
}

/// Sends bytes and reads until the connection ends.
async fn exchange<S: AsyncReadExt + AsyncWriteExt + Unpin>(mut stream: S, bytes: &[u8]) -> std::io::Result<String> {
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the connection ends")?;
    Ok(String::from_utf8(answer).unwrap())
}

/// A request after which the server closes the connection.
fn last_request(action: &str, body: &str) -> Vec<u8> {
    let text = String::from_utf8(request(action, body)).unwrap();
    text.replacen("\r\n", "\r\nconnection: close\r\n", 1).into_bytes()
}

fn create_queue() -> Vec<u8> {
    last_request("CreateQueue", r#"{"QueueName":"q"}"#)
}

fn certificate_in(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).unwrap()
}

#[tokio::test]
async fn clients_of_both_versions_are_served_and_learn_of_a_secure_queue_url() {
    let server = start(Options::default(), PlainHttp::Refuse);
    for version in [&TLS12, &TLS13] {
        let stream = server.connect(server.authority.client(&[version])).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let answer = exchange(stream, &create_queue()).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(r#""QueueUrl":"https://x/000000000000/q""#), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_can_do_http2_gets_it_with_many_requests_at_once() {
    let server = start(Options::default(), PlainHttp::Refuse);
    let mut config = server.authority.client(&[&TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = server.connect(config).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let call = |action: &str, body: String| {
        let request = Request::post("https://localhost:1234/").header("x-amz-target", format!("AmazonSQS.{action}"));
        let answer = sender.clone().send_request(request.body(Full::new(Bytes::from(body))).unwrap());
        async move {
            let answer = tokio::time::timeout(LONG, answer).await.expect("an answer in time").unwrap();
            let status = answer.status();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    };
    let (status, body) = call("CreateQueue", r#"{"QueueName":"q"}"#.to_owned()).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"QueueUrl":"https://localhost:1234/000000000000/q"}"#));

    // The poll is asked first and can only be answered if the send is served beside it.
    let poll = call("ReceiveMessage", r#"{"QueueUrl":"q","WaitTimeSeconds":20}"#.to_owned());
    let send = call("SendMessage", format!(r#"{{"QueueUrl":"q","MessageBody":"{}"}}"#, "x".repeat(300_000)));
    let ((polled, message), (sent, _)) = tokio::join!(poll, send);
    assert_eq!((polled, sent), (StatusCode::OK, StatusCode::OK));
    assert!(message.contains("xxxx") && message.len() > 300_000, "{} bytes", message.len());

    // A server that stops lets go of the connection although its client does not.
    drop(server.running.stop);
    tokio::time::timeout(LONG, server.running.serving).await.expect("the server stops").unwrap();
    drop(sender);
    let _ = tokio::time::timeout(LONG, connection).await.expect("the connection ends");
}

#[tokio::test]
async fn an_http2_connection_may_not_be_idle_for_ever() {
    let server = start(Options { idle_timeout: SHORT, ..Options::default() }, PlainHttp::Refuse);
    let mut config = server.authority.client(&[&TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = server.connect(config).await.unwrap();
    let started = Instant::now();
    let (sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let ended = tokio::time::timeout(LONG, connection).await.expect("the server closes the connection");
    assert!(ended.is_ok() && started.elapsed() >= SHORT / 2, "{ended:?} after {:?}", started.elapsed());
    drop(sender);
}

#[tokio::test]
async fn plain_http_is_refused_redirected_or_served() {
    let refused = start(Options::default(), PlainHttp::Refuse);
    let answer = exchange(refused.tcp().await, &create_queue()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("this server speaks https"), "{answer}");

    let redirected = start(Options::default(), PlainHttp::Redirect);
    let asked = b"GET /000000000000/q?Action=ReceiveMessage HTTP/1.1\r\nhost: queues.example.com:1\r\n\r\n";
    let answer = exchange(redirected.tcp().await, asked).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    let target = "location: https://queues.example.com:1/000000000000/q?Action=ReceiveMessage\r\n";
    assert!(answer.contains(target), "{answer}");
    let answer = exchange(redirected.tcp().await, b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 400"), "without a host there is nowhere to send it: {answer}");

    let served = start(Options::default(), PlainHttp::Serve);
    let answer = exchange(served.tcp().await, &create_queue()).await.unwrap();
    assert!(answer.contains(r#""QueueUrl":"http://x/000000000000/q""#), "{answer}");

    // Neither has made a queue.
    for server in [refused, redirected] {
        let stream = server.connect(server.authority.client(&[&TLS13])).await.unwrap();
        let answer = exchange(stream, &last_request("ListQueues", "{}")).await.unwrap();
        assert!(answer.ends_with("\r\n\r\n{}"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_handshake_is_given_up() {
    let server = start(Options { handshake_timeout: SHORT, ..Options::default() }, PlainHttp::Refuse);
    for beginning in [&b""[..], &[0x16], &[0x16, 3, 1, 2, 0, 1, 0]] {
        let started = Instant::now();
        let answer = exchange(server.tcp().await, beginning).await.unwrap();
        assert_eq!(answer, "");
        assert!(started.elapsed() >= SHORT, "{:?}", started.elapsed());
    }
    let nonsense = exchange(server.tcp().await, &[0x16; 2000]).await;
    assert!(nonsense.is_err() || nonsense.is_ok_and(|answer| !answer.contains("HTTP")), "no TLS, no HTTP");
    assert!(server.connect(server.authority.client(&[&TLS13])).await.is_ok(), "others are served all the same");
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_a_bad_one_to_nobody() {
    let server = start(Options::default(), PlainHttp::Refuse);
    let first = certificate_in(&server.authority.file("server.pem"));
    assert_eq!(server.shown().await, first);
    assert!(!server.tls.reload().unwrap(), "nothing has changed");
    let old = server.connect(server.authority.client(&[&TLS13])).await.unwrap();

    // A key that is written before its certificate is no reason to stop.
    server.authority.sign("next.pem", "next.key");
    fs::rename(server.authority.file("next.key"), server.authority.file("server.key")).unwrap();
    let error = server.tls.reload().unwrap_err().to_string();
    assert!(error.contains("server.pem") && error.contains("does not go with the key"), "{error}");
    assert_eq!(server.shown().await, first);

    fs::rename(server.authority.file("next.pem"), server.authority.file("server.pem")).unwrap();
    assert!(server.tls.reload().unwrap());
    let second = certificate_in(&server.authority.file("server.pem"));
    assert_ne!(first, second);
    assert_eq!(server.shown().await, second);
    let answer = exchange(old, &create_queue()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "who was connected stays so: {answer}");

    fs::remove_file(server.authority.file("server.pem")).unwrap();
    assert!(server.tls.reload().is_err());
    assert_eq!(server.shown().await, second);
}

#[tokio::test]
async fn with_authorities_for_clients_only_those_with_a_certificate_are_served() {
    let authority = Authority::new();
    authority.sign("server.pem", "server.key");
    authority.sign("client.pem", "client.key");
    let other = Authority::new();
    other.sign("client.pem", "client.key");
    let files = TlsFiles { client_authorities: Some(authority.file("authority.pem")), ..authority.files() };
    let server = start_with(Options::default(), PlainHttp::Refuse, authority, files);

    let presenting = |of: &Authority| {
        let certificate = certificate_in(&of.file("client.pem"));
        let key = PrivateKeyDer::from_pem_file(of.file("client.key")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(server.authority.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
        builder.with_root_certificates(roots).with_client_auth_cert(vec![certificate], key).unwrap()
    };
    let stream = server.connect(presenting(&server.authority)).await.unwrap();
    let answer = exchange(stream, &create_queue()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for stranger in [presenting(&other), server.authority.client(&[&TLS13])] {
        // In TLS 1.3 a client learns of the refusal when it reads.
        let refused = match server.connect(stranger).await {
            Ok(stream) => exchange(stream, &create_queue()).await,
            Err(error) => Err(error),
        };
        assert!(refused.is_err(), "{refused:?}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    authority.sign("server.pem", "server.key");
    authority.sign("other.pem", "other.key");
    fs::write(authority.file("empty"), "nothing here\n").unwrap();
    let good = authority.files();
    let (empty, missing, other) = (authority.file("empty"), authority.file("missing"), authority.file("other.key"));
    let wrong = [
        (TlsFiles { certificate: missing.clone(), ..good.clone() }, "missing"),
        (TlsFiles { certificate: empty.clone(), ..good.clone() }, "empty"),
        (TlsFiles { key: missing.clone(), ..good.clone() }, "missing"),
        (TlsFiles { key: empty.clone(), ..good.clone() }, "empty"),
        (TlsFiles { key: other, ..good.clone() }, "other.key"),
        (TlsFiles { client_authorities: Some(missing), ..good.clone() }, "missing"),
        (TlsFiles { client_authorities: Some(empty), ..good.clone() }, "empty"),
    ];
    for (files, named) in wrong {
        let error = Tls::load(files).err().expect("the files cannot be used").to_string();
        assert!(error.contains(named), "{named}: {error}");
    }
    assert!(Tls::load(good).is_ok());
}
