//! The rows: YAML that is part of the binary.

use indexmap::IndexMap;
use ostro_core::{Method, Value};
use serde::Deserialize;

use crate::operations::adapters::Adapter;
use crate::operations::shape::{Form, Shape};
use crate::operations::{Client, Encode, Kind, Operation, Parameter, Place};

/// The files, by the prefix of the names in them.
const FILES: [(&str, &str); 10] = [
    (
        "baremetal_introspection",
        include_str!("catalogue/baremetal_introspection.yaml"),
    ),
    ("glance", include_str!("catalogue/glance.yaml")),
    ("heat", include_str!("catalogue/heat.yaml")),
    ("ironic", include_str!("catalogue/ironic.yaml")),
    ("keystone", include_str!("catalogue/keystone.yaml")),
    ("mistral", include_str!("catalogue/mistral.yaml")),
    ("nova", include_str!("catalogue/nova.yaml")),
    ("swift", include_str!("catalogue/swift.yaml")),
    ("swiftservice", include_str!("catalogue/swiftservice.yaml")),
    ("zaqar", include_str!("catalogue/zaqar.yaml")),
];

/// A file of rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    service: String,
    client: Client,
    #[serde(default)]
    microversion: Option<String>,
    /// Parameters that every operation of the file takes.
    #[serde(default)]
    common: IndexMap<String, ParameterRow>,
    operations: IndexMap<String, Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    summary: String,
    method: String,
    path: String,
    #[serde(default)]
    parameters: IndexMap<String, ParameterRow>,
    /// What every request of it has in its query.
    #[serde(default)]
    query: IndexMap<String, String>,
    /// Where arguments beside the parameters go; without it there are none.
    #[serde(default)]
    rest: Option<Place>,
    result: Form,
    /// The member of the answer that holds the result.
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    microversion: Option<String>,
    /// Said where the method does not tell.
    #[serde(default)]
    reads: Option<bool>,
    /// How swiftclient begins its message.
    #[serde(default)]
    failure: Option<String>,
    #[serde(default)]
    adapter: Option<Adapter>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterRow {
    #[serde(rename = "in")]
    place: Place,
    /// Its name on the way; its own without one.
    #[serde(default, rename = "as")]
    key: Option<String>,
    #[serde(default)]
    also: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<Kind>,
    #[serde(default)]
    required: Option<bool>,
    #[serde(default)]
    default: Option<Value>,
    #[serde(default)]
    encode: Encode,
    /// Left out when false, empty or zero.
    #[serde(default)]
    only_if_true: bool,
}

/// All operations, by name.
#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "the rows are part of the binary and no input reaches them; a test reads them all"
)]
pub(super) fn read() -> Vec<Operation> {
    let mut operations: Vec<Operation> = FILES
        .iter()
        .flat_map(|(prefix, text)| {
            let file: File =
                file(text).unwrap_or_else(|error| panic!("operations of {prefix}: {error}"));
            let File {
                service,
                client,
                microversion,
                common,
                operations,
            } = file;
            operations.into_iter().map(move |(name, row)| Operation {
                name: format!("{prefix}.{name}"),
                method: Method::parse(&row.method).expect("a method of HTTP"),
                ..row.operation(&service, client, microversion.as_ref(), &common)
            })
        })
        .collect();
    operations.sort_by(|a, b| a.name.cmp(&b.name));
    operations
}

/// `text` as a file, with `<<` merged.
fn file(text: &str) -> Result<File, serde_yaml::Error> {
    let mut document: serde_yaml::Value = serde_yaml::from_str(text)?;
    document.apply_merge()?;
    serde_yaml::from_value(document)
}

