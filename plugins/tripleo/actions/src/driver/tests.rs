use serde_json::json;

use super::*;

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("not an object: {other}"),
    }
}

#[test]
fn a_type_is_found_by_its_hardware_type_or_an_older_driver() {
    for (pm_type, prefix, hardware_type) in [
        ("fake", "fake", Some("fake-hardware")),
        ("fake-hardware", "fake", Some("fake-hardware")),
        ("fake_pxe", "fake", Some("manual-management")),
        ("manual-management", "fake", Some("manual-management")),
        ("pxe_ipmitool", "ipmi", Some("ipmi")),
        ("ipmi", "ipmi", Some("ipmi")),
        ("pxe_ilo", "ilo", Some("ilo")),
        ("ilo", "ilo", Some("ilo")),
        ("pxe_drac", "drac", Some("idrac")),
        ("idrac", "drac", Some("idrac")),
        ("pxe_ucs", "ucs", Some("cisco-ucs-managed")),
        ("cisco-ucs-managed", "ucs", Some("cisco-ucs-managed")),
        ("agent_irmc", "irmc", Some("irmc")),
        ("irmc", "irmc", Some("irmc")),
        ("redfish", "redfish", Some("redfish")),
        ("xclarity", "xclarity", None),
        ("staging-ovirt", "ovirt", Some("staging-ovirt")),
        ("pxe_iboot", "iboot", Some("staging-iboot")),
        ("pxe_wol", "wol", Some("staging-wol")),
        ("pxe_amt", "amt", Some("staging-amt")),
    ] {
        let driver = find(pm_type).unwrap();
        assert_eq!(
            (driver.prefix, driver.hardware_type()),
            (prefix, hardware_type),
            "{pm_type}"
        );
    }
}

#[test]
fn an_unknown_type_is_refused() {
    for pm_type in ["pxe_foobar", "fake-hardware2", ""] {
        let error = find(pm_type).unwrap_err().to_string();
        let expected =
            format!("Invalid node data: unknown pm_type (ironic driver to use): {pm_type}");
        assert_eq!(error, expected);
    }
    let error = of_node(&Map::new()).unwrap_err().to_string();
    assert_eq!(
        error,
        "Invalid node data: pm_type (ironic driver to use) is required"
    );
}

#[test]
fn fields_become_driver_info() {
    let power = json!({
        "pm_type": "?", "pm_addr": "foo.bar", "pm_user": "test", "pm_password": "random",
        "pm_port": "6230", "pm_system_id": "/redfish/v1/Systems/1", "pm_vm_name": "My VM",
        "pm_service_profile": "org-root/ls", "pm_relay_id": "r1", "name": "node1",
        "ipmi_priv_level": "USER", "redfish_verify_ca": false, "fake_extra": 1,
    });
    for (pm_type, expected) in [
        (
            "ipmi",
            json!({"ipmi_address": "foo.bar", "ipmi_username": "test", "ipmi_password": "random",
                   "ipmi_port": "6230", "ipmi_priv_level": "USER"}),
        ),
        (
            "idrac",
            json!({"drac_address": "foo.bar", "drac_username": "test", "drac_password": "random",
                   "drac_port": "6230"}),
        ),
        (
            "redfish",
            json!({"redfish_address": "foo.bar", "redfish_username": "test",
                   "redfish_password": "random", "redfish_system_id": "/redfish/v1/Systems/1",
                   "redfish_verify_ca": false}),
        ),
        (
            "staging-ovirt",
            json!({"ovirt_address": "foo.bar", "ovirt_username": "test",
                   "ovirt_password": "random", "ovirt_vm_name": "My VM"}),
        ),
        (
            "cisco-ucs-managed",
            json!({"ucs_address": "foo.bar", "ucs_username": "test", "ucs_password": "random",
                   "ucs_service_profile": "org-root/ls"}),
        ),
        (
            "staging-iboot",
            json!({"iboot_address": "foo.bar", "iboot_username": "test",
                   "iboot_password": "random", "iboot_port": "6230", "iboot_relay_id": "r1"}),
        ),
        (
            "staging-wol",
            json!({"wol_host": "foo.bar", "wol_port": "6230"}),
        ),
        (
            "staging-amt",
            json!({"amt_address": "foo.bar", "amt_username": "test", "amt_password": "random"}),
        ),
        ("fake-hardware", json!({"fake_extra": 1})),
    ] {
        let info = find(pm_type)
            .unwrap()
            .convert(&fields(power.clone()), |_| ());
        assert_eq!(Value::Object(info), expected, "{pm_type}");
    }
}

#[test]
fn the_operator_is_warned_of_fields_that_are_lost_or_old() {
    let mut warnings = Vec::new();
    let node = fields(json!({"pm_relay_id": "r1", "pm_foobar": 1, "cpu": 1}));
    let iboot = find("staging-iboot").unwrap();
    iboot.convert(&node, |warning| warnings.push(warning.to_owned()));
    let expected = [
        "Key pm_foobar is not supported and will not be passed",
        "Key pm_relay_id is deprecated, please use iboot_relay_id",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn the_inventory_and_ironic_identify_a_node_alike() {
    let system = "/redfish/v1/Systems/1";
    for (pm_type, node, expected) in [
        ("ipmi", json!({"pm_addr": "localhost"}), Some("localhost")),
        (
            "ipmi",
            json!({"pm_addr": "localhost", "pm_port": 42}),
            Some("localhost:42"),
        ),
        (
            "ipmi",
            json!({"pm_addr": "localhost", "pm_port": "42"}),
            Some("localhost:42"),
        ),
        ("ipmi", json!({"pm_user": "user"}), None),
        (
            "staging-amt",
            json!({"pm_addr": "localhost", "pm_port": 42}),
            Some("localhost"),
        ),
        (
            "redfish",
            json!({"pm_addr": "example.com", "pm_system_id": system}),
            Some("example.com/redfish/v1/Systems/1"),
        ),
        (
            "redfish",
            json!({"pm_addr": "HTTPS://example.com/", "pm_system_id": system}),
            Some("example.com/redfish/v1/Systems/1"),
        ),
        ("redfish", json!({"pm_addr": "example.com"}), None),
        (
            "staging-ovirt",
            json!({"pm_addr": "http://127.0.0.1", "pm_vm_name": "My VM"}),
            Some("http://127.0.0.1:My VM"),
        ),
        (
            "cisco-ucs-managed",
            json!({"pm_addr": "127.0.0.1", "pm_service_profile": "org/ls"}),
            Some("127.0.0.1:org/ls"),
        ),
        (
            "staging-iboot",
            json!({"pm_addr": "localhost", "pm_port": 42, "iboot_relay_id": "r1"}),
            Some("localhost:42#r1"),
        ),
        (
            "staging-iboot",
            json!({"pm_addr": "localhost", "pm_port": 42}),
            Some("localhost:42"),
        ),
        ("fake-hardware", json!({"pm_addr": "localhost"}), None),
        ("staging-wol", json!({"pm_addr": "localhost"}), None),
    ] {
        let driver = find(pm_type).unwrap();
        let node = fields(node);
        assert_eq!(
            driver.id_from_fields(&node).as_deref(),
            expected,
            "{pm_type} {node:?}"
        );
        let info = driver.convert(&node, |_| ());
        assert_eq!(
            driver.id_from_info(&info).as_deref(),
            expected,
            "{pm_type} {info:?}"
        );
    }
}
