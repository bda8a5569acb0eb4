//! The admin port: `/metrics`, the three probes, the log level, and what an operator asks before it stops this broker, over plain HTTP/1.1.
//! Changes nothing but the log level and who holds the permit to stop; of clients it tells only what a coordinator's recording holds.

pub(crate) mod stopping;

use std::convert::Infallible;
use std::sync::Arc;

use barnabas_net::{Acceptor, Stream};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use crate::logging::LogLevel;
use crate::metrics::Metrics;
use crate::recordings::AskedRecordings;
use crate::runtime::Runtime;
pub use stopping::RegisteredBroker;

/// Scrapers and probes that may be connected at once.
const MAX_CONNECTIONS: usize = 64;
/// The longest log filter that is read, in bytes.
const MAX_BODY_BYTES: usize = 4096;
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers the probes: each returns why not, or nothing when all is well.
pub trait Health: Send + Sync + 'static {
    /// Start has finished: directories are recovered and listeners are bound.
    fn started(&self) -> Result<(), String>;
    /// Clients can be served.
    fn ready(&self) -> Result<(), String>;
    /// What is wrong though clients can be served, a line each.
    fn remarks(&self) -> Vec<String>;
    /// The process is worth keeping; a restart would not help it.
    fn live(&self) -> Result<(), String>;
}

/// What the admin port shows and changes.
pub struct Admin {
    /// The node's metrics.
    pub metrics: Arc<Metrics>,
    /// The node's probes.
    pub health: Arc<dyn Health>,
    /// The node's log level.
    pub log_level: LogLevel,
    /// The node's broker, for what its stopping needs.
    pub broker: RegisteredBroker,
    /// What the node's cores did last.
    pub recordings: Arc<AskedRecordings>,
    /// Threads.
    pub runtime: Runtime,
}