impl Row {
    fn operation(
        self,
        service: &str,
        client: Client,
        microversion: Option<&String>,
        common: &IndexMap<String, ParameterRow>,
    ) -> Operation {
        let parameters = self
            .parameters
            .into_iter()
            .chain(common.clone())
            .map(|(name, row)| row.parameter(name));
        let method = Method::parse(&self.method).unwrap_or(Method::Get);
        Operation {
            name: String::new(),
            summary: self.summary,
            parameters: parameters.collect(),
            open: self.rest.is_some(),
            service: service.to_owned(),
            method,
            path: self.path,
            microversion: self.microversion.or_else(|| microversion.cloned()),
            reads: self.reads.unwrap_or(method.is_read()),
            client,
            failure: self.failure,
            query: self.query.into_iter().collect(),
            rest: self.rest,
            result: Shape {
                form: self.result,
                key: self.key,
            },
            adapter: self.adapter,
        }
    }
}

impl ParameterRow {
    fn parameter(self, name: String) -> Parameter {
        let in_path = matches!(self.place, Place::Path | Place::PathTail);
        let kind = self.kind.unwrap_or(match self.place {
            Place::QueryEntries | Place::BodyEntries | Place::Headers => Kind::Object,
            Place::Suffix => Kind::Boolean,
            Place::Body | Place::WholeBody | Place::Adapter => Kind::Any,
            _ => Kind::String,
        });
        Parameter {
            key: self.key.unwrap_or_else(|| name.clone()),
            also: self.also,
            required: self.required.unwrap_or(in_path),
            default: self.default.unwrap_or_default(),
            kind,
            place: self.place,
            encode: self.encode,
            only_if_true: self.only_if_true || self.place == Place::Suffix,
            name,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_makes_sense() {
        let operations = read();
        let mut names = HashSet::new();
        for row in &operations {
            let name = &row.name;
            assert!(names.insert(name), "{name} is there twice");
            assert!(
                row.summary.ends_with('.'),
                "{name}: the summary is a sentence"
            );
            assert!(row.path.starts_with('/'), "{name}: {}", row.path);
            let mut parameters = HashSet::new();
            for parameter in &row.parameters {
                assert!(
                    parameters.insert(&parameter.name),
                    "{name}: {} twice",
                    parameter.name
                );
                let slot = format!("{{{}}}", parameter.name);
                let in_path = matches!(parameter.place, Place::Path | Place::PathTail);
                assert_eq!(
                    in_path,
                    row.path.contains(&slot),
                    "{name}: {slot} in {}",
                    row.path
                );
                assert!(
                    !in_path || parameter.required || !parameter.default.is_null(),
                    "{name}: {slot} may be missing"
                );
                assert!(
                    parameter.place != Place::Adapter || row.adapter.is_some(),
                    "{name}: no adapter takes {}",
                    parameter.name
                );
            }
            let slots = row.path.matches('{').count();
            let filled = row
                .parameters
                .iter()
                .filter(|p| matches!(p.place, Place::Path | Place::PathTail));
            assert_eq!(
                slots,
                filled.count(),
                "{name}: a slot of {} has no parameter",
                row.path
            );
            assert!(
                !row.reads || row.method != Method::Delete,
                "{name} deletes and reads"
            );
        }
    }

    #[test]
    fn what_the_rocky_workbooks_call_is_there() {
        for name in [
            "baremetal_introspection.get_data",
            "baremetal_introspection.get_status",
            "baremetal_introspection.introspect",
            "baremetal_introspection.wait_for_finish",
            "heat.stacks_delete",
            "heat.stacks_get",
            "heat.stacks_list",
            "heat.stacks_output_show",
            "ironic.node_get",
            "ironic.node_list",
            "ironic.node_set_power_state",
            "ironic.node_set_provision_state",
            "ironic.node_set_target_raid_config",
            "mistral.environments_get",
            "nova.hypervisors_find",
            "nova.servers_list",
            "swift.copy_object",
            "swift.delete_container",
            "swift.delete_object",
            "swift.get_container",
            "swift.get_object",
            "swift.head_container",
            "swift.head_object",
            "swift.put_container",
            "swift.put_object",
            "swiftservice.list",
            "zaqar.claim_messages",
            "zaqar.delete_messages",
            "zaqar.queue_post",
            // Queens, beside these.
            "glance.images_list",
            "nova.hypervisors_statistics",
        ] {
            assert!(crate::operations::find(name).is_some(), "{name} is missing");
        }
    }
}
