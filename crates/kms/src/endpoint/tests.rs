use std::sync::{Arc, Mutex};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const SECRET: [u8; KEY_BYTES] = [7; KEY_BYTES];

/// What a server heard: the head of each request in lower case, and its body.
type Heard = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that gives these answers to one request after the other, the last one for ever: a status and a body, or with a
/// status of 0 it closes the connection.
async fn server(answers: Vec<(u16, String)>, tls: Option<TlsAcceptor>) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("bound").port();
    let heard = Heard::default();
    let hears = heard.clone();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let answer = answers[answers.len().min(number + 1) - 1].clone();
            match &tls {
                None => converse(stream, answer, &hears).await,
                Some(acceptor) => {
                    // A client that does not trust the certificate is gone.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        converse(stream, answer, &hears).await;
                    }
                }
            }
        }
    });
    (port, heard)
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, (status, answer): (u16, String), heard: &Heard) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.expect("a length")];
    stream.read_exact(&mut body).await.expect("a body");
    heard.lock().unwrap().push((head, serde_json::from_slice(&body).expect("JSON")));
    if status > 0 {
        let text = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        let _ = stream.write_all(text.as_bytes()).await;
    }
    let _ = stream.shutdown().await;
}

fn endpoint(url: String, authorities: Option<PathBuf>) -> Endpoint {
    let text = r#"{"AccessKeyId": "AK", "SecretAccessKey": "secret"}"#;
    let source = format!("command:printf '{text}'").parse().expect("a source");
    let credentials = CredentialsSource::Text(source);
    Endpoint::new(EndpointOptions { url, region: "eu-west-1".to_owned(), authorities, credentials }).expect("a client")
}

fn plain(port: u16) -> Endpoint {
    endpoint(format!("http://127.0.0.1:{port}"), None)
}

fn generated() -> (u16, String) {
    let answer =
        json!({ "Plaintext": BASE64.encode(&SECRET), "CiphertextBlob": BASE64.encode(b"wrapped"), "KeyId": "arn" });
    (200, answer.to_string())
}

fn error(status: u16, kind: &str) -> (u16, String) {
    (status, json!({ "__type": kind, "message": "why" }).to_string())
}

/// Tells whether a key is the one of the answers: only that opens what it has sealed.
fn is_secret(key: &DataKey) -> bool {
    let seal = |key: &DataKey| key.seal([0; 12], &[], &mut [1; 16]);
    seal(key) == seal(&DataKey::new(SECRET.into()))
}

