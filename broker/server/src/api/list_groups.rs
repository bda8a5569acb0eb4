//! ListGroups: the groups that this broker coordinates.

use barnabas_coordinator::group::Request;
use barnabas_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use barnabas_protocol::{ErrorCode, IntoOwned};
use futures::future::join_all;

use super::{RequestContext, coordinated};

/// Asks every shard. One that has moved away meanwhile has no groups here; one that is being loaded makes the list wait.
pub async fn handle(context: &RequestContext, request: ListGroupsRequest<'_>) -> ListGroupsResponse<'static> {
    let request = request.into_owned();
    let partitions = context.node.groups.led_partitions();
    let lists = partitions
        .into_iter()
        .map(|partition| coordinated::ask_partition(context, Some(partition), Request::ListGroups(request.clone())));
    let lists: Vec<Result<Vec<ListedGroup<'static>>, _>> = join_all(lists).await;
    let mut groups = Vec::new();
    for list in lists {
        match list {
            Ok(list) => groups.extend(list),
            Err(ErrorCode::NOT_COORDINATOR) => {}
            Err(error_code) => return ListGroupsResponse { error_code, ..Default::default() },
        }
    }
    ListGroupsResponse { groups, ..Default::default() }
}
