//! Records of dynamic configuration.

use barnabas_protocol::records::metadata::ConfigRecord;

use super::ReplayError;
use crate::{ConfigResource, Configs, ResourceType};

pub(super) fn config(configs: &mut Configs, record: &ConfigRecord<'_>) -> Result<(), ReplayError> {
    let Some(resource_type) = ResourceType::from_id(record.resource_type) else {
        let value = record.resource_type.into();
        return Err(ReplayError::UnknownValue { record: "ConfigRecord", field: "resourceType", value });
    };
    let resource = ConfigResource { resource_type, name: record.resource_name.as_ref().into() };
    configs.set(&resource, &record.name, record.value.as_deref());
    Ok(())
}
