//! The component's exports over the actions, and the host's interfaces as their cloud.
#![expect(
    unsafe_code,
    reason = "the generated code passes values over the component's border"
)]

use serde_json::Value;
use tripleo_cloud::{Cloud, CloudError, Level, Method, ReadCloud, Request, Response};

use crate::{ActionError, boot, capabilities, compute, inventory, register, root_device, validate};

mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit/ostro-host", "../wit/baremetal.wit"],
        world: "tripleo:actions/actions",
        generate_all,
    });

    export!(Component with_types_in self);

    use super::Component;
}

use bindings::exports::tripleo::actions::baremetal::{Guest, NodeHint, NodeProfile};
use bindings::ostro::host::{clock, log, openstack, progress, types};

/// The images that deploy nodes where a caller names no others.
const KERNEL_NAME: &str = "bm-deploy-kernel";
const RAMDISK_NAME: &str = "bm-deploy-ramdisk";
/// The boot option where a caller names no other.
const BOOT_OPTION: &str = "local";
/// The smallest root device where a caller names no other size, in GiB.
const MINIMUM_SIZE: u32 = 4;

struct Component;

impl Guest for Component {
    fn validate_nodes(nodes_json: Vec<String>) -> Result<(), String> {
        finish(inventory::parse(&nodes_json).and_then(|nodes| validate::nodes(&nodes)))
    }

    fn register_or_update_nodes(
        nodes_json: Vec<String>,
        remove: Option<bool>,
        kernel_name: Option<String>,
        ramdisk_name: Option<String>,
        instance_boot_option: Option<String>,
    ) -> Result<Vec<String>, String> {
        let options = register::Options {
            remove: remove.unwrap_or(false),
            kernel_name: kernel_name.as_deref(),
            ramdisk_name: ramdisk_name.as_deref(),
            boot_option: instance_boot_option.as_deref().unwrap_or(BOOT_OPTION),
        };
        let nodes =
            inventory::parse(&nodes_json).and_then(|nodes| register::nodes(&Host, nodes, &options));
        finish(nodes.map(|nodes| nodes.iter().map(Value::to_string).collect()))
    }

    fn configure_boot(
        node_uuid: String,
        kernel_name: Option<Option<String>>,
        ramdisk_name: Option<Option<String>>,
        instance_boot_option: Option<String>,
    ) -> Result<(), String> {
        let kernel_name = kernel_name.unwrap_or_else(|| Some(KERNEL_NAME.to_owned()));
        let ramdisk_name = ramdisk_name.unwrap_or_else(|| Some(RAMDISK_NAME.to_owned()));
        finish(boot::configure(
            &Host,
            &node_uuid,
            kernel_name.as_deref(),
            ramdisk_name.as_deref(),
            instance_boot_option.as_deref(),
        ))
    }

    fn configure_root_device(
        node_uuid: String,
        root_device: Option<String>,
        minimum_size: Option<u32>,
        overwrite: Option<bool>,
    ) -> Result<(), String> {
        let Some(strategy) = root_device.filter(|strategy| !strategy.is_empty()) else {
            return Ok(());
        };
        finish(root_device::configure(
            &Host,
            &node_uuid,
            &strategy,
            minimum_size.unwrap_or(MINIMUM_SIZE),
            overwrite.unwrap_or(false),
        ))
    }

    fn update_node_capability(
        node_uuid: String,
        capability: String,
        value: String,
    ) -> Result<String, String> {
        let value = parse(&value)?;
        capabilities::update(&Host, &node_uuid, &capability, value)
            .map(|node| node.to_string())
            .map_err(|error| format!("{}: {error}", error.type_name()))
    }

    fn cell_v2_discover_hosts() -> Result<(), String> {
        compute::discover_hosts(&Host).map_err(|error| format!("{}: {error}", error.type_name()))
    }

    fn get_profile(node: String) -> Result<NodeProfile, String> {
        let node = parse(&node)?;
        let profile = finish(capabilities::of_node(&node, "profile"))?;
        Ok(NodeProfile {
            profile,
            uuid: uuid(&node),
        })
    }

    fn get_node_hint(node: String) -> Result<NodeHint, String> {
        let node = parse(&node)?;
        let hint = finish(capabilities::of_node(&node, "node"))?;
        Ok(NodeHint {
            hint,
            uuid: uuid(&node),
        })
    }
}

fn finish<T>(result: Result<T, ActionError>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn parse(json: &str) -> Result<Value, String> {
    serde_json::from_str(json).map_err(|error| format!("the value is not JSON: {error}"))
}

fn uuid(node: &Value) -> Option<String> {
    node["uuid"].as_str().map(ToOwned::to_owned)
}

/// The host's interfaces.
struct Host;

impl Host {
    fn request(request: &openstack::Request) -> Result<Response, CloudError> {
        match openstack::send(request) {
            Ok(response) => Ok(Response {
                status: response.status,
                body: response.body,
            }),
            Err(error) => Err(match error {
                types::CallError::Denied(text)
                | types::CallError::Invalid(text)
                | types::CallError::Exhausted(text) => CloudError::Refused(text),
                types::CallError::Unavailable(text) => CloudError::Unavailable(text),
                types::CallError::Refused(refusal) => CloudError::Service {
                    status: refusal.status,
                    message: refusal.message,
                },
            }),
        }
    }
}

impl ReadCloud for Host {
    fn get(
        &self,
        service: &str,
        path: &str,
        query: &[(&str, &str)],
        microversion: Option<&str>,
    ) -> Result<Response, CloudError> {
        let query = query
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Self::request(&openstack::Request {
            service: service.to_owned(),
            method: openstack::Method::Get,
            path: path.to_owned(),
            query: query.collect(),
            headers: Vec::new(),
            body: Vec::new(),
            microversion: microversion.map(ToOwned::to_owned),
        })
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warning => log::Level::Warning,
        };
        log::write(level, message);
    }

    fn progress(&self, percent: Option<u8>, message: &str) {
        progress::report(percent, message);
    }
}

impl Cloud for Host {
    fn send(&self, request: &Request<'_>) -> Result<Response, CloudError> {
        Self::request(&openstack::Request {
            service: request.service.to_owned(),
            method: match request.method {
                Method::Post => openstack::Method::Post,
                Method::Patch => openstack::Method::Patch,
                Method::Delete => openstack::Method::Delete,
            },
            path: request.path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: request.body.clone(),
            microversion: request.microversion.map(ToOwned::to_owned),
        })
    }

    fn sleep(&self, milliseconds: u64) {
        clock::sleep(milliseconds);
    }
}
