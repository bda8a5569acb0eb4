//! DeleteGroups: groups without members go with their offsets.

use barnabas_coordinator::group::Request;
use barnabas_protocol::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};
use futures::future::join_all;

use super::{RequestContext, coordinated};

/// Asks the shards of all groups at once.
pub async fn handle(context: &RequestContext, request: DeleteGroupsRequest<'_>) -> DeleteGroupsResponse<'static> {
    let shares = coordinated::by_partition(context, &request.groups_names).into_iter().map(
        |(partition, group_ids)| async move {
            let request = Request::DeleteGroups { group_ids: group_ids.clone() };
            let answer: Result<Vec<DeletableGroupResult<'static>>, _> =
                coordinated::ask_partition(context, partition, request).await;
            answer.unwrap_or_else(|error_code| {
                let refused = group_ids.into_iter().map(|group_id| DeletableGroupResult {
                    group_id: group_id.into_string().into(),
                    error_code,
                    ..Default::default()
                });
                refused.collect()
            })
        },
    );
    let results = join_all(shares).await.into_iter().flatten().collect();
    DeleteGroupsResponse { results, ..Default::default() }
}
