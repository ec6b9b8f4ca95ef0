//! What `pm_type` means: how the fields of an inventory become a node's `driver_info`, and what
//! tells two nodes apart.

use serde_json::{Map, Value};
use tripleo_cloud::json::{is_given, text};

use crate::error::ActionError;

/// The rules of one `pm_type`.
#[derive(Debug)]
pub struct Driver {
    /// The hardware type begins with one of these.
    begins: &'static [&'static str],
    /// Or it has one of these in it, as older drivers have: `pxe_ipmitool`.
    contains: &'static [&'static str],
    /// Or it is one of these.
    is: &'static [&'static str],
    /// What a field of `driver_info` begins with: such fields are taken as they are.
    prefix: &'static str,
    /// The name in the inventory, and in `driver_info`.
    fields: &'static [(&'static str, &'static str)],
    /// The same, for names that should no longer be used.
    deprecated: &'static [(&'static str, &'static str)],
    /// Fields of the inventory that must be there.
    mandatory: &'static [&'static str],
    /// What tells two nodes apart.
    identity: Identity,
    /// The hardware type to register as; none to keep what was asked for.
    hardware_type: Option<&'static str>,
}

#[derive(Debug)]
enum Identity {
    /// Nothing but their ports and UUIDs.
    None,
    /// `pm_addr`, with `pm_port` where the type has it.
    Address,
    /// The address without its scheme, and the system.
    Redfish,
    /// `pm_addr` and another field.
    AddressAnd(&'static str),
    /// As `Address`, and a relay behind it.
    Relay(&'static str),
}

const ADDRESS: &[&str] = &["pm_addr"];
const CREDENTIALS: &[&str] = &["pm_addr", "pm_user", "pm_password"];

/// A type whose names of `driver_info` are its prefix and `address`, `username`, `password` and,
/// where it has one, `port`.
macro_rules! prefixed {
    ($prefix:literal, port) => {
        &[
            ("pm_addr", concat!($prefix, "_address")),
            ("pm_user", concat!($prefix, "_username")),
            ("pm_password", concat!($prefix, "_password")),
            ("pm_port", concat!($prefix, "_port")),
        ]
    };
    ($prefix:literal) => {
        &[
            ("pm_addr", concat!($prefix, "_address")),
            ("pm_user", concat!($prefix, "_username")),
            ("pm_password", concat!($prefix, "_password")),
        ]
    };
    ($prefix:literal, $field:literal, $info:literal) => {
        &[
            ("pm_addr", concat!($prefix, "_address")),
            ("pm_user", concat!($prefix, "_username")),
            ("pm_password", concat!($prefix, "_password")),
            ($field, $info),
        ]
    };
}

const PLAIN: Driver = Driver {
    begins: &[],
    contains: &[],
    is: &[],
    prefix: "",
    fields: &[],
    deprecated: &[],
    mandatory: &[],
    identity: Identity::None,
    hardware_type: None,
};

/// The types, in the order in which they are looked through.
static DRIVERS: &[Driver] = &[
    Driver {
        begins: &["ipmi"],
        contains: &["_ipmitool"],
        prefix: "ipmi",
        fields: prefixed!("ipmi", port),
        mandatory: ADDRESS,
        identity: Identity::Address,
        hardware_type: Some("ipmi"),
        ..PLAIN
    },
    Driver {
        begins: &["idrac"],
        contains: &["_drac"],
        prefix: "drac",
        fields: prefixed!("drac", port),
        mandatory: CREDENTIALS,
        identity: Identity::Address,
        hardware_type: Some("idrac"),
        ..PLAIN
    },
    Driver {
        begins: &["ilo"],
        contains: &["_ilo"],
        prefix: "ilo",
        fields: prefixed!("ilo", port),
        mandatory: CREDENTIALS,
        identity: Identity::Address,
        hardware_type: Some("ilo"),
        ..PLAIN
    },
    Driver {
        begins: &["cisco-ucs-managed"],
        contains: &["_ucs"],
        prefix: "ucs",
        fields: prefixed!("ucs", "pm_service_profile", "ucs_service_profile"),
        mandatory: &["pm_addr", "pm_user", "pm_password", "pm_service_profile"],
        identity: Identity::AddressAnd("pm_service_profile"),
        hardware_type: Some("cisco-ucs-managed"),
        ..PLAIN
    },
    Driver {
        begins: &["irmc"],
        contains: &["_irmc"],
        prefix: "irmc",
        fields: prefixed!("irmc", port),
        mandatory: CREDENTIALS,
        identity: Identity::Address,
        hardware_type: Some("irmc"),
        ..PLAIN
    },
    Driver {
        begins: &["redfish"],
        prefix: "redfish",
        fields: prefixed!("redfish", "pm_system_id", "redfish_system_id"),
        mandatory: &["pm_addr", "pm_system_id"],
        identity: Identity::Redfish,
        hardware_type: Some("redfish"),
        ..PLAIN
    },
    Driver {
        begins: &["xclarity"],
        prefix: "xclarity",
        fields: prefixed!("xclarity", port),
        mandatory: CREDENTIALS,
        identity: Identity::Address,
        ..PLAIN
    },
    Driver {
        begins: &["staging-ovirt"],
        prefix: "ovirt",
        fields: prefixed!("ovirt", "pm_vm_name", "ovirt_vm_name"),
        mandatory: &["pm_addr", "pm_user", "pm_password", "pm_vm_name"],
        identity: Identity::AddressAnd("pm_vm_name"),
        hardware_type: Some("staging-ovirt"),
        ..PLAIN
    },
    Driver {
        begins: &["staging-iboot"],
        contains: &["_iboot"],
        prefix: "iboot",
        fields: prefixed!("iboot", port),
        deprecated: &[("pm_relay_id", "iboot_relay_id")],
        mandatory: CREDENTIALS,
        identity: Identity::Relay("iboot_relay_id"),
        hardware_type: Some("staging-iboot"),
        ..PLAIN
    },
    Driver {
        begins: &["staging-wol"],
        contains: &["wol"],
        prefix: "wol",
        fields: &[("pm_addr", "wol_host"), ("pm_port", "wol_port")],
        hardware_type: Some("staging-wol"),
        ..PLAIN
    },
    Driver {
        begins: &["staging-amt"],
        contains: &["_amt"],
        prefix: "amt",
        fields: prefixed!("amt"),
        mandatory: CREDENTIALS,
        identity: Identity::Address,
        hardware_type: Some("staging-amt"),
        ..PLAIN
    },
    // Power that nobody controls.
    Driver {
        begins: &["manual-management", "fake_pxe", "fake_agent"],
        prefix: "fake",
        hardware_type: Some("manual-management"),
        ..PLAIN
    },
    // Hardware that isn't there.
    Driver {
        is: &["fake", "fake-hardware"],
        prefix: "fake",
        hardware_type: Some("fake-hardware"),
        ..PLAIN
    },
];

/// What becomes of a field of the inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Converted<'a> {
    /// It is this field of `driver_info`.
    Info(&'a str),
    /// The same, under a name that should no longer be used.
    Deprecated(&'a str),
    /// It is a field of power management that the type doesn't have.
    Unsupported,
    /// It is not a field of power management.
    Other,
}

/// The rules of a node in an inventory.
pub fn of_node(node: &Map<String, Value>) -> Result<&'static Driver, ActionError> {
    let Some(pm_type) = node.get("pm_type") else {
        let what = "pm_type (ironic driver to use) is required";
        return Err(ActionError::InvalidNode(what.to_owned()));
    };
    find(&text(pm_type))
}

/// The rules of a `pm_type`.
pub fn find(pm_type: &str) -> Result<&'static Driver, ActionError> {
    DRIVERS
        .iter()
        .find(|driver| driver.is_for(pm_type))
        .ok_or_else(|| {
            ActionError::InvalidNode(format!("unknown pm_type (ironic driver to use): {pm_type}"))
        })
}

impl Driver {
    fn is_for(&self, pm_type: &str) -> bool {
        self.begins.iter().any(|start| pm_type.starts_with(start))
            || self.contains.iter().any(|part| pm_type.contains(part))
            || self.is.contains(&pm_type)
    }

