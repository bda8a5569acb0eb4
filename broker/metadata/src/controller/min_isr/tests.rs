//! That the cluster has one minimum as long as replicas are kept eligible by it.

use barnabas_protocol::ErrorCode;
use barnabas_types::BrokerId;

use super::*;
use crate::controller::replication_tests::{proposal, propose};
use crate::controller::tests::{ControllerContext, assigned, heartbeat};
use crate::controller::{
    AlterConfigsError, ConfigOperation, FeatureUpdate, InvalidConfig, PermitsBefore, UpgradeType, bootstrap_records,
    first_batch, level_records,
};
use crate::{ELIGIBLE_LEADER_REPLICAS, History, METADATA_VERSION};

/// A node whose own configuration says this of the minimum.
struct Configured(Option<&'static str>);

impl ConfigRules for Configured {
    fn validate(&self, _: &ConfigResource, _: &BTreeMap<Box<str>, Box<str>>) -> Result<(), InvalidConfig> {
        Ok(())
    }

    fn is_list(&self, _: ResourceType, _: &str) -> bool {
        false
    }

    fn inherited(&self, _: &ConfigResource, _: &str) -> Option<String> {
        self.0.map(str::to_owned)
    }
}

/// `min.insync.replicas` as it is set on the broker of this name; of all brokers for none.
fn set_on(context: &ControllerContext, broker: &str) -> Option<String> {
    let value = context.controller.head().configs.value(&ConfigResource::broker(broker), MIN_IN_SYNC_REPLICAS);
    value.map(str::to_owned)
}

fn alter(
    context: &mut ControllerContext,
    resource: &ConfigResource,
    operation: ConfigOperation<'_>,
) -> Result<(), AlterConfigsError> {
    let operations = [(MIN_IN_SYNC_REPLICAS, operation)];
    let outcome =
        context.decide(|controller, context| controller.incremental_alter_configs(context, resource, &operations))?;
    context.apply(&outcome.records);
    Ok(())
}

fn keep_eligible(context: &mut ControllerContext) {
    let update =
        FeatureUpdate { feature: ELIGIBLE_LEADER_REPLICAS.into(), level: 1, upgrade_type: Some(UpgradeType::Upgrade) };
    let outcome = context.decide(|controller, context| controller.update_features(context, &[update], false));
    context.apply(&outcome.unwrap().records);
}

#[test]
fn a_new_cluster_has_the_minimum_that_its_first_controller_is_configured_with() {
    for (configured, expected) in [(None, "1"), (Some("2"), "2"), (Some(" 3 "), "3")] {
        let mut history = History::default();
        for record in &first_batch(bootstrap_records(), &Configured(configured)) {
            history.replay(record).unwrap();
        }
        let image = history.visible();
        assert_eq!(image.configs.value(&ConfigResource::broker(""), MIN_IN_SYNC_REPLICAS), Some(expected));
        assert_eq!(image.features.level(ELIGIBLE_LEADER_REPLICAS), 1);
    }
    let without = first_batch(level_records(&[(METADATA_VERSION, 22)]), &Configured(Some("2")));
    assert!(!without.iter().any(|record| matches!(record, MetadataRecord::Config(_))), "nobody goes by it");
}

#[test]
fn who_begins_to_keep_replicas_eligible_gives_all_brokers_one_minimum() {
    let mut context = ControllerContext::with_brokers(2);
    context.inherit(MIN_IN_SYNC_REPLICAS, "2");
    alter(&mut context, &ConfigResource::broker("1"), ConfigOperation::Set("3")).unwrap();
    keep_eligible(&mut context);
    assert_eq!((set_on(&context, ""), set_on(&context, "1")), (Some("2".to_owned()), None));

    let mut context = ControllerContext::with_brokers(2);
    context.inherit(MIN_IN_SYNC_REPLICAS, "2");
    alter(&mut context, &ConfigResource::broker(""), ConfigOperation::Set("1")).unwrap();
    keep_eligible(&mut context);
    assert_eq!(set_on(&context, ""), Some("1".to_owned()), "what was set stays");
}

#[test]
fn a_configuration_that_says_another_minimum_than_the_cluster_has_is_told_of() {
    let mut context = ControllerContext::with_brokers(1);
    let told = |context: &ControllerContext, configured| {
        context.controller.min_isr_that_does_not_count(&Configured(configured)).map(|(configured, _)| configured)
    };
    alter(&mut context, &ConfigResource::broker(""), ConfigOperation::Set("2")).unwrap();
    assert_eq!(told(&context, Some("3")), None, "each broker has its own where none is kept eligible");
    keep_eligible(&mut context);
    assert_eq!(told(&context, Some(" 3 ")), Some("3".to_owned()));
    for silent in [None, Some("1"), Some("2 ")] {
        assert_eq!(told(&context, silent), None, "{silent:?}");
    }
}

#[test]
fn no_broker_gets_a_minimum_of_its_own_while_replicas_are_kept_eligible() {
    let mut context = ControllerContext::with_brokers(2);
    let (one, all) = (ConfigResource::broker("1"), ConfigResource::broker(""));
    alter(&mut context, &one, ConfigOperation::Set("2")).unwrap();
    alter(&mut context, &all, ConfigOperation::Set("2")).unwrap();
    alter(&mut context, &all, ConfigOperation::Delete).unwrap();
    keep_eligible(&mut context);

    for operation in [ConfigOperation::Set("2"), ConfigOperation::Delete] {
        let refused = alter(&mut context, &one, operation).unwrap_err();
        assert_eq!((&refused, refused.code()), (&MinIsrError::OfABroker.into(), ErrorCode::INVALID_CONFIG));
    }
    let refused = alter(&mut context, &all, ConfigOperation::Delete).unwrap_err();
    assert_eq!((&refused, refused.code()), (&MinIsrError::OfNobody.into(), ErrorCode::INVALID_CONFIG));
    // Also where it is only not named again.
    let replaced =
        context.decide(|controller, context| controller.alter_configs(context, &all, &[("good", Some("x"))]));
    assert_eq!(replaced.unwrap_err(), MinIsrError::OfNobody.into());
    alter(&mut context, &all, ConfigOperation::Set("2")).unwrap();
    assert_eq!((set_on(&context, ""), set_on(&context, "1")), (Some("2".to_owned()), None));
}

#[test]
fn another_minimum_counts_from_its_record_on_whatever_this_node_has_applied() {
    let mut context = ControllerContext::with_brokers(3);
    keep_eligible(&mut context);
    for result in context.create(vec![assigned("a", &[(0, &[1, 2, 3])])]) {
        result.unwrap();
    }
    let all = ConfigResource::broker("");
    alter(&mut context, &all, ConfigOperation::Set("2")).unwrap();
    context.fence(3);
    context.fence(2);
    let eligible = |context: &ControllerContext| context.partition("a", 0).eligible_leaders().to_vec();
    assert_eq!(eligible(&context), [BrokerId(2)]);
    // What this node has applied still says 2. From now on 1 acknowledges alone, and whoever is out misses what it does.
    context.inherit(MIN_IN_SYNC_REPLICAS, "2");
    alter(&mut context, &all, ConfigOperation::Set("1")).unwrap();
    assert_eq!(eligible(&context), []);
    context.fence(1);
    assert_eq!(eligible(&context), [BrokerId(1)], "only who was the last in sync");
}

/// Broker 1 says that it has applied everything before `end`.
fn applied(context: &mut ControllerContext, end: i64) {
    let epoch = context.epoch(1);
    context.beat(&heartbeat(1, epoch, end - 1));
}

/// Who is in sync with `a`-0, and who is eligible.
fn standing(context: &ControllerContext) -> (Vec<BrokerId>, Vec<BrokerId>) {
    let partition = context.partition("a", 0);
    (partition.isr.to_vec(), partition.eligible_leaders().to_vec())
}

#[test]
fn nobody_is_eligible_by_a_minimum_that_its_leader_has_not_applied_yet() {
    let (everybody, two, third) = ([1, 2, 3].map(BrokerId), [1, 2].map(BrokerId), [BrokerId(3)]);
    type Raise = fn(&mut ControllerContext);
    let raises: [Raise; 4] = [
        |context| alter(context, &ConfigResource::broker(""), ConfigOperation::Set("3")).unwrap(),
        |context| alter(context, &ConfigResource::topic("a"), ConfigOperation::Set("3")).unwrap(),
        |context| {
            let topic = ConfigResource::topic("a");
            let configs = [(MIN_IN_SYNC_REPLICAS, Some("3"))];
            let altered = context.decide(|controller, context| controller.alter_configs(context, &topic, &configs));
            context.apply(&altered.unwrap().records);
        },
        // Another controller goes on, and cannot know who has read what the one before wrote.
        |context| {
            alter(context, &ConfigResource::broker(""), ConfigOperation::Set("3")).unwrap();
            let now = context.now;
            context.controller.activate(now, &PermitsBefore::since(now));
        },
    ];
    for raise in raises {
        let mut context = ControllerContext::with_brokers(3);
        keep_eligible(&mut context);
        for result in context.create(vec![assigned("a", &[(0, &[1, 2, 3])])]) {
            result.unwrap();
        }
        alter(&mut context, &ConfigResource::broker(""), ConfigOperation::Set("2")).unwrap();
        let end = context.next_offset();
        applied(&mut context, end);
        raise(&mut context);
        // By the minimum that it knows, 1 and 2 are enough for what 3 misses.
        let shrunk = proposal(&context, "a", &[1, 2]);
        assert_eq!(propose(&mut context, &shrunk), ErrorCode::OPERATION_NOT_ATTEMPTED);
        assert_eq!(standing(&context), (everybody.to_vec(), vec![]));
        let end = context.next_offset();
        applied(&mut context, end - 1);
        assert_eq!(propose(&mut context, &shrunk), ErrorCode::OPERATION_NOT_ATTEMPTED, "a record is missing");
        applied(&mut context, end);
        assert_eq!(propose(&mut context, &shrunk), ErrorCode::NONE);
        assert_eq!(standing(&context), (two.to_vec(), third.to_vec()));
    }
}

#[test]
fn who_begins_to_keep_replicas_eligible_waits_for_leaders_to_know_the_minimum_of_the_cluster() {
    let mut context = ControllerContext::with_brokers(3);
    context.inherit(MIN_IN_SYNC_REPLICAS, "2");
    for result in context.create(vec![assigned("a", &[(0, &[1, 2, 3])])]) {
        result.unwrap();
    }
    keep_eligible(&mut context);
    let enough = proposal(&context, "a", &[1, 2]);
    assert_eq!(propose(&mut context, &enough), ErrorCode::NONE, "nobody becomes eligible");
    let alone = proposal(&context, "a", &[1]);
    assert_eq!(propose(&mut context, &alone), ErrorCode::OPERATION_NOT_ATTEMPTED);
    let end = context.next_offset();
    applied(&mut context, end);
    assert_eq!(propose(&mut context, &alone), ErrorCode::NONE);
    assert_eq!(standing(&context), (vec![BrokerId(1)], vec![BrokerId(2)]));
}
