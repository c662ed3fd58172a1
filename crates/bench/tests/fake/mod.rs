//! A queue server of the size that these tests need: both protocols, in
//! memory, no visibility timeouts. A [`Fault`] makes it break one promise.

mod form;
mod service;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
pub(crate) use service::{Fault, Service};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running server; it ends with the test's runtime.
pub(crate) struct Fake {
    pub(crate) endpoint: String,
    pub(crate) service: Arc<Service>,
    accepting: JoinHandle<()>,
}

impl Fake {
    /// Starts a server with a fault (or none) on a port the system picks.
    pub(crate) async fn start(fault: Option<Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let endpoint = format!("http://{}", listener.local_addr().expect("address"));
        let service = Arc::new(Service::new(fault));
        let accepting = tokio::spawn(accept(listener, service.clone()));
        Self { endpoint, service, accepting }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, service: Arc<Service>) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(request, service.clone()));
            // A client that hangs up is no matter.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(request: Request<Incoming>, service: Arc<Service>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.headers().get("x-amz-target").map(|value| value.to_str().expect("text").to_owned());
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.expect("a whole request").to_bytes();
    let (status, answer) = match target {
        Some(target) => {
            let action = target.strip_prefix("AmazonSQS.").expect("a target of the service");
            let input = serde_json::from_slice(&body).expect("JSON");
            let (status, output) = service.call(action, input).await;
            (status, output.to_string())
        }
        None => {
            let (action, input) = form::read(&body, &path);
            let (status, output) = service.call(&action, input).await;
            (status, form::write(&action, status, &output))
        }
    };
    let mut response = Response::new(Full::new(answer.into()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    Ok(response)
}
