//! Settings out of environment variables, as the common Kafka images take them: `KAFKA_X_Y` and `KAFKA_CFG_X_Y` are `x.y`,
//! two underscores are one, three a hyphen. A closed list of variables that are no settings is passed over. Reads no
//! environment itself: it is given one.

use std::collections::BTreeMap;

use super::keys::{broker_key, removed};

/// A setting with the variable it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentSetting {
    /// The key.
    pub key: String,
    /// The variable's value.
    pub value: String,
    /// The variable's name.
    pub variable: String,
}

/// What an environment says to a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentSettings {
    /// Settings; of two variables for one key the `KAFKA_CFG_` one comes later and so counts.
    pub settings: Vec<EnvironmentSetting>,
    /// `KAFKA_CREATE_TOPICS`.
    pub create_topics: Option<String>,
    /// `CLUSTER_ID` or `KAFKA_KRAFT_CLUSTER_ID`.
    pub cluster_id: Option<String>,
}

/// Variables behind `KAFKA_` that are for a JVM, an image's own scripts or its logging.
const NO_SETTINGS: &[&str] =
    &["HEAP_OPTS", "OPTS", "GC_LOG_OPTS", "JVM_PERFORMANCE_OPTS", "VERSION", "HOME", "DEBUG", "ENABLE_KRAFT"];
/// What further such variables begin with.
const NO_SETTINGS_PREFIXES: &[&str] = &["JMX_", "LOG4J_", "TOOLS_LOG4J_"];

/// Picks the settings out of an environment.
#[must_use]
pub fn from_environment(environment: &BTreeMap<String, String>) -> EnvironmentSettings {
    let mut found = EnvironmentSettings::default();
    let mut configured = Vec::new();
    for (variable, value) in environment {
        let setting =
            |name: &str| EnvironmentSetting { key: key_of(name), value: value.clone(), variable: variable.clone() };
        match variable.as_str() {
            "CLUSTER_ID" | "KAFKA_KRAFT_CLUSTER_ID" if !value.is_empty() => found.cluster_id = Some(value.clone()),
            "KAFKA_CREATE_TOPICS" => found.create_topics = Some(value.clone()),
            "KAFKA_KRAFT_CLUSTER_ID" => {}
            _ => {
                if let Some(name) = variable.strip_prefix("KAFKA_CFG_") {
                    configured.push(setting(name));
                } else if let Some(name) = variable.strip_prefix("KAFKA_")
                    && !is_no_setting(name, value)
                {
                    found.settings.push(setting(name));
                }
            }
        }
    }
    found.settings.append(&mut configured);
    found
}

/// `LOG_RETENTION__MS` and the like to the key they stand for.
fn key_of(name: &str) -> String {
    name.to_lowercase().replace("___", "-").replace("__", "\u{0}").replace('_', ".").replace('\u{0}', "_")
}

fn is_no_setting(name: &str, value: &str) -> bool {
    if NO_SETTINGS.contains(&name) || NO_SETTINGS_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return true;
    }
    let key = key_of(name);
    // Kubernetes announces a Service called kafka with variables of the same shape; KAFKA_PORT was a key once.
    let is_key = broker_key(&key).is_some() || removed(&key).is_some();
    let of_service = name == "PORT"
        || name.starts_with("PORT_")
        || name.starts_with("SERVICE_")
        || name.contains("_SERVICE_")
        || name.contains("_PORT_")
        || name.ends_with("_PORT");
    of_service && (!is_key || value.starts_with("tcp://") || value.starts_with("udp://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        from_environment(&environment).settings.into_iter().map(|setting| (setting.key, setting.value)).collect()
    }

    #[test]
    fn underscores_are_dots_two_are_one_and_three_a_hyphen() {
        for (variable, key) in [
            ("KAFKA_NUM_PARTITIONS", "num.partitions"),
            ("KAFKA_CFG_NUM_PARTITIONS", "num.partitions"),
            ("KAFKA_LISTENER_NAME_MY__LISTENER_SSL_PROTOCOL", "listener.name.my_listener.ssl.protocol"),
            ("KAFKA_LISTENER_NAME_SCRAM___SHA___256_X", "listener.name.scram-sha-256.x"),
            ("KAFKA_SASL_KERBEROS_SERVICE_NAME", "sasl.kerberos.service.name"),
        ] {
            assert_eq!(settings(&[(variable, "v")]), [(key.into(), "v".into())]);
        }
    }

    #[test]
    fn the_cfg_variable_counts_where_both_are_set() {
        let found = settings(&[("KAFKA_CFG_NUM_PARTITIONS", "2"), ("KAFKA_NUM_PARTITIONS", "1")]);
        assert_eq!(found.last().unwrap().1, "2");
    }

    #[test]
    fn what_is_no_setting_is_passed_over() {
        let variables = [
            ("KAFKA_HEAP_OPTS", "-Xmx1g"),
            ("KAFKA_OPTS", ""),
            ("KAFKA_JMX_OPTS", ""),
            ("KAFKA_JMX_PORT", "9101"),
            ("KAFKA_JMX_HOSTNAME", "localhost"),
            ("KAFKA_LOG4J_ROOT_LOGLEVEL", "INFO"),
            ("KAFKA_TOOLS_LOG4J_LOGLEVEL", "ERROR"),
            ("KAFKA_VERSION", "3.0"),
            ("KAFKA_HOME", "/opt/kafka"),
            ("ALLOW_PLAINTEXT_LISTENER", "yes"),
            ("ALLOW_ANONYMOUS_LOGIN", "yes"),
            ("KAFKA_SERVICE_HOST", "10.0.0.1"),
            ("KAFKA_SERVICE_PORT", "9092"),
            ("KAFKA_SERVICE_PORT_KAFKA", "9092"),
            ("KAFKA_PORT", "tcp://10.0.0.1:9092"),
            ("KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
            ("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1"),
            ("KAFKA_UI_SERVICE_HOST", "10.0.0.2"),
            ("KAFKA_UI_PORT", "tcp://10.0.0.2:80"),
            ("PATH", "/bin"),
        ];
        assert_eq!(settings(&variables), []);
    }

    #[test]
    fn the_old_port_key_is_not_mistaken_for_a_service() {
        assert_eq!(settings(&[("KAFKA_PORT", "9092")]), [("port".into(), "9092".into())]);
        let advertised = settings(&[("KAFKA_ADVERTISED_PORT", "9094")]);
        assert_eq!(advertised, [("advertised.port".into(), "9094".into())]);
    }

    #[test]
    fn cluster_id_and_topics_are_no_settings_but_kept() {
        let environment = BTreeMap::from([
            ("CLUSTER_ID".to_owned(), "MkU3OEVBNTcwNTJENDM2Qk".to_owned()),
            ("KAFKA_CREATE_TOPICS".to_owned(), "a:1:1".to_owned()),
        ]);
        let found = from_environment(&environment);
        assert_eq!(found.cluster_id.as_deref(), Some("MkU3OEVBNTcwNTJENDM2Qk"));
        assert_eq!((found.create_topics.as_deref(), found.settings.len()), (Some("a:1:1"), 0));
    }
}
