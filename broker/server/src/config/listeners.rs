//! Listeners: where a node listens and what it tells clients to connect to. Reads texts; resolves no name and opens no
//! socket.

use super::boot::ConfigError;
use super::keys::broker_key;

/// How a listener talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// As it is.
    Plaintext,
    /// Over TLS.
    Ssl,
    /// With SASL.
    SaslPlaintext,
    /// With SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// Kafka's number, as registrations of brokers carry it.
    #[must_use]
    pub const fn id(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];
        all.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }
}

/// A listener, bound or advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name, in upper case.
    pub name: String,
    /// How it talks.
    pub protocol: SecurityProtocol,
    /// Host name or address without brackets; empty for all interfaces.
    pub host: String,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
}

/// Security protocols by listener name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtocolMap(Vec<(String, SecurityProtocol)>);

impl ProtocolMap {
    /// Reads `listener.security.protocol.map`. Listeners of the quorum that it does not name are PLAINTEXT.
    ///
    /// # Errors
    /// An entry that is not `NAME:PROTOCOL`.
    pub fn parse(value: &str, controller_names: &[String]) -> Result<Self, ConfigError> {
        let mut map = Vec::new();
        for entry in value.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let parsed = entry.split_once(':').and_then(|(name, protocol)| {
                Some((name.trim().to_uppercase(), SecurityProtocol::from_name(protocol.trim())?))
            });
            map.push(parsed.ok_or_else(|| {
                let reason = "entries are NAME:PROTOCOL with PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";
                ConfigError::invalid("listener.security.protocol.map", value, reason)
            })?);
        }
        for name in controller_names {
            if !map.iter().any(|(mapped, _)| mapped == name) {
                map.push((name.clone(), SecurityProtocol::Plaintext));
            }
        }
        Ok(Self(map))
    }

    /// The protocol of a listener.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<SecurityProtocol> {
        self.0.iter().rev().find(|(mapped, _)| mapped == name).map(|(_, protocol)| *protocol)
    }
}

/// Reads `listeners` or `advertised.listeners`, whichever `key` says.
///
/// # Errors
/// An entry that is not `NAME://host:port`, a name without a protocol, or a name or port that comes twice.
pub fn parse(key: &'static str, value: &str, protocols: &ProtocolMap) -> Result<Vec<Listener>, ConfigError> {
    let mut listeners: Vec<Listener> = Vec::new();
    for entry in value.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let listener = parse_one(key, value, entry, protocols)?;
        if listeners.iter().any(|other| other.name == listener.name) {
            return Err(ConfigError::invalid(key, value, &format!("listener {} comes twice", listener.name)));
        }
        let same_socket = |other: &Listener| {
            // A port may serve an IPv4 address and an IPv6 address.
            other.port == listener.port && other.host.contains(':') == listener.host.contains(':')
        };
        // Several advertised listeners may name one load balancer.
        if key == "listeners" && listener.port != 0 && listeners.iter().any(same_socket) {
            return Err(ConfigError::invalid(key, value, &format!("port {} comes twice", listener.port)));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn parse_one(key: &'static str, value: &str, entry: &str, protocols: &ProtocolMap) -> Result<Listener, ConfigError> {
    let wrong =
        || ConfigError::invalid(key, value, "entries are NAME://host:port, with brackets around an IPv6 address");
    let (name, address) = entry.split_once("://").ok_or_else(wrong)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
        None if host.contains(':') => return Err(wrong()),
        None => host,
    };
    let is_host = host.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._:%".contains(letter));
    if name.is_empty() || !is_host {
        return Err(wrong());
    }
    let port = port.parse().map_err(|_| wrong())?;
    let name = name.to_uppercase();
    let protocol = protocols.get(&name).ok_or_else(|| {
        let reason = format!("listener.security.protocol.map has no protocol for {name}");
        ConfigError::invalid(key, value, &reason)
    })?;
    Ok(Listener { name, protocol, host: host.into(), port })
}

/// A voter of the quorum as `controller.quorum.voters` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumVoter {
    /// The voter's node id.
    pub id: i32,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Reads `controller.quorum.voters`.
///
/// # Errors
/// An entry that is not `id@host:port`, or an id that comes twice.
pub fn parse_voters(value: &str) -> Result<Vec<QuorumVoter>, ConfigError> {
    const KEY: &str = "controller.quorum.voters";
    let mut voters: Vec<QuorumVoter> = Vec::new();
    for entry in value.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let parsed = entry.split_once('@').and_then(|(id, address)| {
            let (host, port) = address.rsplit_once(':')?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let id = id.parse().ok().filter(|id| *id >= 0)?;
            Some(QuorumVoter { id, host: host.into(), port: port.parse().ok()? })
        });
        let voter = parsed.ok_or_else(|| ConfigError::invalid(KEY, value, "entries are id@host:port"))?;
        if voters.iter().any(|other| other.id == voter.id) {
            return Err(ConfigError::invalid(KEY, value, &format!("voter {} comes twice", voter.id)));
        }
        voters.push(voter);
    }
    Ok(voters)
}

