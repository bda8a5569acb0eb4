//! DescribeGroups: what classic groups are doing and who is in them.

use barnabas_coordinator::group::Request;
use barnabas_protocol::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup};
use futures::future::join_all;

use super::{RequestContext, coordinated};

/// What may be done to a group, as bits by operation: READ 3, DELETE 6, DESCRIBE 8, DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11. Without
/// an authorizer everybody may do all of it.
const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// Asks the shards of all groups at once.
pub async fn handle(context: &RequestContext, request: DescribeGroupsRequest<'_>) -> DescribeGroupsResponse<'static> {
    let shares =
        coordinated::by_partition(context, &request.groups).into_iter().map(|(partition, group_ids)| async move {
            let request = Request::DescribeGroups { context: context.caller(), group_ids: group_ids.clone() };
            let answer: Result<Vec<DescribedGroup<'static>>, _> =
                coordinated::ask_partition(context, partition, request).await;
            answer.unwrap_or_else(|error_code| {
                let refused = group_ids.into_iter().map(|group_id| DescribedGroup {
                    group_id: group_id.into_string().into(),
                    error_code,
                    ..Default::default()
                });
                refused.collect()
            })
        });
    let mut groups: Vec<_> = join_all(shares).await.into_iter().flatten().collect();
    if request.include_authorized_operations {
        for group in groups.iter_mut().filter(|group| group.error_code.0 == 0) {
            group.authorized_operations = ALL_OPERATIONS;
        }
    }
    DescribeGroupsResponse { groups, ..Default::default() }
}