    /// The hardware type to register as, where it isn't what was asked for.
    pub fn hardware_type(&self) -> Option<&'static str> {
        self.hardware_type
    }

    /// What becomes of a field of the inventory.
    pub fn convert_key<'a>(&self, key: &'a str) -> Converted<'a> {
        let named = |names: &'static [(&str, &'static str)]| {
            names
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, info)| *info)
        };
        if let Some(info) = named(self.fields) {
            Converted::Info(info)
        } else if let Some(info) = named(self.deprecated) {
            Converted::Deprecated(info)
        } else if key.starts_with(self.prefix) {
            Converted::Info(key)
        } else if key != "pm_type" && key.starts_with("pm_") {
            Converted::Unsupported
        } else {
            Converted::Other
        }
    }

    /// The `driver_info` that an inventory's fields make; `warn` gets what the operator should
    /// know about them.
    pub fn convert(
        &self,
        fields: &Map<String, Value>,
        mut warn: impl FnMut(&str),
    ) -> Map<String, Value> {
        let mut info = Map::new();
        for (key, value) in fields {
            match self.convert_key(key) {
                Converted::Info(name) => {
                    info.insert(name.to_owned(), value.clone());
                }
                Converted::Deprecated(name) => {
                    warn(&format!("Key {key} is deprecated, please use {name}"));
                    info.insert(name.to_owned(), value.clone());
                }
                Converted::Unsupported => {
                    warn(&format!(
                        "Key {key} is not supported and will not be passed"
                    ));
                }
                Converted::Other => {}
            }
        }
        info
    }

    /// The mandatory fields that an inventory's node lacks.
    pub fn missing(&self, node: &Map<String, Value>) -> Vec<&'static str> {
        let mandatory = self.mandatory.iter().copied();
        mandatory
            .filter(|field| !is_given(node.get(*field)))
            .collect()
    }

    /// What tells the node apart in an inventory.
    pub fn id_from_fields(&self, fields: &Map<String, Value>) -> Option<String> {
        self.id(fields, |field| field)
    }

    /// What tells the node apart in Ironic, from its `driver_info`.
    pub fn id_from_info(&self, driver_info: &Map<String, Value>) -> Option<String> {
        self.id(driver_info, |field| match self.convert_key(field) {
            Converted::Info(name) | Converted::Deprecated(name) => name,
            Converted::Unsupported | Converted::Other => field,
        })
    }

    fn id<'a>(
        &self,
        values: &Map<String, Value>,
        name: impl Fn(&'a str) -> &'a str,
    ) -> Option<String> {
        let get = |field| values.get(name(field)).map(text);
        let with_port = || {
            let address = get("pm_addr")?;
            let has_port = self.fields.iter().any(|(field, _)| *field == "pm_port");
            Some(match get("pm_port").filter(|_| has_port) {
                Some(port) => format!("{address}:{port}"),
                None => address.into_owned(),
            })
        };
        match &self.identity {
            Identity::None => None,
            Identity::Address => with_port(),
            Identity::Redfish => {
                let (address, system) = (get("pm_addr")?, get("pm_system_id")?);
                let address = without_scheme(&address).trim_end_matches('/');
                Some(format!("{address}/{}", system.trim_start_matches('/')))
            }
            Identity::AddressAnd(field) => Some(format!("{}:{}", get("pm_addr")?, get(field)?)),
            Identity::Relay(field) => {
                let id = with_port()?;
                Some(
                    match values.get(*field).filter(|relay| is_given(Some(relay))) {
                        Some(relay) => format!("{id}#{}", text(relay)),
                        None => id,
                    },
                )
            }
        }
    }
}

/// An address without `http://` or `https://`, in whatever case.
fn without_scheme(address: &str) -> &str {
    for scheme in ["http://", "https://"] {
        if let Some(start) = address.get(..scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            return &address[scheme.len()..];
        }
    }
    address
}

#[cfg(test)]
mod tests;