/// Serves until the task is dropped. A connection beyond the limit waits to be accepted.
pub async fn serve(admin: Arc<Admin>, socket: Acceptor, runtime: Runtime) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, _)) => {
                let admin = Arc::clone(&admin);
                runtime.spawn_control(async move {
                    serve_connection(admin, stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin port cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_connection(admin: Arc<Admin>, stream: Stream) {
    let service = hyper::service::service_fn(move |request| {
        let admin = Arc::clone(&admin);
        async move { Ok::<_, Infallible>(admin.answer(request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(std::time::Duration::from_secs(10))
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an admin connection ended early");
    }
}

impl Admin {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let deadline = |patience| self.runtime.deadline(patience);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        if let Some(answer) = stopping::answer(&self.broker, &method, &path, deadline).await {
            return answer;
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics_page().await,
            (&Method::GET | &Method::HEAD, "/livez") => probe(self.health.live()),
            (&Method::GET | &Method::HEAD, "/readyz") => self.ready(),
            (&Method::GET | &Method::HEAD, "/startupz") => probe(self.health.started()),
            (&Method::GET, "/log-level") => text(StatusCode::OK, format!("{}\n", self.log_level.get())),
            (&Method::PUT, "/log-level") => self.set_log_level(request).await,
            (&Method::POST, "/recordings") => self.recording(request.uri().query().unwrap_or_default()).await,
            (_, "/metrics" | "/livez" | "/readyz" | "/startupz" | "/log-level" | "/recordings") => {
                let what = "this path takes GET (/log-level also PUT, /recordings POST)\n";
                text(StatusCode::METHOD_NOT_ALLOWED, what.to_owned())
            }
            (_, stopping::PERMIT | stopping::CAUGHT_UP) => {
                let what = "/permits/stop takes POST and DELETE, /caught-up takes GET\n";
                text(StatusCode::METHOD_NOT_ALLOWED, what.to_owned())
            }
            _ => {
                let what =
                    "try /metrics, /livez, /readyz, /startupz, /log-level, /recordings, /permits/stop or /caught-up\n";
                text(StatusCode::NOT_FOUND, what.to_owned())
            }
        }
    }

    async fn recording(&self, query: &str) -> Response<Full<Bytes>> {
        match self.recordings.take(query).await {
            Ok(file) => response(StatusCode::OK, TEXT, file.into()),
            Err(error) => text(error.status(), format!("{error}\n")),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        match self.health.ready() {
            Ok(()) => {
                let remarks: String = self.health.remarks().iter().map(|remark| format!("{remark}\n")).collect();
                text(StatusCode::OK, format!("ok\n{remarks}"))
            }
            not_ready => probe(not_ready),
        }
    }

    /// On a thread of its own: a partition's lock may be held by a write that hangs.
    async fn metrics_page(&self) -> Response<Full<Bytes>> {
        let metrics = Arc::clone(&self.metrics);
        let failed = |error: &dyn std::fmt::Display| {
            text(StatusCode::INTERNAL_SERVER_ERROR, format!("metrics cannot be rendered: {error}\n"))
        };
        match self.runtime.spawn_blocking(move || metrics.render()).await {
            Ok(Ok(page)) => response(StatusCode::OK, prometheus::TEXT_FORMAT, page.into()),
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error),
        }
    }

    async fn set_log_level(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let body = match Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return text(StatusCode::BAD_REQUEST, format!("cannot read the filter: {error}\n")),
        };
        let filter = String::from_utf8_lossy(&body);
        match self.log_level.set(filter.trim()) {
            Ok(()) => text(StatusCode::OK, format!("{}\n", self.log_level.get())),
            Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        }
    }
}

fn probe(result: Result<(), String>) -> Response<Full<Bytes>> {
    match result {
        Ok(()) => text(StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    response(status, TEXT, body.into())
}

fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct NotReady;

    impl Health for NotReady {
        fn started(&self) -> Result<(), String> {
            Ok(())
        }
        fn ready(&self) -> Result<(), String> {
            Err("recovering 3 of 7 partitions".to_owned())
        }
        fn remarks(&self) -> Vec<String> {
            Vec::new()
        }
        fn live(&self) -> Result<(), String> {
            Ok(())
        }
    }

    async fn ask(request: &str) -> String {
        let listening = barnabas_net::bind("127.0.0.1", 0).await.unwrap();
        let log_level = LogLevel::detached("info").unwrap();
        let admin = Admin {
            metrics: Arc::new(Metrics::new().unwrap()),
            health: Arc::new(NotReady),
            log_level,
            broker: RegisteredBroker::default(),
            recordings: Arc::default(),
            runtime: Runtime::current(),
        };
        let server = tokio::spawn(serve(Arc::new(admin), listening.socket, Runtime::current()));
        let mut stream = tokio::net::TcpStream::connect(listening.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        answer
    }

    async fn get(path: &str) -> String {
        ask(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
    }

    #[tokio::test]
    async fn probes_say_why_not() {
        assert!(get("/livez").await.starts_with("HTTP/1.1 200 "));
        let ready = get("/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("recovering 3 of 7 partitions\n"), "{ready}");
    }

    #[tokio::test]
    async fn what_a_broker_has_to_answer_is_refused_while_there_is_none() {
        let answer = get("/caught-up").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("application/json"), "{answer}");
        assert!(get("/permits/stop").await.starts_with("HTTP/1.1 405 "));
    }

    #[tokio::test]
    async fn metrics_are_in_prometheus_text_format() {
        let page = get("/metrics").await;
        assert!(page.contains("text/plain; version=0.0.4"), "{page}");
        assert!(page.contains("# TYPE process_resident_memory_bytes gauge"), "{page}");
    }

    #[tokio::test]
    async fn the_log_level_can_be_changed_and_a_bad_one_is_refused() {
        let put = |filter: &str| {
            let length = filter.len();
            format!(
                "PUT /log-level HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{filter}"
            )
        };
        assert!(ask(&put("debug")).await.ends_with("debug\n"));
        assert!(ask(&put("a=b=c")).await.starts_with("HTTP/1.1 400 "));
    }
}
