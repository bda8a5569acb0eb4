//! UpdateFeatures: finalises levels, all of a request or none (KIP-584, KIP-778). Decided by the controller.

use barnabas_metadata::{FeatureUpdate, KRAFT_VERSION, UpgradeType};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::update_features::{
    FeatureUpdateKey, UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use barnabas_raft::Response;

use super::RequestContext;
use crate::raft::Answer;

/// Before it a response has a result for each feature.
const TOP_LEVEL_ONLY_VERSION: i16 = 2;

/// Changes levels, or says why not.
pub async fn handle(context: &RequestContext, request: UpdateFeaturesRequest<'_>) -> UpdateFeaturesResponse<'static> {
    let version = context.api_version;
    let updates: Vec<FeatureUpdate> = request.feature_updates.iter().map(|update| wanted(update, version)).collect();
    let names: Vec<String> = updates.iter().map(|update| update.feature.to_string()).collect();
    let (deadline, validate_only) = (context.deadline(request.timeout_ms), request.validate_only);
    let (error_code, error_message) = match updates.as_slice() {
        [update] if *update.feature == *KRAFT_VERSION => upgrade_quorum(context, update, validate_only).await,
        _ => {
            let decided = context.node.controller.try_decide(deadline, move |controller, decision| {
                controller.update_features(decision, &updates, validate_only)
            });
            match decided.await {
                Ok(Ok(())) => (ErrorCode::NONE, None),
                Ok(Err(refused)) => (refused.code(), Some(format!("no level was changed: {refused}"))),
                Err(error) => (error.code(), Some(error.to_string())),
            }
        }
    };
    let changed = error_code == ErrorCode::NONE && version < TOP_LEVEL_ONLY_VERSION;
    let result = |feature: String| UpdatableFeatureResult { feature: feature.into(), ..Default::default() };
    UpdateFeaturesResponse {
        error_code,
        error_message: error_message.map(Into::into),
        results: if changed { names.into_iter().map(result).collect() } else { Vec::new() },
        ..UpdateFeaturesResponse::default()
    }
}

/// The level of `kraft.version` is the quorum's own, and only ever rises (KIP-853).
async fn upgrade_quorum(
    context: &RequestContext,
    update: &FeatureUpdate,
    validate_only: bool,
) -> (ErrorCode, Option<String>) {
    let refused = |why: &str| (ErrorCode::INVALID_UPDATE_VERSION, Some(format!("no level was changed: {why}")));
    let (Ok(level), Some(UpgradeType::Upgrade)) = (u16::try_from(update.level), update.upgrade_type) else {
        return refused("kraft.version is only ever raised");
    };
    match context.node.controller.upgrade_kraft_version(level, validate_only).await {
        Ok(Answer { response: Response::UpgradeKRaftVersion(outcome), .. }) => {
            let message = outcome.message.map(|message| format!("no level was changed: {message}"));
            let code = ErrorCode(outcome.error.number());
            (code, message.or_else(|| (code != ErrorCode::NONE).then(|| code.to_string())))
        }
        Ok(_) => (ErrorCode::UNKNOWN_SERVER_ERROR, Some("the quorum answered something else".to_owned())),
        Err(error) => (error.code(), Some(error.to_string())),
    }
}

/// The update that a request means: version 0 says only whether a downgrade is allowed.
fn wanted(update: &FeatureUpdateKey<'_>, version: i16) -> FeatureUpdate {
    let upgrade_type = match (version, update.allow_downgrade) {
        (0, true) => Some(UpgradeType::SafeDowngrade),
        (0, false) => Some(UpgradeType::Upgrade),
        _ => UpgradeType::from_id(update.upgrade_type),
    };
    FeatureUpdate { feature: update.feature.as_ref().into(), level: update.max_version_level, upgrade_type }
}

#[cfg(test)]
mod tests {
    use barnabas_metadata::{ELIGIBLE_LEADER_REPLICAS, METADATA_VERSION};
    use barnabas_protocol::messages::*;

    use super::*;
    use crate::testing::Broker;

    fn request(feature: &'static str, level: i16, upgrade_type: i8, version: i16) -> UpdateFeaturesRequest<'static> {
        let update = FeatureUpdateKey {
            feature: feature.into(),
            max_version_level: level,
            allow_downgrade: version == 0 && upgrade_type > 1,
            upgrade_type: if version == 0 { 1 } else { upgrade_type },
            ..FeatureUpdateKey::default()
        };
        UpdateFeaturesRequest { feature_updates: vec![update], ..UpdateFeaturesRequest::default() }
    }

    #[tokio::test]
    async fn levels_are_refused_or_kept_with_kafka_s_codes_in_every_version() {
        let broker = Broker::start().await;
        let mut client = broker.connect().await;
        for version in 0..=2 {
            for (feature, level, upgrade_type, expected) in [
                (METADATA_VERSION, 30, 1, ErrorCode::NONE),
                (METADATA_VERSION, 29, 1, ErrorCode::INVALID_UPDATE_VERSION),
                (METADATA_VERSION, 29, 2, ErrorCode::INVALID_UPDATE_VERSION),
                (METADATA_VERSION, 31, 1, ErrorCode::INVALID_UPDATE_VERSION),
                ("group.version", 1, 1, ErrorCode::INVALID_UPDATE_VERSION),
                (ELIGIBLE_LEADER_REPLICAS, 0, 2, ErrorCode::NONE),
                (ELIGIBLE_LEADER_REPLICAS, 1, 1, ErrorCode::NONE),
                (ELIGIBLE_LEADER_REPLICAS, 2, 1, ErrorCode::INVALID_UPDATE_VERSION),
                ("kraft.version", 1, 1, ErrorCode::NONE),
                ("kraft.version", 0, 2, ErrorCode::INVALID_UPDATE_VERSION),
                ("kraft.version", 2, 1, ErrorCode::INVALID_UPDATE_VERSION),
            ] {
                let response = client.call(version, &request(feature, level, upgrade_type, version)).await;
                assert_eq!(response.error_code, expected, "{feature} {level} {upgrade_type} in version {version}");
                assert_eq!(response.error_message.is_some(), expected != ErrorCode::NONE);
                let results = usize::from(version < 2 && expected == ErrorCode::NONE);
                assert_eq!(response.results.len(), results);
            }
        }
        let versions = client.call(4, &ApiVersionsRequest { ..named() }).await;
        let finalized: Vec<_> =
            versions.finalized_features.iter().map(|found| (found.name.as_ref(), found.max_version_level)).collect();
        assert_eq!(finalized, [(ELIGIBLE_LEADER_REPLICAS, 1), (METADATA_VERSION, 30), (KRAFT_VERSION, 1)]);
        broker.running.stop().await.unwrap();
    }

    fn named() -> ApiVersionsRequest<'static> {
        ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            ..ApiVersionsRequest::default()
        }
    }
}
