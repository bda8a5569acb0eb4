//! What is asked on a broker's admin port, over plain HTTP: the permit to stop it. Decides nothing; whatever is not clearly an answer is none.

use super::StopPermit;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::error::Error;
use std::time::Duration;
use tokio::net::TcpStream;

/// One broker of a cluster holds it at a time.
const PERMIT: &str = "/permits/stop";
/// The broker waits up to 10 s for the active controller.
const PATIENCE: Duration = Duration::from_secs(15);
/// An answer names some partitions; it is never longer.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The answer as far as it concerns us.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    granted: bool,
    message: Option<String>,
    error: Option<String>,
}

/// Asks the broker whose admin port is at `address`.
pub async fn may_stop(address: &str) -> StopPermit {
    let answer = tokio::time::timeout(PATIENCE, post(address)).await;
    match answer {
        Ok(Ok((status, body))) => permit(status, &body),
        Ok(Err(error)) => StopPermit::NotAsked { reason: format!("{address}: {error}") },
        Err(_) => StopPermit::NotAsked { reason: format!("{address} does not answer") },
    }
}

/// 200 is a permit, 409 a refusal, 503 a controller that cannot be asked; other releases know no such path.
fn permit(status: StatusCode, body: &[u8]) -> StopPermit {
    let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
    let why =
        |answer: Answer| answer.message.or(answer.error).unwrap_or_else(|| "its broker gives no reason".to_owned());
    match status {
        StatusCode::OK if answer.granted => StopPermit::Granted,
        StatusCode::CONFLICT => StopPermit::Refused { why: why(answer) },
        StatusCode::SERVICE_UNAVAILABLE => StopPermit::Unanswered { why: why(answer) },
        other => StopPermit::NotAsked { reason: format!("it answers {other} to {PERMIT}") },
    }
}

async fn post(address: &str) -> Result<(StatusCode, Bytes), Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(PERMIT)
        .header(hyper::header::HOST, address)
        .header(hyper::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let ask = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await?.to_bytes();
        Ok((status, body))
    };
    // The connection lives as long as the answer is read.
    tokio::pin!(ask);
    tokio::select! {
        answer = &mut ask => answer,
        ended = connection => {
            ended?;
            ask.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Asks a server that answers `reply` to whatever it is asked; the first line of that, and the permit.
    async fn ask(reply: String) -> (String, StopPermit) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = socket.accept().await.unwrap();
            let mut asked = vec![0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            stream.write_all(reply.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&asked[..length]).lines().next().unwrap_or_default().to_owned()
        });
        let permit = may_stop(&address).await;
        (server.await.unwrap(), permit)
    }

    fn reply(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_permit_is_given_refused_in_words_or_not_known() {
        let (asked, granted) = ask(reply("200 OK", r#"{"granted": true, "expiresInMs": 30000}"#)).await;
        assert_eq!((asked.as_str(), granted), ("POST /permits/stop HTTP/1.1", StopPermit::Granted));
        let refusal = r#"{"granted": false, "message": "orders-0 is at its minimum", "partitionCount": 1}"#;
        let (_, refused) = ask(reply("409 Conflict", refusal)).await;
        assert_eq!(refused, StopPermit::Refused { why: "orders-0 is at its minimum".to_owned() });
        let (_, silent) = ask(reply("503 Service Unavailable", r#"{"error": "no quorum", "granted": false}"#)).await;
        assert_eq!(silent, StopPermit::Unanswered { why: "no quorum".to_owned() });
        for (status, body) in [("404 Not Found", "try /metrics"), ("405 Method Not Allowed", ""), ("200 OK", "ok\n")] {
            let (_, unknown) = ask(reply(status, body)).await;
            assert!(matches!(unknown, StopPermit::NotAsked { .. }), "{status}: {unknown:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_and_a_port_without_anybody_are_no_permits() {
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(2 * MAX_ANSWER_BYTES));
        assert!(matches!(ask(endless).await.1, StopPermit::NotAsked { .. }));
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        assert!(matches!(may_stop(&nobody).await, StopPermit::NotAsked { .. }));
    }
}
