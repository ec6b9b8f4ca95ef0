//! Packs as operators meet them: folders, files, and all that can be wrong with either.

#![expect(clippy::unwrap_used, reason = "a test says no better what is wrong")]

use std::fs;
use std::path::Path;

use ostro_core::{Method, RelativePath, ServiceRequest};
use ostro_packs::{Grants, Manifest, Pack};

const GOOD: &str = "name: test\nversion: 1.0.0\n";

/// Manifests, and what is said about each.
const WRONG: [(&str, &str); 18] = [
    ("name: test", "pack.yaml:1:1: missing field `version`"),
    (
        "name: Test\nversion: 1.0.0",
        "pack.yaml:1:7: name: \"Test\" is no name",
    ),
    (
        "name: test\nversion: one",
        "pack.yaml:2:10: version: unexpected character",
    ),
    (
        "name: test\nversion: 1.0.0\ncolour: red",
        "pack.yaml:3:1: unknown field `colour`",
    ),
    (
        "name: [",
        "pack.yaml:1:7: name: invalid type: sequence, expected a string",
    ),
    (
        "name: test\nversion: 1.0.0\ncomponents:\n  - name: a\n    path: ../a.wasm",
        "is no path in the pack",
    ),
    (
        "name: test\nversion: 1.0.0\ncomponents:\n  - name: a\n    path: /a.wasm",
        "is no path in the pack",
    ),
    (
        "name: test\nversion: 1.0.0\nwit: a/../../b",
        "is no path in the pack",
    ),
    (
        "name: test\nversion: 1.0.0\nlimits: {time: 5}",
        "pack.yaml:3:16: limits.time: \"5\" is no duration",
    ),
    (
        "name: test\nversion: 1.0.0\nlimits: {time: 5d}",
        "\"5d\" is no duration",
    ),
    (
        "name: test\nversion: 1.0.0\nlimits: {memory: 5MB}",
        "\"5MB\" is no size",
    ),
    (
        "name: test\nversion: 1.0.0\ngrants: {openstak: []}",
        "unknown field `openstak`",
    ),
    (
        "name: test\nversion: 1.0.0\ngrants: {operations: [ironic]}",
        "\"ironic\" names no operation",
    ),
    (
        "name: test\nversion: 1.0.0\ngrants: {operations: ['*']}",
        "\"*\" names no operation",
    ),
    (
        "name: test\nversion: 1.0.0\ngrants: {openstack: [{service: a, methods: [get]}]}",
        "\"get\" is no method",
    ),
    (
        "name: test\nversion: 1.0.0\ngrants: {openstack: [{service: a, paths: [/a/b*]}]}",
        "stands for a whole segment",
    ),
    (
        "name: test\nversion: 1.0.0\ncomponents: [{name: a, path: x}, {name: a, path: y}]",
        "two components are called \"a\"",
    ),
    (
        "name: test\nversion: 1.0.0\ncomponents: [{name: a, path: x, build: {language: cobol}}]",
        "unknown variant `cobol`",
    ),
];

#[test]
fn errors_of_a_manifest_say_where_and_what() {
    Manifest::parse(GOOD, "pack.yaml").unwrap();
    for (text, expected) in WRONG {
        let error = Manifest::parse(text, "pack.yaml").unwrap_err().to_string();
        assert!(
            error.starts_with("pack.yaml:") && error.contains(expected),
            "{text}\n{error}"
        );
    }
}

/// Files by their path.
type Files<'a> = &'a [(&'a str, &'a [u8])];

