//! The way of this node to the active controller, wherever that is: its own without a socket, another's through its listener, the next one
//! when it changes. Forwards what clients ask a broker and only the controller may decide (Envelope, KIP-590). Decides nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barnabas_client::{ClientError, Connection as Outgoing, Settings, address};
use barnabas_protocol::messages::{EnvelopeRequest, EnvelopeResponse};
use barnabas_protocol::records::data::DefaultPrincipalData;
use barnabas_protocol::{
    ApiKey, ErrorCode, IntoOwned, Message, Reader, Request, RequestHeader, ResponseHeader, UnknownTags, frame_request,
    own_tags,
};
use barnabas_types::{BrokerId, Segment, Segments};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::api::{Answer, RequestContext, dispatch};
use crate::connection::{Connection, ListenerKind};
use crate::metadata::{ActiveController, ControllerError};
use crate::node::Node;

/// How long until the same controller is asked again that did not want to decide, or could not be reached.
const RETRY: Duration = Duration::from_millis(50);
/// Connections that wait for their next request.
const MAX_IDLE: usize = 8;
/// The largest answer of a controller, in bytes.
const MAX_RESPONSE_BYTES: usize = 100 * 1024 * 1024;
/// The length in front of a frame, in bytes.
pub const LENGTH_BYTES: usize = 4;
/// The name under which this node's own requests are in figures and logs.
const LISTENER: &str = "CONTROLLER";

/// Connections to the active controller that wait for their next request, each with the address it goes to.
#[derive(Debug, Default)]
pub struct ControllerConnections(Mutex<Vec<(String, Outgoing)>>);

impl ControllerConnections {
    fn take(&self, address: &str) -> Option<Outgoing> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those to controllers of the past.
        idle.retain(|(to, _)| to == address);
        idle.pop().map(|(_, connection)| connection)
    }

    fn give_back(&self, address: String, connection: Outgoing) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push((address, connection));
        }
    }
}

/// Whose controllers may be asked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// It is Kafka's own.
    Anybodys,
    /// Apache Kafka's would misunderstand it.
    Ours,
}

/// The attempt failed; another may not.
enum Failed {
    /// This controller does not answer, or is not active any more.
    Again,
    /// It never will be.
    For(ControllerError),
}

impl Node {
    /// The controller of this node hears of this registration of `broker`. Whether that is fenced, as far as this node has applied the
    /// metadata; None if it does not know it.
    pub fn hear_of(&self, broker: BrokerId, epoch: i64) -> Option<bool> {
        let image = self.image();
        let registered = image.brokers.get(broker).filter(|registered| registered.epoch == epoch)?;
        self.controller.heard(registered, self.runtime.now().monotonic);
        Some(registered.fenced)
    }

    /// Asks the active controller, and the next one if it changes, until `deadline`. `error_of` finds the code in an answer that would say that
    /// another controller is active.
    ///
    /// # Errors
    /// No controller has answered by `deadline`.
    pub async fn ask_controller<Q: Request + Sync>(
        self: &Arc<Self>,
        deadline: Instant,
        request: &Q,
        error_of: impl Fn(&Q::Response<'static>) -> ErrorCode,
    ) -> Result<Q::Response<'static>, ControllerError> {
        self.ask_active((Asked::Anybodys, deadline), request, error_of).await
    }

    /// As [`Node::ask_controller`], what only a controller of ours understands: no other is asked.
    ///
    /// # Errors
    /// No controller has answered by `deadline`, or the active one is not ours.
    pub async fn ask_own_kind<Q: Request + Sync>(
        self: &Arc<Self>,
        deadline: Instant,
        request: &Q,
        error_of: impl Fn(&Q::Response<'static>) -> ErrorCode,
    ) -> Result<Q::Response<'static>, ControllerError> {
        self.ask_active((Asked::Ours, deadline), request, error_of).await
    }

