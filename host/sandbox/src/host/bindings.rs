//! What `bindgen!` makes of the contract.

wasmtime::component::bindgen!({
    path: "../../wit/ostro-host",
    world: "action-pack",
    imports: {
        "ostro:host/openstack": async | trappable,
        "ostro:host/openstack-read": async | trappable,
        "ostro:host/object-store": async | trappable,
        "ostro:host/object-store-read": async | trappable,
        "ostro:host/messaging": async | trappable,
        "ostro:host/clock.sleep": async | trappable,
        default: trappable,
    },
    with: {
        "ostro:host/object-store-read.reader": crate::host::objects::Reader,
        "ostro:host/object-store.writer": crate::host::objects::Writer,
    },
});
