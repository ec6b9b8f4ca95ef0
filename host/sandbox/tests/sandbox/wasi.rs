//! WASI for the runtimes of languages that need it: an empty world, with output to the log.

use std::fs;

use ostro_core::Value;
use ostro_packs::Pack;
use ostro_sandbox::{CallError, LimitKind, LoadedPack};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::common::{call, load};

/// A pack of one component, from its WIT and its core module as text.
fn pack(wit: &str, wat: &str, limits: &str) -> LoadedPack {
    let mut resolve = Resolve::default();
    let package = resolve.push_source("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(wat).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let component = ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let manifest = format!(
        "{{name: wasi, version: 0.1.0, components: [{{name: a, path: a.wasm}}], limits: {limits}}}"
    );
    fs::write(dir.path().join("pack.yaml"), manifest).unwrap();
    fs::write(dir.path().join("a.wasm"), component).unwrap();
    load(&Pack::open(dir.path()).unwrap())
}

#[tokio::test]
async fn wasi_is_an_empty_world() {
    let wit = r"
        package test:wasi@0.1.0;
        interface world-view { variables: func() -> u32; folders: func() -> u32; }
        world guest {
            import wasi:cli/environment@0.2.0;
            import wasi:filesystem/preopens@0.2.0;
            export world-view;
        }
        package wasi:cli@0.2.0 {
            interface environment { get-environment: func() -> list<tuple<string, string>>; }
        }
        package wasi:filesystem@0.2.0 {
            interface types { resource descriptor; }
            interface preopens {
                use types.{descriptor};
                get-directories: func() -> list<tuple<descriptor, string>>;
            }
        }";
    let wat = r#"(module
        (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
        (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $folders (param i32)))
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
        (func (export "test:wasi/world-view@0.1.0#variables") (result i32)
            (call $environment (i32.const 8)) (i32.load (i32.const 12)))
        (func (export "test:wasi/world-view@0.1.0#folders") (result i32)
            (call $folders (i32.const 8)) (i32.load (i32.const 12))))"#;
    let pack = pack(wit, wat, "{}");
    for action in ["test.world_view.variables", "test.world_view.folders"] {
        assert_eq!(
            call(&pack, action, "{}").await.result,
            Ok(Value::from(0)),
            "{action}"
        );
    }
}

/// What a guest prints is in its log: escaped, a line a host call, the last one also without an
/// end.
#[tokio::test]
async fn what_a_guest_prints_is_logged_and_bounded() {
    let wit = r"
        package test:print@0.1.0;
        interface output { print: func(text: string, times: u32); }
        world guest {
            import wasi:cli/stderr@0.2.0;
            export output;
        }
        package wasi:io@0.2.0 {
            interface error { resource error; }
            interface streams {
                use error.{error};
                variant stream-error { last-operation-failed(error), closed }
                resource output-stream {
                    blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
                }
            }
        }
        package wasi:cli@0.2.0 {
            interface stderr {
                use wasi:io/streams@0.2.0.{output-stream};
                get-stderr: func() -> output-stream;
            }
        }";
    let wat = r#"(module
        (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
        (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
            (func $write (param i32 i32 i32 i32)))
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
        (func (export "test:print/output@0.1.0#print") (param $text i32) (param $len i32)
            (param $times i32)
            (local $stream i32)
            (local.set $stream (call $stderr))
            (loop $again
                (call $write (local.get $stream) (local.get $text) (local.get $len) (i32.const 8))
                (local.set $times (i32.sub (local.get $times) (i32.const 1)))
                (br_if $again (local.get $times)))))"#;
    let pack = pack(wit, wat, "{host-calls: 10}");
    let print = async |text: &str, times: u32| {
        let text = serde_json::to_string(text).unwrap();
        let input = format!(r#"{{"text": {text}, "times": {times}}}"#);
        call(&pack, "test.output.print", &input).await
    };
    let called = print("one\n\ntwo\u{202e}", 2).await;
    assert_eq!(called.result, Ok(Value::Null));
    assert_eq!(
        called.notes,
        "debug: one\ndebug: two\\u{202e}one\ndebug: two\\u{202e}"
    );
    let called = print("x\n", 10).await;
    assert_eq!(called.result, Ok(Value::Null));
    let called = print("x\n", 1_000_000).await;
    let Err(CallError::Limit(limit)) = called.result else {
        panic!("it went on printing: {:?}", called.result);
    };
    assert_eq!(limit.kind, LimitKind::HostCalls);
    assert_eq!(called.notes.lines().count(), 10);
}
