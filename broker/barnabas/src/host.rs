//! What is read from the host before the configuration is resolved: files, environment, host name, mounts. Changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use barnabas_server::config::boot::{Boot, BootInput, DATA_MOUNTS, HostFacts, SourceFile, boot};

use crate::arguments::LayerArguments;

/// The longest configuration file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The configuration that `file`, the environment and `layers` make.
pub fn configure(file: Option<&Path>, layers: &LayerArguments, strict: bool) -> anyhow::Result<Boot> {
    let overrides = overrides(layers)?;
    let files = read_files(file, layers, &overrides)?;
    let environment = environment();
    let facts = facts();
    Ok(boot(BootInput { files: &files, environment: &environment, overrides: &overrides, strict, host: &facts })?)
}

/// The flags' settings, the node id of the host's name among them.
fn overrides(layers: &LayerArguments) -> anyhow::Result<Vec<String>> {
    let mut overrides = layers.overrides.clone();
    if layers.node_id_from_hostname {
        let id = trailing_number(&host_name()).with_context(|| {
            format!("--node-id-from-hostname: the host name {} does not end in a number", host_name())
        })?;
        overrides.insert(0, format!("node.id={id}"));
    }
    Ok(overrides)
}

/// The properties file and what it includes, in the order in which they are read.
fn read_files(file: Option<&Path>, layers: &LayerArguments, overrides: &[String]) -> anyhow::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    if let Some(path) = file {
        files.push(read(path)?);
    }
    for include in &layers.includes {
        let mut file = read(&with_node_id(include, overrides)?)?;
        file.text = with_environment(&file.text, |name| std::env::var(name).ok())
            .with_context(|| format!("in {}", file.name))?;
        files.push(file);
    }
    Ok(files)
}

fn read(path: &Path) -> anyhow::Result<SourceFile> {
    let name = path.display().to_string();
    let length = std::fs::metadata(path).with_context(|| format!("cannot read configuration file {name}"))?.len();
    if length > MAX_FILE_BYTES {
        bail!("configuration file {name} has {length} bytes, at most {MAX_FILE_BYTES} are read: is it the right file?");
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read configuration file {name}"))?;
    Ok(SourceFile { name, text })
}

fn with_node_id(path: &Path, overrides: &[String]) -> anyhow::Result<PathBuf> {
    let name = path.display().to_string();
    if !name.contains("{node.id}") {
        return Ok(path.to_owned());
    }
    let id = overrides.iter().rev().find_map(|setting| setting.strip_prefix("node.id="));
    let id = id.context("--include with {node.id} needs --node-id-from-hostname or --override node.id=…")?;
    Ok(PathBuf::from(name.replace("{node.id}", id)))
}

/// `text` with each `${env:NAME}` replaced. A variable that is not set is an error: an empty address would be worse.
fn with_environment(text: &str, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${env:") {
        let (name, after) = after.split_once('}').ok_or_else(|| anyhow!("${{env: without a closing brace"))?;
        let value = variable(name).ok_or_else(|| anyhow!("the environment variable {name} is not set"))?;
        result.push_str(before);
        result.push_str(&value);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

/// The variables whose names and values are text.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What the configuration wants to know of the host.
fn facts() -> HostFacts {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let is_mount = |path: &&&str| mounts.lines().any(|line| line.split(' ').nth(1) == Some(**path));
    HostFacts {
        host_name: host_name(),
        data_mounts: DATA_MOUNTS.iter().filter(is_mount).map(PathBuf::from).collect(),
        in_container: ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists())
            || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        formatted_node_id: barnabas_server::format::formatted_node_id,
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

fn trailing_number(name: &str) -> Option<u32> {
    let digits = name.len() - name.bytes().rev().take_while(u8::is_ascii_digit).count();
    name.get(digits..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_name_ends_in_its_number() {
        assert_eq!(trailing_number("quickstart-default-12"), Some(12));
        assert_eq!(trailing_number("quickstart-"), None);
        assert_eq!(trailing_number(""), None);
    }

    #[test]
    fn variables_of_included_files_are_replaced_or_refused() {
        let variable = |name: &str| (name == "HOST_IP").then(|| "10.0.0.7".to_owned());
        let text = with_environment("a=${env:HOST_IP}:1,${env:HOST_IP}:2\n", variable).unwrap();
        assert_eq!(text, "a=10.0.0.7:1,10.0.0.7:2\n");
        assert!(with_environment("a=${env:OTHER}", variable).unwrap_err().to_string().contains("OTHER is not set"));
        assert!(with_environment("a=${env:OTHER", variable).is_err());
    }

    #[test]
    fn the_node_id_stands_in_the_name_of_an_included_file() {
        let overrides = ["node.id=3".to_owned()];
        assert_eq!(
            with_node_id(Path::new("/etc/{node.id}.properties"), &overrides).unwrap(),
            Path::new("/etc/3.properties")
        );
        assert!(with_node_id(Path::new("/etc/{node.id}.properties"), &[]).is_err());
    }
}
