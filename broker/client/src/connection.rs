//! One connection to one node: negotiates versions, then asks and awaits answers one at a time. A connection that failed, or whose call was
//! given up, is of no further use. Retries nothing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;

use barnabas_net::{FrameReader, InPlace, ReadHalf, Stream, WriteHalf, write_segments};
use barnabas_protocol::messages::api_versions::SupportedFeatureKey;
use barnabas_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use barnabas_protocol::{
    ApiKey, ErrorCode, IntoOwned, Message, Reader, Request, RequestHeader, ResponseHeader, UnknownTags, VersionRange,
    encode_request, frame_request,
};
use barnabas_types::Segments;
use bytes::Bytes;

use crate::{ClientError, Settings};

/// The version of ApiVersions that every broker reads, if only to say that it does not.
const FIRST_VERSION: i16 = 0;

/// Host and port as one text, an IPv6 address in brackets.
#[must_use]
pub fn address(host: &str, port: impl Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// An open connection whose node's versions are known.
#[derive(Debug)]
pub struct Connection {
    address: String,
    client_id: String,
    reader: FrameReader<ReadHalf>,
    writer: WriteHalf,
    next_correlation_id: i32,
    served: HashMap<i16, VersionRange>,
    features: HashMap<String, VersionRange>,
    tags: UnknownTags<'static>,
}

impl Connection {
    /// Connects to `address` and asks what the node serves. Of `settings`, the bootstrap servers and times are not looked at.
    ///
    /// # Errors
    /// Nobody answers there, or nobody who speaks Kafka's protocol.
    pub async fn open(address: &str, settings: &Settings) -> Result<Self, ClientError> {
        let stream = Stream::connect(address)
            .await
            .map_err(|source| ClientError::Connect { address: address.to_owned(), source })?;
        let (read, writer) = stream.into_split();
        let mut connection = Self {
            address: address.to_owned(),
            client_id: settings.client_id.clone(),
            reader: FrameReader::new(read, settings.max_response_bytes),
            writer,
            next_correlation_id: 0,
            served: HashMap::new(),
            features: HashMap::new(),
            tags: UnknownTags::default(),
        };
        connection.negotiate().await?;
        Ok(connection)
    }

    /// Asks for the versions, in the newest way first. A node that does not know it answers in version 0 with UNSUPPORTED_VERSION (KIP-511).
    async fn negotiate(&mut self) -> Result<(), ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: "barnabas".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..Default::default()
        };
        let newest = ApiKey::ApiVersions.answered_versions().max;
        let frame = self.exchange(&request, newest).await?;
        let first = self.read_response::<ApiVersionsRequest<'_>>(&frame, FIRST_VERSION);
        let response = match first {
            Ok(response) if response.error_code == ErrorCode::UNSUPPORTED_VERSION => {
                let frame = self.exchange(&request, FIRST_VERSION).await?;
                self.read_response::<ApiVersionsRequest<'_>>(&frame, FIRST_VERSION)?
            }
            _ => self.read_response::<ApiVersionsRequest<'_>>(&frame, newest)?,
        };
        self.remember(&response)
    }

    fn remember(&mut self, response: &ApiVersionsResponse<'_>) -> Result<(), ClientError> {
        ClientError::check(ApiKey::ApiVersions, &self.address, response.error_code, None)?;
        let rows = response.api_keys.iter();
        self.served = rows.map(|row| (row.api_key, VersionRange::new(row.min_version, row.max_version))).collect();
        let rows = response.supported_features.iter();
        let feature =
            |row: &SupportedFeatureKey<'_>| (row.name.to_string(), VersionRange::new(row.min_version, row.max_version));
        self.features = rows.map(feature).collect();
        self.tags = response.unknown_tags.clone().into_owned();
        Ok(())
    }

    /// The versions of `api` that the node serves.
    #[must_use]
    pub fn served(&self, api: ApiKey) -> VersionRange {
        self.served.get(&api.number()).copied().unwrap_or(VersionRange::EMPTY)
    }

    /// The levels of `feature` that the node can run at; None when it does not know the feature.
    #[must_use]
    pub fn supported(&self, feature: &str) -> Option<VersionRange> {
        self.features.get(feature).copied()
    }

    /// What the node's ApiVersions says beyond Kafka's fields.
    #[must_use]
    pub const fn tags(&self) -> &UnknownTags<'static> {
        &self.tags
    }

    /// Asks `request` in the newest version of `wanted` that the node serves.
    ///
    /// # Errors
    /// The node serves none of them, or gives no answer.
    pub async fn call<Q: Request>(
        &mut self,
        request: &Q,
        wanted: VersionRange,
    ) -> Result<Q::Response<'static>, ClientError> {
        let served = self.served(Q::KEY);
        let common = wanted.intersect(served);
        if common.is_empty() {
            return Err(ClientError::NoCommonVersion { address: self.address.clone(), api: Q::KEY, served, wanted });
        }
        let frame = self.exchange(request, common.max).await?;
        self.read_response::<Q>(&frame, common.max)
    }

    /// Sends a request of `api` that is encoded already, and returns the encoded answer. Whether the node serves the version the caller
    /// has looked up.
    ///
    /// # Errors
    /// The node gives no answer.
    pub async fn call_encoded(&mut self, api: ApiKey, version: i16, body: Segments) -> Result<Bytes, ClientError> {
        let header = RequestHeader {
            api_key: api,
            api_version: version,
            correlation_id: self.next_correlation_id,
            client_id: Some(Cow::Borrowed(&self.client_id)),
            unknown_tags: UnknownTags::default(),
        };
        let segments = frame_request(&header, body).map_err(|source| ClientError::Encode { api, source })?;
        let frame = self.exchange_frame(api, segments).await?;
        let mut reader = Reader::new(&frame);
        ResponseHeader::decode(&mut reader, api, version).map_err(|source| ClientError::Decode {
            address: self.address.clone(),
            api,
            source,
        })?;
        Ok(frame.slice(reader.position()..))
    }

    /// Sends `request` and returns the frame that answers it.
    async fn exchange<Q: Request>(&mut self, request: &Q, version: i16) -> Result<Bytes, ClientError> {
        let segments = encode_request(self.next_correlation_id, version, Some(&self.client_id), request)
            .map_err(|source| ClientError::Encode { api: Q::KEY, source })?;
        self.exchange_frame(Q::KEY, segments).await
    }

    /// Sends a frame that has the next correlation id, and returns the one that answers it.
    async fn exchange_frame(&mut self, api: ApiKey, segments: Segments) -> Result<Bytes, ClientError> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = correlation_id.wrapping_add(1);
        write_segments(&mut self.writer, segments, &InPlace).await.map_err(|source| ClientError::Write {
            address: self.address.clone(),
            api,
            source,
        })?;
        let frame = self.reader.next().await;
        let frame = frame.map_err(|source| ClientError::Read { address: self.address.clone(), api, source })?;
        let frame = frame.ok_or_else(|| ClientError::Closed { address: self.address.clone(), api })?;
        match frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes)) {
            Some(received) if received != correlation_id => {
                Err(ClientError::Correlation { address: self.address.clone(), expected: correlation_id, received })
            }
            _ => Ok(frame),
        }
    }

    fn read_response<Q: Request>(&self, frame: &Bytes, version: i16) -> Result<Q::Response<'static>, ClientError> {
        let mut reader = Reader::new(frame);
        ResponseHeader::decode(&mut reader, Q::KEY, version)
            .and_then(|_| Q::Response::decode(&mut reader, version))
            .map(IntoOwned::into_owned)
            .map_err(|source| ClientError::Decode { address: self.address.clone(), api: Q::KEY, source })
    }
}
