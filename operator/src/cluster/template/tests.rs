//! What a user's pod template may hold.

use super::*;
use crate::cluster::fixture::Fixture;

fn refusal(template: &str) -> Invalid {
    Fixture::new(&format!("{{template: {template}}}")).resolve().unwrap_err()
}

#[test]
fn a_misspelt_field_is_named_with_its_path() {
    let refused = refusal("{spec: {containers: [{name: broker, resorces: {}}]}}");
    let Invalid::TemplateFieldUnknown { path, .. } = refused else { panic!("{refused}") };
    assert_eq!(path, "spec.containers[0].resorces");
    assert_eq!(refusal("{spec: {tolerations: 5}}").reason(), "TemplateMalformed");
}

#[test]
fn what_the_operator_decides_cannot_be_overridden() {
    for template in [
        "{metadata: {labels: {barnabas.dev/cluster: x}}}",
        "{spec: {hostname: x}}",
        "{spec: {restartPolicy: Never}}",
        "{spec: {volumes: [{name: data, emptyDir: {}}]}}",
        "{spec: {containers: [{name: broker, args: [x]}]}}",
    ] {
        assert_eq!(refusal(template).reason(), "TemplateFieldOwned", "{template}");
    }
}

#[test]
fn everything_else_a_pod_can_have_is_merged_in() {
    let template =
        "{spec: {hostNetwork: true, securityContext: {fsGroup: 5}, containers: [{name: broker, stdin: true}]}}";
    let fixture = Fixture::new(&format!("{{template: {template}}}"));
    let built = fixture.build();
    let set = built.workloads.iter().find(|desired| desired.resource.kind == "StatefulSet").unwrap();
    let pod = &set.value["spec"]["template"]["spec"];
    assert_eq!((&pod["hostNetwork"], &pod["containers"][0]["stdin"]), (&true.into(), &true.into()));
    assert_eq!(
        (&pod["securityContext"]["fsGroup"], &pod["securityContext"]["runAsNonRoot"]),
        (&5.into(), &true.into())
    );
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1, "merged by name, not appended");
}