    async fn ask_active<Q: Request + Sync>(
        self: &Arc<Self>,
        (asked, deadline): (Asked, Instant),
        request: &Q,
        error_of: impl Fn(&Q::Response<'static>) -> ErrorCode,
    ) -> Result<Q::Response<'static>, ControllerError> {
        let mut active = self.controller.active();
        loop {
            let current = active.borrow_and_update().clone();
            // One that has lost its office may never answer: nobody waits for it any longer than that takes to be known.
            let replaced = |now: &ActiveController| now.id.is_some() && *now != current;
            let mut others = active.clone();
            tokio::select! {
                biased;
                answered = self.ask_once(&current, asked, request) => match answered {
                    Ok(response) if error_of(&response) != ErrorCode::NOT_CONTROLLER => return Ok(response),
                    Err(Failed::For(error)) => return Err(error),
                    Ok(_) | Err(Failed::Again) => {}
                },
                Ok(_) = others.wait_for(replaced) => continue,
                () = tokio::time::sleep_until(deadline) => return Err(ControllerError::TimedOut),
            }
            let next = async {
                tokio::select! { biased; _ = active.changed() => {}, () = tokio::time::sleep(RETRY) => {} }
            };
            if tokio::time::timeout_at(deadline, next).await.is_err() {
                return Err(ControllerError::TimedOut);
            }
        }
    }

    async fn ask_once<Q: Request + Sync>(
        self: &Arc<Self>,
        active: &ActiveController,
        asked: Asked,
        request: &Q,
    ) -> Result<Q::Response<'static>, Failed> {
        match active.id {
            None if active.epoch.0 < 0 && self.controller.has_stopped() => Err(Failed::For(ControllerError::Stopped)),
            None => Err(Failed::Again),
            Some(id) if id == self.broker_id => self.ask_own_controller(request).await,
            Some(_) => self.ask_other_controller(active, asked, request).await,
        }
    }

    async fn ask_other_controller<Q: Request>(
        &self,
        active: &ActiveController,
        whose: Asked,
        request: &Q,
    ) -> Result<Q::Response<'static>, Failed> {
        let Some(address) = self.address(active) else { return Err(Failed::Again) };
        let settings = Settings { max_response_bytes: MAX_RESPONSE_BYTES, ..Settings::new(Vec::new(), LISTENER) };
        loop {
            let waiting = self.controller_connections.take(&address);
            let was_waiting = waiting.is_some();
            let connection = match waiting {
                Some(connection) => Ok(connection),
                None => Outgoing::open(&address, &settings).await,
            };
            let asked = match connection {
                Ok(connection) if whose == Asked::Ours && !own_tags::is_ours(connection.tags()) => {
                    return Err(Failed::For(ControllerError::NotOurs));
                }
                Ok(mut connection) => {
                    let answered = connection.call(request, Q::KEY.answered_versions()).await;
                    answered.map(|response| (response, connection))
                }
                Err(error) => Err(error),
            };
            match asked {
                Ok((response, connection)) => {
                    self.controller_connections.give_back(address, connection);
                    return Ok(response);
                }
                Err(error) if was_waiting => tracing::debug!(%error, "a connection to the controller had ended"),
                Err(error) => {
                    let (api, id) = (Q::KEY, active.id.unwrap_or_default());
                    tracing::debug!(%error, %api, controller = id.0, "the active controller did not answer");
                    return Err(failed(&error));
                }
            }
        }
    }

    /// Where `active` listens.
    pub(crate) fn address(&self, active: &ActiveController) -> Option<String> {
        let wanted = self.config.controller_listener_name.as_deref();
        let by_name = active.endpoints.iter().find(|endpoint| Some(endpoint.name.as_ref()) == wanted);
        let endpoint = by_name.or_else(|| active.endpoints.first())?;
        Some(address(&endpoint.host, endpoint.port))
    }

    /// Has the controller of this node handle a request as if it had come in on its listener.
    async fn ask_own_controller<Q: Request>(self: &Arc<Self>, request: &Q) -> Result<Q::Response<'static>, Failed> {
        let version = Q::KEY.answered_versions().max;
        let decode = |frame: &Bytes| {
            let mut reader = Reader::new(frame);
            reader.bytes(LENGTH_BYTES)?;
            ResponseHeader::decode(&mut reader, Q::KEY, version)?;
            Ok::<_, barnabas_protocol::DecodeError>(Q::Response::decode(&mut reader, version)?.into_owned())
        };
        let body = request.encode(version).map_err(|error| unreadable(Q::KEY, &error))?;
        let context = self.own_request(Q::KEY, version);
        let answer = dispatch(context, joined(body)).await.map_err(|error| unreadable(Q::KEY, &error))?;
        let segments = match answer {
            Answer::Now(segments) => segments,
            Answer::Later(segments) => segments.await.map_err(|error| unreadable(Q::KEY, &error))?,
            Answer::Nothing => return Err(Failed::Again),
        };
        decode(&joined(segments)).map_err(|error| unreadable(Q::KEY, &error))
    }

    fn own_request(self: &Arc<Self>, api_key: ApiKey, api_version: i16) -> RequestContext {
        let connection = Connection {
            number: 0,
            listener: LISTENER.into(),
            kind: ListenerKind::Controller,
            peer: ([127, 0, 0, 1], 0).into(),
            metrics: self.metrics.connections.listener(LISTENER),
            opened_at: self.runtime.now().monotonic,
            of_follower: false.into(),
        };
        RequestContext {
            node: Arc::clone(self),
            connection: Arc::new(connection),
            api_key,
            api_version,
            correlation_id: 0,
            client_id: LISTENER.into(),
        }
    }

    /// True while this node's controller is the one that decides, as far as this node knows.
    #[must_use]
    pub fn is_active_controller(&self) -> bool {
        self.controller.active().borrow().id == Some(self.broker_id)
    }
}

