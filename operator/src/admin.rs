//! The admin port: `/metrics`, `/livez`, `/readyz`. Serves nothing else, and changes nothing.

use crate::metrics::Metrics;
use anyhow::{Context as _, Result};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Probes and one scraper need a handful; more would be somebody else's mistake.
const MAX_CONNECTIONS: usize = 64;
/// Time for a client to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the port tells.
pub struct Admin {
    pub metrics: Arc<Metrics>,
    /// True once the API server has answered and the definitions are there.
    pub ready: Arc<AtomicBool>,
}

/// Binds the port.
///
/// # Errors
/// The address is taken or not ours.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on the admin address {address}"))
}

/// Answers until the process ends.
pub async fn serve(listener: TcpListener, admin: Admin) {
    let admin = Arc::new(admin);
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: waiting is all that helps.
                tracing::warn!(%error, "cannot accept on the admin port");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let admin = Arc::clone(&admin);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer(&admin, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "an admin connection ended badly");
            }
            drop(permit);
        });
    }
}

fn answer(admin: &Admin, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, path) => page(admin, path),
        _ => (StatusCode::METHOD_NOT_ALLOWED, b"only GET\n".to_vec()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}

fn page(admin: &Admin, path: &str) -> (StatusCode, Vec<u8>) {
    match path {
        "/metrics" => match admin.metrics.render() {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n").into_bytes()),
        },
        "/livez" => (StatusCode::OK, b"ok\n".to_vec()),
        "/readyz" if admin.ready.load(Ordering::Acquire) => (StatusCode::OK, b"ok\n".to_vec()),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, b"waiting for the API server and the definitions\n".to_vec()),
        _ => (StatusCode::NOT_FOUND, b"only /metrics, /livez and /readyz\n".to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_follows_the_flag_and_liveness_does_not() {
        let admin = Admin { metrics: Arc::new(Metrics::new().unwrap()), ready: Arc::default() };
        assert_eq!(page(&admin, "/readyz").0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page(&admin, "/livez").0, StatusCode::OK);
        admin.ready.store(true, Ordering::Release);
        assert_eq!(page(&admin, "/readyz").0, StatusCode::OK);
        assert_eq!(page(&admin, "/etc/passwd").0, StatusCode::NOT_FOUND);
    }
}
