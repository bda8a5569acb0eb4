//! Starts and stops the operator: admin port, definitions, leader election, controllers, in this order and back. Holds no
//! decision about any resource.

use crate::admin::{self, Admin};
use crate::broker_client::KafkaBrokers;
use crate::cluster::{self, Settings};
use crate::consumer_group;
use crate::context::Context;
use crate::crd;
use crate::leader::Election;
use crate::metrics::Metrics;
use crate::topic;
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use futures::future::{BoxFuture, FutureExt as _, Shared};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, ResourceExt as _};
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// What the operator is told when it starts.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Image of brokers whose KafkaCluster names none.
    #[arg(long, env = "BARNABAS_BROKER_IMAGE")]
    broker_image: String,
    /// DNS domain of the Kubernetes cluster.
    #[arg(long, env = "BARNABAS_CLUSTER_DOMAIN", default_value = "cluster.local")]
    cluster_domain: String,
    /// Look only at this namespace; at all when left out.
    #[arg(long, env = "BARNABAS_WATCH_NAMESPACE")]
    watch_namespace: Option<String>,
    /// Address of the admin port: /metrics, /livez, /readyz.
    #[arg(long, env = "BARNABAS_ADMIN_LISTENER", default_value = "0.0.0.0:8080")]
    admin_listener: SocketAddr,
    /// Name of the Lease that keeps several operators apart.
    #[arg(long, env = "BARNABAS_LEASE_NAME", default_value = "barnabas-operator")]
    lease_name: String,
    /// Namespace of the Lease; by default the one that the operator runs in.
    #[arg(long, env = "POD_NAMESPACE")]
    lease_namespace: Option<String>,
    /// This operator's name among several; the pod's name in Kubernetes.
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// Act without asking for the Lease: only when no other operator runs.
    #[arg(long, env = "BARNABAS_NO_LEADER_ELECTION")]
    no_leader_election: bool,
    /// Format of log lines.
    #[arg(long, env = "BARNABAS_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// What is logged, as in `info,kube=warn`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    log_filter: String,
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

/// The end of the process, which every controller waits for.
type Shutdown = Shared<BoxFuture<'static, ()>>;

/// Runs until a signal comes or the lease is lost.
///
/// # Errors
/// What keeps the operator from starting, or the loss of the lease: Kubernetes then starts it again.
pub async fn run(options: Options) -> Result<()> {
    log(&options)?;
    let metrics = Arc::new(Metrics::new().context("declare the metrics")?);
    let ready = Arc::new(AtomicBool::new(false));
    let listener = admin::bind(options.admin_listener).await?;
    let admin =
        tokio::spawn(admin::serve(listener, Admin { metrics: Arc::clone(&metrics), ready: Arc::clone(&ready) }));
    let shutdown = shutdown()?;
    let client = Client::try_default().await.context("find the API server: in a pod, or by KUBECONFIG")?;
    tokio::select! {
        () = wait_for_definitions(&client) => {}
        () = shutdown.clone() => return Ok(()),
    }
    ready.store(true, Ordering::Release);
    let result = lead(&options, client, metrics, shutdown).await;
    admin.abort();
    result
}

async fn lead(options: &Options, client: Client, metrics: Arc<Metrics>, shutdown: Shutdown) -> Result<()> {
    let identity = options.identity.clone().unwrap_or_else(|| format!("process-{}", std::process::id()));
    let election = Election {
        api: match &options.lease_namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::default_namespaced(client.clone()),
        },
        name: options.lease_name.clone(),
        identity: identity.clone(),
    };
    if !options.no_leader_election {
        tracing::info!(lease = election.name, identity, "waiting for the lease");
        tokio::select! {
            () = election.acquire() => {}
            () = shutdown.clone() => return Ok(()),
        }
    }
    metrics.leads(true);
    tracing::info!(identity, "acting");
    let reporter = Reporter { controller: "barnabas-operator".to_owned(), instance: Some(identity) };
    let settings =
        Settings { broker_image: options.broker_image.clone(), cluster_domain: options.cluster_domain.clone() };
    let recorder = Recorder::new(client.clone(), reporter);
    let namespace = options.watch_namespace.clone().filter(|namespace| !namespace.is_empty());
    let brokers = Arc::new(KafkaBrokers::default());
    let context = Arc::new(Context::new(client, namespace, settings, recorder, Arc::clone(&metrics), brokers));
    let controllers = controllers(context, shutdown);
    if options.no_leader_election {
        controllers.await;
        return Ok(());
    }
    tokio::select! {
        () = controllers => {}
        lost = election.keep() => {
            metrics.leads(false);
            // Whatever is under way is dropped here: another operator may begin in a moment.
            return lost;
        }
    }
    election.release().await;
    Ok(())
}

async fn controllers(context: Arc<Context>, shutdown: Shutdown) {
    futures::join!(
        cluster::run(Arc::clone(&context), shutdown.clone()),
        topic::run(Arc::clone(&context), shutdown.clone()),
        consumer_group::run(context, shutdown),
    );
}

/// The definitions come with the chart or by `kubectl apply`; without them there is nothing to watch.
async fn wait_for_definitions(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in crd::definitions() {
        let name = definition.name_any();
        loop {
            match api.get_opt(&name).await {
                Ok(Some(live)) if is_established(&live) => break,
                // An operator of one namespace has no right to look at definitions; its watches will tell.
                Err(kube::Error::Api(status)) if status.code == 403 => break,
                Ok(_) => tracing::info!(name, "waiting for the definition: kubectl apply -f crds/"),
                Err(error) => tracing::warn!(%error, name, "cannot read the definition"),
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|c| c.type_ == "Established" && c.status == "True")
}

fn shutdown() -> Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let asked = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    };
    Ok(asked.boxed().shared())
}

fn log(options: &Options) -> Result<()> {
    let filter = EnvFilter::try_new(&options.log_filter)
        .with_context(|| format!("--log-filter {:?} is no filter; try info,kube=warn", options.log_filter))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    let set = match options.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if set.is_err() {
        bail!("logging was set up twice");
    }
    Ok(())
}
