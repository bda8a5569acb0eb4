//! The id of a broker that has none: asked for at the active controller before the node is put together, and kept in `meta.properties` of
//! its log directories. A controller is never given one: the voters know it by its own. Decides no id.

mod ask;

use barnabas_protocol::messages::BrokerRegistrationRequest;
use barnabas_types::{BrokerId, Uuid};

use super::disks::{self, Wanted};
use super::{FormatPolicy, Socket, broker, registration};
use crate::config::Boot;
use crate::runtime::Runtime;
use crate::storage::UnnamedDirectories;

/// Which node this is. Where nothing says it, the active controller is asked, and `boot` and the log directories say so from then on. The
/// registration by which it asks is that of this process, so that the one that follows is no other's.
pub async fn settle(
    boot: &mut Boot,
    policy: FormatPolicy,
    sockets: &[Socket],
    incarnation_id: Uuid,
    runtime: &Runtime,
) -> anyhow::Result<BrokerId> {
    if let Some(id) = boot.config.node_id {
        return Ok(id);
    }
    let (config, cluster_id) = (&boot.config, boot.cluster_id.as_deref());
    let wanted = Wanted { config, policy, cluster_id, runtime };
    let (directories, cluster_id) = disks::when_free(|| hold(wanted)).await?;
    let id = match directories.node_id() {
        Some(id) => id,
        None => {
            let request = BrokerRegistrationRequest {
                cluster_id: cluster_id.into(),
                incarnation_id,
                log_dirs: directories.ids(),
                ..registration::of_nobody(config, &broker::endpoints(config, sockets))
            };
            let id = ask::active_controller(config, &request, runtime).await?;
            directories.name(id)?;
            tracing::info!("the active controller has given this broker node.id {id}; its log directories keep it");
            id
        }
    };
    boot.be_given(id);
    Ok(id)
}

/// The directories, for this process alone, and the cluster that they are of.
fn hold(wanted: Wanted<'_>) -> anyhow::Result<(UnnamedDirectories, String)> {
    let (disk, cluster_id) = disks::examine(wanted)?;
    let new_id = || wanted.runtime.random_uuid();
    Ok((UnnamedDirectories::take(disk, &wanted.config.log_dirs, &cluster_id, new_id)?, cluster_id))
}
