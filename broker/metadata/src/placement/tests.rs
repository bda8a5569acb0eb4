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
fn a_fenced_broker_is_used_only_when_its_rack_has_no_other_and_never_leads() {
    for random in 0..50 {
        let cluster = brokers(&[("a", 2), ("b", 1)], &[3]);
        for replicas in place(&cluster, 10, 2, random).unwrap() {
            assert_eq!(replicas[1], BrokerId(3), "random {random}: {replicas:?} lie in one rack");
        }
        let cluster = brokers(&[("", 3)], &[3]);
        for replicas in place(&cluster, 10, 2, random).unwrap() {
            assert!(!replicas.contains(&BrokerId(3)), "random {random}: {replicas:?}");
        }
        for replicas in place(&cluster, 10, 3, random).unwrap() {
            assert_eq!((replicas.len(), replicas[2]), (3, BrokerId(3)), "random {random}: {replicas:?}");
        }
    }
}

#[test]
fn what_a_broker_leads_goes_to_all_others_when_it_fails() {
    for racks in [[("", 4)].as_slice(), &[("a", 2), ("b", 2)], &[("a", 1), ("b", 1), ("c", 1), ("d", 1)]] {
        for random in 0..20 {
            let mut next = BTreeMap::<_, BTreeMap<_, usize>>::new();
            for replicas in place(&brokers(racks, &[]), 400, 3, random).unwrap() {
                *next.entry(replicas[0]).or_default().entry(replicas[1]).or_default() += 1;
            }
            for (leader, next) in next {
                // Where there are two racks the second replica lies in the other one.
                let others = if racks.len() == 2 { 2 } else { 3 };
                assert_eq!(next.len(), others, "{racks:?}, random {random}, {leader}: {next:?}");
                assert!(
                    next.values().all(|&count| count * others > 50),
                    "{racks:?}, random {random}, {leader}: {next:?}"
                );
            }
        }
    }
}

#[test]
fn a_broker_that_is_shutting_down_gets_nothing() {
    let mut cluster = brokers(&[("", 3)], &[]);
    let mut stopping = BrokerRegistration::clone(cluster.get(BrokerId(2)).unwrap());
    stopping.in_controlled_shutdown = true;
    cluster.insert(stopping.clone());
    assert!(place(&cluster, 10, 2, 7).unwrap().concat().iter().all(|&broker| broker != BrokerId(2)));
    assert_eq!(place(&cluster, 1, 3, 7), Err(PlacementError::TooFewBrokers { replication_factor: 3, brokers: 2 }));
    stopping.fenced = true;
    cluster.insert(stopping);
    assert_eq!(place(&cluster, 1, 3, 7).unwrap()[0][2], BrokerId(2), "it has stopped, and may be back");
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
