//! What the group APIs share: handing a request to the coordinator of its group, and waiting for it beside the connection, so
//! that a parked JoinGroup holds no memory of its frame. Knows no API.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use barnabas_coordinator::group::{Context, Request, Response};
use barnabas_protocol::ErrorCode;
use futures::FutureExt;

use super::{Reply, RequestContext};

impl RequestContext {
    /// Who asks, as a group remembers its members.
    #[must_use]
    pub fn caller(&self) -> Context {
        Context {
            client_id: (*self.client_id).into(),
            // Java writes an address that was never a name with an empty name before it.
            client_host: format!("/{}", self.connection.host()).into(),
            version: self.api_version,
        }
    }
}

/// Asks the coordinator of `group_id`; `fold` makes the response of its answer.
pub async fn ask<A, R>(
    context: &RequestContext,
    group_id: &str,
    request: Request,
    fold: impl FnOnce(Result<A, ErrorCode>) -> R + Send + 'static,
) -> Reply<R>
where
    A: TryFrom<Response> + Send + 'static,
    R: Send + 'static,
{
    match context.node.groups.ask(group_id, request).await {
        Ok(pending) => Reply::Later(pending.answer().map(fold).boxed()),
        Err(code) => Reply::Now(fold(Err(code))),
    }
}

/// As [`ask`], for APIs that refuse the empty group id, which only offsets may still have.
pub async fn ask_named<A, R>(
    context: &RequestContext,
    group_id: &str,
    request: Request,
    fold: impl FnOnce(Result<A, ErrorCode>) -> R + Send + 'static,
) -> Reply<R>
where
    A: TryFrom<Response> + Send + 'static,
    R: Send + 'static,
{
    if group_id.is_empty() {
        return Reply::Now(fold(Err(ErrorCode::INVALID_GROUP_ID)));
    }
    ask(context, group_id, request, fold).await
}

/// The groups of a request that names several, each once, by the partition that coordinates them. Who names a group twice gets
/// one answer: a short request must not ask for a reply without end.
pub fn by_partition(context: &RequestContext, group_ids: &[Cow<'_, str>]) -> Vec<(Option<i32>, Vec<Box<str>>)> {
    let mut shares: BTreeMap<Option<i32>, Vec<Box<str>>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for group_id in group_ids.iter().filter(|group_id| seen.insert(&***group_id)) {
        let partition = context.node.groups.partition_of(group_id);
        shares.entry(partition).or_default().push((&**group_id).into());
    }
    shares.into_iter().collect()
}

/// Asks the shard of `partition` and waits.
///
/// # Errors
/// Kafka's code, if the shard is not here or could not answer.
pub async fn ask_partition<A: TryFrom<Response>>(
    context: &RequestContext,
    partition: Option<i32>,
    request: Request,
) -> Result<A, ErrorCode> {
    let partition = partition.ok_or(ErrorCode::NOT_COORDINATOR)?;
    context.node.groups.ask_partition(partition, request).await?.answer().await
}
