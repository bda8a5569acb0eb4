//! What may be finalised, and what is refused and why.

use barnabas_protocol::ErrorCode;
use barnabas_types::BrokerId;

use super::tests::ControllerContext;
use super::*;
use crate::{FeatureRange, METADATA_VERSION};

fn update(feature: &str, level: i16, upgrade_type: UpgradeType) -> FeatureUpdate {
    FeatureUpdate { feature: feature.into(), level, upgrade_type: Some(upgrade_type) }
}

/// A cluster whose metadata.version is `level`.
fn cluster_at(level: i16) -> ControllerContext {
    let mut context = ControllerContext::with_brokers(2);
    context.apply(&[crate::snapshot::feature(METADATA_VERSION, level)]);
    context
}

fn decide(
    context: &mut ControllerContext,
    updates: &[FeatureUpdate],
    validate_only: bool,
) -> Result<Outcome<()>, UpdateFeaturesError> {
    context.decide(|controller, context| controller.update_features(context, updates, validate_only))
}

fn asked(context: &mut ControllerContext, level: i16, upgrade_type: UpgradeType) -> Result<(), UpdateFeaturesError> {
    decide(context, &[update(METADATA_VERSION, level, upgrade_type)], false).map(drop)
}

#[test]
fn the_level_goes_up_when_every_broker_can_follow() {
    let mut context = cluster_at(20);
    let updates = [update(METADATA_VERSION, 30, UpgradeType::Upgrade)];
    assert!(decide(&mut context, &updates, true).unwrap().records.is_empty(), "only looked at");
    let records = decide(&mut context, &updates, false).unwrap().records;
    context.apply(&records);
    assert_eq!(context.controller.head().features.metadata_version(), 30);

    let mut context = cluster_at(20);
    let mut older = ControllerContext::registration(3, 3);
    older.features = vec![FeatureRange { name: METADATA_VERSION.into(), min: 7, max: 25 }];
    context.register(older).unwrap();
    assert_eq!(asked(&mut context, 25, UpgradeType::Upgrade), Ok(()));
    let refused = asked(&mut context, 26, UpgradeType::Upgrade).unwrap_err();
    assert!(
        matches!(&refused, UpdateFeaturesError::Unsupported { node, max: 25, .. } if &**node == "broker 3"),
        "{refused}"
    );
    context.fence(3);
    assert!(asked(&mut context, 26, UpgradeType::Upgrade).is_err(), "fenced it may still come back");
    let gone = context.decide(|controller, context| controller.unregister_broker(context, BrokerId(3)));
    let records = gone.unwrap().records;
    context.apply(&records);
    assert_eq!(asked(&mut context, 26, UpgradeType::Upgrade), Ok(()));
}

#[test]
fn a_level_goes_down_only_where_nothing_is_lost_and_only_when_that_is_asked_for() {
    let mut context = cluster_at(29);
    assert_eq!(asked(&mut context, 24, UpgradeType::SafeDowngrade), Ok(()));
    assert_eq!(asked(&mut context, 24, UpgradeType::UnsafeDowngrade), Ok(()));
    let not_an_upgrade = asked(&mut context, 24, UpgradeType::Upgrade);
    assert!(matches!(not_an_upgrade, Err(UpdateFeaturesError::NotAnUpgrade { current: 29, .. })));
    let not_a_downgrade = asked(&mut context, 30, UpgradeType::SafeDowngrade);
    assert!(matches!(not_a_downgrade, Err(UpdateFeaturesError::NotADowngrade { .. })));
    for downgrade in [UpgradeType::SafeDowngrade, UpgradeType::UnsafeDowngrade] {
        let refused = asked(&mut context, 22, downgrade);
        assert_eq!(refused, Err(UpdateFeaturesError::LosesMetadata { current: 29, level: 22 }));
        assert_eq!(asked(&mut context, 23, downgrade), Ok(()), "23 itself can be read at 23");
        assert!(asked(&mut cluster_at(30), 29, downgrade).is_err());
    }
    assert_eq!(asked(&mut context, 29, UpgradeType::Upgrade), Ok(()), "where it is already");
}

#[test]
fn what_is_not_served_is_not_finalised() {
    let mut context = cluster_at(30);
    for feature in ["group.version", "transaction.version", "share.version", "streams.version", "x"] {
        let updates = [update(feature, 1, UpgradeType::Upgrade)];
        let refused = decide(&mut context, &updates, false).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::INVALID_UPDATE_VERSION);
        assert!(refused.to_string().contains("this release serves 0 to 0"), "{refused}");
    }
    for (level, expected) in [(6, "7 to 30"), (31, "7 to 30"), (-1, "0 is the lowest")] {
        let refused = asked(&mut context, level, UpgradeType::Upgrade).unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
    }
    let quorum = [update("kraft.version", 1, UpgradeType::Upgrade)];
    assert_eq!(decide(&mut context, &quorum, false), Err(UpdateFeaturesError::OfTheQuorum));
}

#[test]
fn all_updates_of_a_request_are_carried_out_or_none() {
    let mut context = cluster_at(20);
    let good = update(METADATA_VERSION, 30, UpgradeType::Upgrade);
    let bad = update("share.version", 1, UpgradeType::Upgrade);
    assert!(decide(&mut context, &[good.clone(), bad], false).is_err());
    let twice = decide(&mut context, &[good.clone(), good.clone()], false).unwrap_err();
    assert_eq!(twice.code(), ErrorCode::INVALID_REQUEST);
    let unknown = FeatureUpdate { upgrade_type: UpgradeType::from_id(0), ..good };
    let refused = decide(&mut context, &[unknown], false).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::INVALID_UPDATE_VERSION);
    assert_eq!(decide(&mut context, &[], false).unwrap().records, []);
}

#[test]
fn a_level_keeps_what_it_needs() {
    let mut context = ControllerContext::formatted_with(bootstrap_records());
    context.apply(&[crate::snapshot::feature(METADATA_VERSION, 22)]);
    let refused = asked(&mut context, 22, UpgradeType::Upgrade).unwrap_err();
    assert!(
        matches!(refused, UpdateFeaturesError::Needs { needed: METADATA_VERSION, needed_level: 23, .. }),
        "{refused}"
    );
    assert_eq!(asked(&mut context, 23, UpgradeType::Upgrade), Ok(()));
}