/// Reads `controller.quorum.bootstrap.servers`: hosts and ports.
///
/// # Errors
/// An entry that is not `host:port`.
pub fn parse_bootstrap_servers(entries: &[String]) -> Result<Vec<(String, u16)>, ConfigError> {
    const KEY: &str = "controller.quorum.bootstrap.servers";
    let server = |entry: &String| {
        let (host, port) = entry.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then_some((host.to_owned(), port.parse().ok()?))
    };
    let parsed = entries.iter().map(|entry| {
        server(entry).ok_or_else(|| ConfigError::invalid(KEY, &entries.join(","), "entries are host:port"))
    });
    parsed.collect()
}

/// The default of `listener.security.protocol.map`.
#[must_use]
pub fn default_protocol_map() -> &'static str {
    broker_key("listener.security.protocol.map").and_then(|row| row.default).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> ProtocolMap {
        ProtocolMap::parse(default_protocol_map(), &["CONTROLLER".into()]).unwrap()
    }

    fn one(value: &str) -> Listener {
        parse("listeners", value, &map()).unwrap().remove(0)
    }

    #[test]
    fn listeners_have_name_host_and_port() {
        let plaintext = SecurityProtocol::Plaintext;
        for (text, host, port) in [
            ("PLAINTEXT://:9092", "", 9092),
            ("plaintext://broker-1.kafka:19092", "broker-1.kafka", 19092),
            ("PLAINTEXT://[::1]:0", "::1", 0),
        ] {
            let expected = Listener { name: "PLAINTEXT".into(), protocol: plaintext, host: host.into(), port };
            assert_eq!(one(text), expected);
        }
    }

    #[test]
    fn a_map_without_the_controllers_listener_makes_it_plaintext() {
        let map = ProtocolMap::parse("INSIDE:PLAINTEXT", &["CONTROLLER".into()]).unwrap();
        assert_eq!(map.get("CONTROLLER"), Some(SecurityProtocol::Plaintext));
        let map = ProtocolMap::parse("CONTROLLER:SSL", &["CONTROLLER".into()]).unwrap();
        assert_eq!(map.get("CONTROLLER"), Some(SecurityProtocol::Ssl));
        assert!(ProtocolMap::parse("INSIDE", &[]).is_err());
        assert!(ProtocolMap::parse("INSIDE:TLS", &[]).is_err());
    }

    #[test]
    fn what_is_no_listener_is_refused() {
        for value in [
            "9092",
            "PLAINTEXT://",
            "PLAINTEXT://host",
            "PLAINTEXT://host:port",
            "PLAINTEXT://host:65536",
            "PLAINTEXT://::1:9092",
            "PLAINTEXT://_{HOSTNAME_COMMAND}:9092",
            "OTHER://:9092",
            "PLAINTEXT://:1,PLAINTEXT://:2",
            "PLAINTEXT://:1,SSL://:1",
        ] {
            let error = parse("listeners", value, &map()).unwrap_err().to_string();
            assert!(error.contains(value) && error.contains("listeners"), "{error}");
        }
        assert!(parse("advertised.listeners", "PLAINTEXT://lb:1,SSL://lb:1", &map()).is_ok());
    }

    #[test]
    fn voters_have_id_host_and_port() {
        let voters = parse_voters("0@kafka:9093, 1@[::1]:9094").unwrap();
        assert_eq!(voters[1], QuorumVoter { id: 1, host: "::1".into(), port: 9094 });
        for value in ["kafka:9093", "x@kafka:9093", "-1@kafka:9093", "1@kafka", "1@a:1,1@b:2"] {
            assert!(parse_voters(value).is_err(), "{value}");
        }
    }
}