#[tokio::test]
async fn a_data_key_is_asked_for_and_opened_with_the_context_of_the_queue() {
    let (port, heard) = server(vec![generated()], None).await;
    let endpoint = plain(port);
    let made = endpoint.generate("alias/k", "arn:aws:sqs:r:1:q").await.expect("made");
    assert!(is_secret(&made.key));
    assert_eq!(made.wrapped, b"wrapped");
    assert!(is_secret(&endpoint.open(&made.wrapped, "arn:aws:sqs:r:1:q").await.expect("opened")));
    let heard = heard.lock().unwrap().clone();
    let context = json!({ "aws:sqs:arn": "arn:aws:sqs:r:1:q" });
    let generate = json!({ "KeyId": "alias/k", "KeySpec": "AES_256", "EncryptionContext": context });
    let decrypt = json!({ "CiphertextBlob": BASE64.encode(b"wrapped"), "EncryptionContext": context });
    assert_eq!(heard.iter().map(|(_, body)| body.clone()).collect::<Vec<_>>(), [generate, decrypt]);
    for ((head, _), target) in heard.iter().zip(["generatedatakey", "decrypt"]) {
        for line in [
            "post / http/1.1".to_owned(),
            format!("host: 127.0.0.1:{port}"),
            format!("x-amz-target: trentservice.{target}"),
            "content-type: application/x-amz-json-1.1".to_owned(),
        ] {
            assert!(head.lines().any(|found| found == line), "{line} in {head}");
        }
        assert!(head.contains("authorization: aws4-hmac-sha256 credential=ak/") && head.contains("/eu-west-1/kms/"));
    }
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_an_outage_after_three_tries() {
    for (answer, reason, tries) in [
        (error(400, "DisabledException"), Reason::Disabled, 1),
        (error(400, "NotFoundException"), Reason::NotFound, 1),
        (error(400, "ThrottlingException"), Reason::Throttled, 3),
        (error(500, "KMSInternalException"), Reason::Unavailable, 3),
        ((0, String::new()), Reason::Unavailable, 3),
        ((503, "<html>".to_owned()), Reason::Unavailable, 3),
    ] {
        let (port, heard) = server(vec![answer.clone()], None).await;
        let refusal = plain(port).generate("k", "q").await.expect_err("refused");
        assert_eq!((refusal.reason, heard.lock().unwrap().len()), (reason, tries), "{answer:?}: {refusal}");
    }
    let (port, _) = server(vec![(503, String::new()), generated()], None).await;
    assert!(plain(port).generate("k", "q").await.is_ok(), "a second try may succeed");
    // A port at which nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").await.expect("bound").local_addr().expect("bound").port();
    assert_eq!(plain(port).open(b"w", "q").await.expect_err("nobody is there").reason, Reason::Unavailable);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_gives_no_key_and_is_not_shown() {
    let short = json!({ "Plaintext": BASE64.encode(b"hidden"), "CiphertextBlob": "AA==" });
    let unwrapped = json!({ "Plaintext": BASE64.encode(&SECRET) });
    let long = json!({ "Plaintext": BASE64.encode(&SECRET), "CiphertextBlob": BASE64.encode(&[0; WRAPPED_MAX + 1]) });
    let huge = "x".repeat(100_000);
    for answer in ["", "hidden", "{}", "[]", &short.to_string(), &unwrapped.to_string(), &long.to_string(), &huge] {
        let (port, _) = server(vec![(200, answer.to_owned())], None).await;
        let refusal = plain(port).generate("k", "q").await.expect_err("no key");
        assert_eq!(refusal.reason, Reason::Unavailable);
        assert!(!refusal.text.contains("hidden"), "{refusal}");
    }
}

#[tokio::test]
async fn by_https_only_a_server_with_a_certificate_that_is_vouched_for_is_asked() {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .expect("a certificate with its key");
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let trusted = write("trusted.pem", &issued.cert.pem());
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let stranger = write("stranger.pem", &other.cert.pem());

    let (port, heard) = server(vec![generated()], Some(TlsAcceptor::from(Arc::new(config)))).await;
    let url = |host: &str| format!("https://{host}:{port}");
    let made = endpoint(url("localhost"), Some(trusted.clone())).generate("k", "q").await.expect("made");
    assert!(is_secret(&made.key));
    for (url, authorities) in [(url("localhost"), stranger), (url("127.0.0.1"), trusted)] {
        let refusal = endpoint(url.clone(), Some(authorities)).generate("k", "q").await.expect_err("not trusted");
        assert_eq!(refusal.reason, Reason::Unavailable, "{url}");
    }
    assert_eq!(heard.lock().unwrap().len(), 1, "nobody else was told anything");

    let empty = write("empty.pem", "");
    let options = EndpointOptions {
        url: url("localhost"),
        region: "r".to_owned(),
        authorities: Some(empty),
        credentials: CredentialsSource::Environment,
    };
    assert!(Endpoint::new(options).expect_err("no authority").to_string().contains("empty.pem"));
}

#[test]
fn keys_do_not_travel_in_the_clear_over_a_network() {
    for fine in [
        "https://kms.eu-west-1.amazonaws.com",
        "https://k:8443/",
        "http://127.0.0.1:5000",
        "http://[::1]:1",
        "http://localhost",
    ] {
        assert_eq!(check_url(fine), Ok(()), "{fine}");
    }
    for wrong in [
        "",
        "kms",
        "kms:80",
        "http://kms.example.com",
        "http://10.0.0.1",
        "ftp://localhost",
        "https://k/path",
        "https://k/?q",
        "https://user@k",
        "https://a b",
    ] {
        assert!(check_url(wrong).is_err(), "{wrong}");
    }
}
