//! `barnabas protocol apis`: the table of APIs. Says what exists, not what a broker serves.

use std::io::{self, Write};

use barnabas_protocol::{ApiKey, Describer, Event, Json, Listener};

use super::page::OutputFormat;

/// Writes the table.
pub fn write(to: &mut dyn Write, format: OutputFormat) -> io::Result<()> {
    let row = |cells: [&str; 7]| {
        let [key, name, versions, kafka, flexible, listener, travels] = cells;
        format!("{key:>3}  {name:<38} {versions:<9} {kafka:<9} {flexible:<9} {listener:<11} {travels}")
    };
    if format == OutputFormat::Text {
        let head = ["KEY", "NAME", "VERSIONS", "KAFKA", "FLEXIBLE", "LISTENER", "TRAVELS"];
        writeln!(to, "{}", row(head))?;
    }
    for api in ApiKey::all() {
        match format {
            OutputFormat::Text => {
                let flexible = api.flexible_versions();
                let flexible = if flexible.is_empty() { "none".to_owned() } else { format!("{}+", flexible.min) };
                let mut travels = Vec::new();
                travels.extend(api.is_forwarded().then_some("to the controller"));
                travels.extend(api.is_cluster_action().then_some("within the cluster"));
                let number = api.number().to_string();
                let (versions, kafka) = (api.versions().to_string(), api.advertised_versions().to_string());
                let travels = travels.join(", ");
                let cells = [&number, api.name(), &versions, &kafka, &flexible, listener(api.listener()), &travels];
                writeln!(to, "{}", row(cells).trim_end())?;
            }
            OutputFormat::Json => writeln!(to, "{}", json(api))?,
        }
    }
    if format == OutputFormat::Text {
        writeln!(
            to,
            "\nVERSIONS can be decoded here, KAFKA is what Apache Kafka 4.3.1 lists in ApiVersions; none: Kafka has removed the API."
        )?;
    }
    Ok(())
}

fn listener(listener: Listener) -> &'static str {
    match listener {
        Listener::Neither => "none",
        Listener::Broker => "broker",
        Listener::Controller => "controller",
        Listener::Both => "both",
    }
}

fn json(api: ApiKey) -> String {
    let mut json = Json::default();
    let mut field = |name, value: Event<'_>| {
        json.event(Event::Field(name));
        json.event(value);
    };
    let bound = |is_empty: bool, version: i16| if is_empty { Event::Null } else { Event::Int(version.into()) };
    let (versions, kafka, flexible) = (api.versions(), api.advertised_versions(), api.flexible_versions());
    field("", Event::Struct);
    field("apiKey", Event::Int(api.number().into()));
    field("name", Event::Text(api.name()));
    field("minVersion", bound(versions.is_empty(), versions.min));
    field("maxVersion", bound(versions.is_empty(), versions.max));
    field("kafkaMinVersion", bound(kafka.is_empty(), kafka.min));
    field("kafkaMaxVersion", bound(kafka.is_empty(), kafka.max));
    field("flexibleSince", bound(flexible.is_empty(), flexible.min));
    field("listener", Event::Text(listener(api.listener())));
    field("isForwarded", Event::Bool(api.is_forwarded()));
    field("isClusterAction", Event::Bool(api.is_cluster_action()));
    field("", Event::EndStruct);
    json.take_text()
}
