//! What was seen of a cluster, as plain values: what the explanations are made from. Holds no opinion.

use std::collections::BTreeMap;

use barnabas_types::Uuid;

/// A registered broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Where clients are told to find it, `host:port`.
    pub address: String,
    /// Its rack.
    pub rack: Option<String>,
    /// It is registered and does not serve.
    pub is_fenced: bool,
}

/// A replica of the metadata log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replica {
    /// Its node's id.
    pub id: i32,
    /// The id of its directory; zero when it is not known.
    pub directory_id: Uuid,
    /// The offset after the last record that it has; None when that is not known.
    pub log_end: Option<i64>,
    /// When it last fetched, in milliseconds of the leader's clock; None when it never did.
    pub last_fetch_ms: Option<i64>,
    /// When it last had everything.
    pub last_caught_up_ms: Option<i64>,
}

/// The quorum as its leader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quorum {
    /// The leader.
    pub leader: i32,
    /// Its epoch.
    pub epoch: i32,
    /// The offset up to which records are committed; None when that is not known yet.
    pub high_watermark: Option<i64>,
    /// Who votes.
    pub voters: Vec<Replica>,
    /// Who only follows.
    pub observers: Vec<Replica>,
    /// Addresses of voters, `host:port`.
    pub addresses: BTreeMap<i32, String>,
}

impl Quorum {
    /// The present by the leader's clock, which tells it as the time of its own last fetch.
    #[must_use]
    pub fn now_ms(&self) -> Option<i64> {
        self.voters.iter().chain(&self.observers).find(|replica| replica.id == self.leader)?.last_fetch_ms
    }

    /// How long ago a moment of the leader's clock was, in milliseconds.
    #[must_use]
    pub fn ago_ms(&self, then: i64) -> Option<i64> {
        self.now_ms().map(|now| now.saturating_sub(then).max(0))
    }
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// Who leads it; None when nobody does.
    pub leader: Option<i32>,
    /// How often the leader has changed.
    pub leader_epoch: i32,
    /// Who holds it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Who of them is in sync.
    pub isr: Vec<i32>,
    /// Who is out of sync and has all that was committed all the same.
    pub eligible_leaders: Vec<i32>,
    /// Who is down, or whose disk has failed.
    pub offline: Vec<i32>,
}

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions, in order.
    pub partitions: Vec<Partition>,
}

/// A log directory of a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Its path.
    pub path: String,
    /// What is wrong with it, in Kafka's words.
    pub error: Option<String>,
    /// The size of its volume in bytes; None when that is not known.
    pub total_bytes: Option<i64>,
    /// How much of it is free.
    pub usable_bytes: Option<i64>,
    /// No new partitions are placed in it.
    pub is_cordoned: bool,
    /// The partitions in it, as topic and number.
    pub partitions: Vec<(String, i32)>,
}

/// All that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The cluster's id.
    pub cluster_id: String,
    /// Its brokers.
    pub brokers: Vec<Broker>,
    /// Its quorum, or why that could not be asked.
    pub quorum: Result<Quorum, String>,
    /// The topics that were asked for.
    pub topics: Vec<Topic>,
    /// The disks of the brokers that were asked, or why they did not answer.
    pub disks: BTreeMap<i32, Result<Vec<Disk>, String>>,
    /// `min.insync.replicas` of the topic, where one was asked for.
    pub min_insync_replicas: Option<usize>,
    /// The same of other topics, where it matters for a broker.
    pub minimums: BTreeMap<String, usize>,
}

impl Observed {
    /// The broker with `id`.
    #[must_use]
    pub fn broker(&self, id: i32) -> Option<&Broker> {
        self.brokers.iter().find(|broker| broker.id == id)
    }

    /// Since when nobody has heard of node `id`, in milliseconds: how long ago it last fetched the metadata log.
    #[must_use]
    pub fn silent_ms(&self, id: i32) -> Option<i64> {
        let quorum = self.quorum.as_ref().ok()?;
        let fetched = |replica: &Replica| (replica.id == id).then_some(replica.last_fetch_ms).flatten();
        let last = quorum.voters.iter().chain(&quorum.observers).filter_map(fetched).max()?;
        quorum.ago_ms(last)
    }
}
