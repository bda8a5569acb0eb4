//! The account that brokers run under. It has no rights: brokers do not talk to Kubernetes.

use crate::cluster::validate::Resolved;
use k8s_openapi::api::core::v1::ServiceAccount;

/// An account of its own, so that rights given to `default` do not reach brokers. Its token is not mounted.
pub fn service_account(cluster: &Resolved) -> ServiceAccount {
    ServiceAccount {
        metadata: super::of_cluster(cluster, cluster.name.clone()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