fn write(dir: &Path, files: Files) {
    for (path, bytes) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn what_is_no_pack_says_what_to_do() {
    let component = "components: [{name: a, path: build/a.wasm, build: {language: rust}}]\n";
    let manifest = format!("{GOOD}{component}");
    let empty_wit = format!("{GOOD}wit: wit\n");
    let module = wat_module();
    let cases: [(Files, &str); 7] = [
        (&[], "no pack here"),
        (
            &[("pack.yaml", manifest.as_bytes())],
            "build/a.wasm is missing; run `ostro pack build ",
        ),
        (
            &[
                ("pack.yaml", manifest.as_bytes()),
                ("build/a.wasm", b"hello"),
            ],
            "this is no WebAssembly",
        ),
        (
            &[
                ("pack.yaml", manifest.as_bytes()),
                ("build/a.wasm", &module),
            ],
            "this is a core module, not a component",
        ),
        (
            &[
                ("pack.yaml", manifest.as_bytes()),
                ("build/a.wasm", b"\0asm\x0d\0\x01\0\xff\xff"),
            ],
            "not a valid component",
        ),
        (
            &[("pack.yaml", empty_wit.as_bytes()), ("wit/a.txt", b"")],
            "there is no .wit file",
        ),
        (
            &[
                ("pack.yaml", empty_wit.as_bytes()),
                ("wit/a.wit", b"package a:b;\ninterface {"),
            ],
            "wit/a.wit:2:11",
        ),
    ];
    for (files, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), files);
        let error = Pack::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert!(
        Pack::open("/nowhere/at/all")
            .unwrap_err()
            .to_string()
            .contains("no pack here")
    );
}

/// The smallest core module.
fn wat_module() -> Vec<u8> {
    b"\0asm\x01\0\0\0".to_vec()
}

#[test]
fn a_folder_and_its_artifact_are_the_same_pack() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = format!("{GOOD}workflows: [flows/a.yaml]\nwit: wit\n");
    write(dir.path(), &[
        ("pack.yaml", manifest.as_bytes()),
        ("flows/a.yaml", b"version: '2.0'\n"),
        ("wit/main.wit", b"package test:a;\ninterface i { use ostro:host/types@0.1.0.{json}; use test:b/x.{t}; }"),
        ("wit/deps/b/x.wit", b"package test:b;\ninterface x { type t = u8; }"),
        ("notes.txt", b"not in the pack"),
    ]);
    let mut said = Vec::new();
    let built =
        ostro_packs::build::build(dir.path(), &mut |line| said.push(line.to_owned())).unwrap();
    assert_eq!(built.artifact, dir.path().join("build/test-1.0.0.ostro"));
    let opened = Pack::open(&built.artifact).unwrap();
    assert_eq!(opened.digest, Pack::open(dir.path()).unwrap().digest);
    assert_eq!(opened.workflows[0].text, "version: '2.0'\n");
    assert!(said.last().unwrap().contains(&opened.digest));
    let first = fs::read(&built.artifact).unwrap();
    ostro_packs::build::build(dir.path(), &mut |_| {}).unwrap();
    assert_eq!(
        first,
        fs::read(&built.artifact).unwrap(),
        "the same pack gives the same bytes"
    );
    write(dir.path(), &[("flows/a.yaml", b"version: '2.1'\n")]);
    assert_ne!(opened.digest, Pack::open(dir.path()).unwrap().digest);
}