/// Has the active controller answer what `context` is about; `body` is the request without its header. None when none has answered in
/// `deadline`.
pub async fn forward(context: &RequestContext, body: &Bytes, deadline: Instant) -> Option<Segments> {
    let header = RequestHeader {
        api_key: context.api_key,
        api_version: context.api_version,
        correlation_id: context.correlation_id,
        client_id: Some(context.client_id.as_ref().into()),
        unknown_tags: UnknownTags::default(),
    };
    let frame = joined(frame_request(&header, body.clone().into()).ok()?);
    let address = match context.connection.host() {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => address.octets().to_vec(),
    };
    let request = EnvelopeRequest {
        request_data: frame.get(LENGTH_BYTES..)?.into(),
        request_principal: Some(anonymous()?.into()),
        client_host_address: address.into(),
        unknown_tags: UnknownTags::default(),
    };
    let asked = context.node.ask_controller(deadline, &request, |response: &EnvelopeResponse<'_>| response.error_code);
    match asked.await {
        Ok(EnvelopeResponse { error_code: ErrorCode::NONE, response_data: Some(data), .. }) => {
            let length = u32::try_from(data.len()).ok()?;
            let mut frame = BytesMut::with_capacity(LENGTH_BYTES + data.len());
            frame.extend_from_slice(&length.to_be_bytes());
            frame.extend_from_slice(&data);
            Some(frame.freeze().into())
        }
        Ok(EnvelopeResponse { error_code, .. }) => {
            tracing::debug!(api = %context.api_key, %error_code, "the active controller does not take what a client asks");
            None
        }
        Err(error) => {
            // The client is told; a line for each of its attempts would fill the log while there is no controller.
            tracing::debug!(api = %context.api_key, %error, "what a client asks could not be forwarded to the active controller");
            None
        }
    }
}

/// The principal of a client that has not said who it is, as Kafka's principal builder writes it: a version, then the message.
fn anonymous() -> Option<Vec<u8>> {
    const VERSION: i16 = 0;
    let principal = DefaultPrincipalData {
        r#type: "User".into(),
        name: "ANONYMOUS".into(),
        token_authenticated: false,
        unknown_tags: UnknownTags::default(),
    };
    let message = principal.encode(VERSION).ok()?;
    Some([VERSION.to_be_bytes().as_slice(), &joined(message)].concat())
}

fn failed(error: &ClientError) -> Failed {
    match error {
        ClientError::NoCommonVersion { .. } | ClientError::Encode { .. } => {
            Failed::For(ControllerError::Unserved(error.to_string().into()))
        }
        _ => Failed::Again,
    }
}

fn unreadable(api: ApiKey, error: &dyn std::fmt::Display) -> Failed {
    Failed::For(ControllerError::Unserved(format!("{api}: {error}").into()))
}

/// All bytes in one piece. What goes between controllers has no regions of files.
pub fn joined(segments: Segments) -> Bytes {
    let mut bytes = BytesMut::with_capacity(segments.len());
    for segment in segments {
        if let Segment::Bytes(piece) = segment {
            bytes.extend_from_slice(&piece);
        }
    }
    bytes.freeze()
}
