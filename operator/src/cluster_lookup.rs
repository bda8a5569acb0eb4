//! Finds the cluster that a Topic or a ConsumerGroup refers to, and says whether its brokers can be asked. Asks none.

use crate::crd::cluster_ref::ClusterRef;
use crate::crd::condition::{ConditionStatus, find, kind};
use crate::crd::kafka_cluster::KafkaCluster;
use kube::Client;
use kube::api::Api;

/// The cluster as far as it concerns what refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cluster {
    /// There is none.
    Missing,
    /// It is being deleted.
    Terminating,
    /// Its brokers are not ready; `formed` tells whether they ever were.
    NotReady { formed: bool },
    /// Its brokers can be asked; so many are asked for.
    Ready { bootstrap: String, brokers: usize },
}

impl Cluster {
    /// Reads the cluster.
    ///
    /// # Errors
    /// The API server did not answer, or refused.
    pub async fn find(client: &Client, namespace: &str, reference: &ClusterRef) -> Result<Self, kube::Error> {
        let api: Api<KafkaCluster> = Api::namespaced(client.clone(), namespace);
        Ok(Self::of(api.get_opt(&reference.name).await?.as_ref()))
    }

    fn of(cluster: Option<&KafkaCluster>) -> Self {
        let Some(cluster) = cluster else { return Self::Missing };
        if cluster.metadata.deletion_timestamp.is_some() {
            return Self::Terminating;
        }
        let Some(status) = &cluster.status else { return Self::NotReady { formed: false } };
        // A cluster that is about to be restarted or refuses a new spec still serves: its nodes decide.
        let serves = status.ready_replicas > 0
            && find(&status.conditions, kind::READY).is_some_and(|ready| ready.status != ConditionStatus::Unknown);
        match &status.bootstrap {
            Some(bootstrap) if serves => {
                let brokers = status.listeners.iter().map(|listener| listener.brokers.len()).max().unwrap_or_default();
                Self::Ready { bootstrap: bootstrap.clone(), brokers }
            }
            _ => Self::NotReady { formed: !status.formed_nodes.is_empty() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(status: &str) -> KafkaCluster {
        let mut cluster = KafkaCluster::new("c", serde_yaml::from_str("{}").unwrap());
        cluster.status = Some(serde_yaml::from_str(status).unwrap());
        cluster
    }

    #[test]
    fn brokers_are_asked_while_any_is_ready_even_if_the_spec_is_refused() {
        let condition = "{type: Ready, status: 'False', reason: r, message: m, lastTransitionTime: t}";
        let status = format!("{{readyReplicas: 1, bootstrap: 'b:1', conditions: [{condition}]}}");
        assert_eq!(Cluster::of(Some(&cluster(&status))), Cluster::Ready { bootstrap: "b:1".to_owned(), brokers: 0 });
        assert_eq!(Cluster::of(Some(&cluster("{bootstrap: 'b:1'}"))), Cluster::NotReady { formed: false });
        assert_eq!(Cluster::of(None), Cluster::Missing);
    }
}
