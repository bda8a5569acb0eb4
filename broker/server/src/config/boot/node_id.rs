//! Which node this is: `node.id` as it is configured, else as its log directories keep it, else the number at the end of the host's name.
//! Asks nobody: a broker of a quorum of which none of them says an id is left without, and given one later.

use std::path::PathBuf;

use super::{ConfigError, HostFacts};
use crate::config::broker::Roles;
use crate::config::settings::{Origin, Settings};

/// The node id of a node by itself that was given none.
const LONE_NODE_ID: i32 = 1;
const NODE_ID: &str = "node.id";

/// Settles `node.id` and returns it; none where the active controller has to give one. What is configured wins; that its directories are
/// those of another node is told when they are taken.
pub(super) fn settle(
    settings: &mut Settings,
    is_quorum: bool,
    roles: Roles,
    host: &HostFacts,
    log_dirs: &[PathBuf],
) -> Result<Option<i32>, ConfigError> {
    if settings.get(NODE_ID).is_none() {
        let Some((id, why)) = derive(is_quorum, roles, host, log_dirs)? else { return Ok(None) };
        settings.set(NODE_ID, id.to_string(), Origin::Derived(why));
    }
    settings.read(NODE_ID).map(Some)
}

fn derive(
    is_quorum: bool,
    roles: Roles,
    host: &HostFacts,
    log_dirs: &[PathBuf],
) -> Result<Option<(i32, &'static str)>, ConfigError> {
    let missing = |reason: String| ConfigError::Missing { key: NODE_ID, reason: reason.into() };
    let kept = log_dirs.iter().find_map(|directory| Some((directory, (host.formatted_node_id)(directory)?)));
    match (kept, number_of(&host.host_name)) {
        (Some((directory, kept)), Some(named)) if is_quorum && kept != named => Err(missing(format!(
            "{} was formatted for node {kept}, and the host's name, {}, says {named}. Is it the volume of another node?",
            directory.display(),
            host.host_name
        ))),
        (Some((_, kept)), _) => Ok(Some((kept, "its log directories were formatted for it"))),
        (None, Some(named)) => Ok(Some((named, "the number at the end of the host's name"))),
        (None, None) if !is_quorum => Ok(Some((LONE_NODE_ID, "nothing is said of a quorum"))),
        (None, None) if !roles.controller => Ok(None),
        (None, None) => Err(missing(
            "every controller has a number of its own, 0 or more, by which the voters know it; it may also stand at the end of the host's \
             name, as in kafka-2. Only a node that is a broker alone is given one"
                .to_owned(),
        )),
    }
}

/// The number at the end of a host's name, behind a dash: names that are random, as containers have them, may end in any digits.
fn number_of(host_name: &str) -> Option<i32> {
    let name = host_name.split('.').next()?;
    let (_, number) = name.rsplit_once('-')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKER: Roles = Roles { broker: true, controller: false };
    const BOTH: Roles = Roles { broker: true, controller: true };

    fn derived(is_quorum: bool, host_name: &str, formatted: bool) -> Result<Option<i32>, String> {
        derived_as(BOTH, is_quorum, host_name, formatted)
    }

    fn derived_as(roles: Roles, is_quorum: bool, host_name: &str, formatted: bool) -> Result<Option<i32>, String> {
        let formatted_node_id = if formatted { |_: &std::path::Path| Some(5) } else { |_: &std::path::Path| None };
        let host = HostFacts { host_name: host_name.into(), formatted_node_id, ..HostFacts::default() };
        let mut settings = Settings::default();
        settle(&mut settings, is_quorum, roles, &host, &["/data".into()]).map_err(|error| error.to_string())
    }

    #[test]
    fn the_hosts_name_says_which_node_it_is() {
        for is_quorum in [true, false] {
            assert_eq!(derived(is_quorum, "barnabas-2", false), Ok(Some(2)));
            assert_eq!(derived(is_quorum, "barnabas-12.kafka.svc.cluster.local", false), Ok(Some(12)));
        }
        for name in ["", "barnabas", "3f2a9c81", "node-3a", "barnabas-", "a-99999999999"] {
            assert!(derived(true, name, false).unwrap_err().contains("as in kafka-2"), "{name}");
            assert_eq!(derived(false, name, false), Ok(Some(LONE_NODE_ID)));
        }
    }

    #[test]
    fn what_the_directories_keep_counts_and_must_not_contradict_the_hosts_name() {
        assert_eq!(derived(true, "somehow", true), Ok(Some(5)));
        assert_eq!(derived(true, "barnabas-5", true), Ok(Some(5)));
        let error = derived(true, "barnabas-2", true).unwrap_err();
        assert!(error.contains("/data was formatted for node 5") && error.contains("barnabas-2, says 2"), "{error}");
        // By itself it may have been named otherwise when it was formatted.
        assert_eq!(derived(false, "barnabas-2", true), Ok(Some(5)));
    }

    #[test]
    fn a_broker_alone_may_be_without_an_id_and_a_controller_never() {
        assert_eq!(derived_as(BROKER, true, "somehow", false), Ok(None));
        assert_eq!(derived_as(BROKER, true, "barnabas-2", false), Ok(Some(2)));
        assert_eq!(derived_as(BROKER, true, "somehow", true), Ok(Some(5)), "it was given one before");
        for roles in [BOTH, Roles { broker: false, controller: true }] {
            assert!(derived_as(roles, true, "somehow", false).unwrap_err().contains("every controller has a number"));
        }
    }

    #[test]
    fn what_is_configured_wins() {
        let mut settings = Settings::default();
        settings.set(NODE_ID, "9", Origin::Flag);
        let host = HostFacts { host_name: "barnabas-2".into(), ..HostFacts::default() };
        assert_eq!(settle(&mut settings, true, BOTH, &host, &[]), Ok(Some(9)));
    }
}