#[test]
fn damaged_artifacts_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.ostro");
    let tar = |entries: &[(&str, tar::EntryType)]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind) in entries {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(0);
            header.set_cksum();
            builder.append(&header, std::io::empty()).unwrap();
        }
        builder.into_inner().unwrap()
    };
    let plain = tar::EntryType::Regular;
    for (bytes, expected) in [
        (b"hello".to_vec(), "not a pack"),
        (Vec::new(), "it holds no pack.yaml"),
        (tar(&[("../pack.yaml", plain)]), "is no path in the pack"),
        (tar(&[("/etc/passwd", plain)]), "is no path in the pack"),
        (
            tar(&[("pack.yaml", tar::EntryType::Symlink)]),
            "is no plain file",
        ),
        (
            tar(&[("pack.yaml", plain), ("pack.yaml", plain)]),
            "is there twice",
        ),
    ] {
        fs::write(&file, bytes).unwrap();
        let error = Pack::open(&file).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn nothing_is_granted_by_default_and_an_empty_grant_means_nothing() {
    let path = RelativePath::parse("/v1/nodes").unwrap();
    let request = ServiceRequest::new("baremetal", Method::Get, path);
    for text in [
        "",
        "# nothing",
        "openstack: []",
        "openstack: [{service: baremetal}]",
        "openstack: [{service: baremetal, methods: [GET]}]",
        "openstack: [{service: baremetal, methods: [GET], paths: []}]",
        "openstack: [{service: baremetal, methods: [], paths: [/**]}]",
        "openstack: [{service: compute, methods: [GET], paths: [/**]}]",
        "openstack: [{service: baremetal, methods: [HEAD], paths: [/**]}]",
    ] {
        let grants = Grants::parse(text, "g").unwrap();
        let denial = grants.check_request(&request).unwrap_err();
        assert_eq!(
            denial.what(),
            "GET /v1/nodes of the \"baremetal\" service is not granted"
        );
        assert!(grants.check_operation("ironic.node_list").is_err());
        assert!(grants.check_queue("tripleo").is_err());
    }
}

/// What a denial tells the operator to add is exactly what allows it.
#[test]
fn the_lines_of_a_denial_grant_what_was_denied() {
    let none = Grants::default();
    let parse = |lines: &str| Grants::parse(lines, "g").unwrap_or_else(|e| panic!("{lines}\n{e}"));
    for path in [
        "/",
        "/v1/nodes",
        "/v1/a%20b",
        "/v1/*/**",
        "/a:b@c,d",
        "/v1/nodes/",
        "/~a!b",
    ] {
        let path = RelativePath::parse(path).unwrap();
        let request = ServiceRequest::new("bare metal\n: x", Method::Patch, path);
        let grants = parse(none.check_request(&request).unwrap_err().lines().unwrap());
        assert_eq!(grants.check_request(&request), Ok(()), "{request:?}");
        let other = RelativePath::parse("/v1/other/one").unwrap();
        let other = ServiceRequest {
            path: other,
            ..request
        };
        assert!(
            grants.check_request(&other).is_err(),
            "more was granted than asked for"
        );
    }
    for queue in [
        "tripleo",
        "yes",
        "a b",
        "x: [y]\n- z",
        "\"",
        "123",
        "null",
        "",
    ] {
        let grants = parse(none.check_queue(queue).unwrap_err().lines().unwrap());
        assert_eq!(grants.messaging, [queue]);
    }
    let grants = parse(
        none.check_operation("nova.servers_list")
            .unwrap_err()
            .lines()
            .unwrap(),
    );
    assert_eq!(grants.check_operation("nova.servers_list"), Ok(()));
}

#[test]
fn a_client_can_be_granted_as_a_whole() {
    let grants = Grants::parse("operations: [swift.*, ironic.node_get]", "g").unwrap();
    for (name, granted) in [
        ("swift.get_object", true),
        ("swift.", false),
        ("swift", false),
        ("swiftly.get_object", false),
        ("ironic.node_get", true),
        ("ironic.node_get_all", false),
    ] {
        assert_eq!(grants.check_operation(name).is_ok(), granted, "{name}");
    }
}

#[test]
fn a_request_that_names_a_second_resource_is_denied_whatever_is_granted() {
    let all = "openstack: [{service: object-store, methods: [PUT, POST], paths: [/**]}]";
    let grants = Grants::parse(all, "g").unwrap();
    let path = RelativePath::parse("/mine/object").unwrap();
    let plain = ServiceRequest::new("object-store", Method::Put, path);
    assert_eq!(grants.check_request(&plain), Ok(()));
    for header in [
        "X-Copy-From",
        "x_copy_from",
        "X-Copy-From-Account",
        "Destination",
        "X-Object-Manifest",
        "X-Symlink-Target",
        "X-Symlink-Target-Account",
        "X-Versions-Location",
        "X-Container-Sync-To",
    ] {
        let mut request = plain.clone();
        request
            .headers
            .push((header.to_owned(), "/others/secret".to_owned()));
        let denial = grants.check_request(&request).unwrap_err();
        assert!(
            denial.what().contains(header) && denial.lines().is_none(),
            "{denial}"
        );
    }
    for name in [
        "multipart-manifest",
        "Bulk-Delete",
        "extract-archive",
        "temp_url_sig",
    ] {
        let mut request = plain.clone();
        request.query.push((name.to_owned(), "put".to_owned()));
        assert!(
            grants.check_request(&request).is_err(),
            "{name} was let through"
        );
    }
}
