//! Packs that somebody made: artifacts of any bytes, and components that were changed.
//!
//! An input whose first byte is even is a component in a pack that is whole, one whose first byte
//! is odd is an artifact.
//!
//!     cargo install cargo-fuzz
//!     cd host/packs
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none pack -- \
//!         -max_total_time=600 -timeout=10 -rss_limit_mb=1024 -max_len=20000

#![no_main]

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use ostro_packs::{Grants, Pack};
use tempfile::TempDir;

const MANIFEST: &str = "{name: fuzz, version: 0.1.0, components: [{name: a, path: a.wasm}]}";

/// Components to begin with.
const SEEDS: [&str; 4] = [
    "(component)",
    "(component (import \"ostro:host/log@0.1.0\" (instance (export \"write\" (func)))))",
    "(component (type $r (record (field \"a\" string) (field \"b\" (option u8))))
        (type $f (func (param \"x\" (list u8)) (result (result string (error string))))))",
    "(component (core module (func (export \"f\") (result i32) i32.const 1))
        (core instance $i (instantiate 0))
        (func $f (result u32) (canon lift (core func $i \"f\")))
        (instance $e (export \"look\" (func $f)))
        (export \"test:check/check@0.1.0\" (instance $e)))",
];

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// The folder of the pack. It is made once: the fuzzer is quick.
fn folder() -> PathBuf {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| TempDir::new().expect("a folder can be made"));
        folder.path().to_owned()
    })
}

/// libFuzzer starts from files: one for each component, and an artifact of each.
fn write_seeds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/pack");
    fs::create_dir_all(&corpus).expect("the folder can be made");
    for (number, text) in SEEDS.iter().enumerate() {
        let component = wat::parse_str(text).expect("it is a component");
        let seed = [&[0], component.as_slice()].concat();
        fs::write(corpus.join(format!("seed-{number}")), seed).expect("it can be written");
        let artifact = [&[1], tar(&component).as_slice()].concat();
        fs::write(corpus.join(format!("artifact-{number}")), artifact).expect("it can be written");
    }
}

/// An artifact of a manifest and a component.
fn tar(component: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in [("a.wasm", component), ("pack.yaml", MANIFEST.as_bytes())] {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..156].copy_from_slice(b"        ");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fuzz_target!(init: write_seeds(), |input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let folder = folder();
    let path = if kind % 2 == 0 {
        fs::write(folder.join("pack.yaml"), MANIFEST).expect("it can be written");
        fs::write(folder.join("a.wasm"), bytes).expect("it can be written");
        folder
    } else {
        let path = folder.join("fuzz.ostro");
        fs::write(&path, bytes).expect("it can be written");
        path
    };
    let Ok(pack) = Pack::open(&path) else { return };
    _ = pack.check_imports(&Grants::default());
    for signature in pack.signatures() {
        assert!(!signature.name.is_empty());
        _ = signature.to_string();
    }
});
