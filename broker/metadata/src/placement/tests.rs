//! Properties that every placement has, over many seeded clusters.

use std::collections::{BTreeMap, BTreeSet};

use barnabas_types::Uuid;

use super::*;
use crate::BrokerRegistration;

fn brokers(racks: &[(&str, usize)], fenced: &[i32]) -> Brokers {
    let mut brokers = Brokers::default();
    let mut id = 0;
    for (rack, count) in racks {
        for _ in 0..*count {
            id += 1;
            let broker = BrokerRegistration {
                id: BrokerId(id),
                epoch: 0,
                incarnation_id: Uuid::ZERO,
                endpoints: Vec::new(),
                features: Vec::new(),
                rack: (!rack.is_empty()).then(|| (*rack).into()),
                fenced: fenced.contains(&id),
                in_controlled_shutdown: false,
                log_dirs: Vec::new(),
                cordoned_log_dirs: None,
            };
            brokers.insert(broker);
        }
    }
    brokers
}

#[test]
fn replicas_are_distinct_leaders_are_active_and_the_load_is_even() {
    for random in 0..200_u64 {
        let random = random.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let cluster = brokers(&[("a", 3), ("b", 3), ("c", 3)], &[]);
        let placed = place(&cluster, 90, 3, random).unwrap();
        let (mut leads, mut holds) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
        for replicas in &placed {
            assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3, "random {random}: {replicas:?}");
            let racks: BTreeSet<_> = replicas.iter().map(|id| cluster.get(*id).unwrap().rack.clone()).collect();
            assert_eq!(racks.len(), 3, "random {random}: {replicas:?} leaves a rack out");
            *leads.entry(replicas[0]).or_default() += 1;
            for replica in replicas {
                *holds.entry(*replica).or_default() += 1;
            }
        }
        assert!(leads.values().all(|&count| count == 10), "random {random}: {leads:?}");
        assert!(holds.values().all(|&count| (27..=33).contains(&count)), "random {random}: {holds:?}");
    }
}

#[test]
fn a_fenced_broker_is_used_only_when_there_is_no_other_and_never_leads() {
    for random in 0..50 {
        let cluster = brokers(&[("a", 2), ("b", 1)], &[3]);
        for replicas in place(&cluster, 10, 2, random).unwrap() {
            assert!(!replicas.contains(&BrokerId(3)), "random {random}: {replicas:?}");
        }
        for replicas in place(&cluster, 10, 3, random).unwrap() {
            assert_eq!((replicas.len(), replicas[2]), (3, BrokerId(3)), "random {random}: {replicas:?}");
        }
    }
}

#[test]
fn leaders_alternate_on_one_rack_and_differ_between_topics() {
    let cluster = brokers(&[("", 3)], &[]);
    let leaders = |random| place(&cluster, 3, 1, random).unwrap().concat();
    assert_eq!(leaders(0), [BrokerId(1), BrokerId(2), BrokerId(3)]);
    assert_eq!(leaders(1 << 32), [BrokerId(2), BrokerId(3), BrokerId(1)]);
}

#[test]
fn too_few_brokers_and_none_active_are_refused() {
    let cluster = brokers(&[("", 2)], &[]);
    let too_few = PlacementError::TooFewBrokers { replication_factor: 3, brokers: 2 };
    assert_eq!(place(&cluster, 1, 3, 0), Err(too_few));
    assert_eq!(place(&brokers(&[("", 2)], &[1, 2]), 1, 1, 0), Err(PlacementError::NoneActive));
}
