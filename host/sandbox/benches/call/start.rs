//! How long it takes until a pack of fifty actions is there that was compiled before.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ostro_packs::Pack;
use ostro_sandbox::{Ended, Sandbox, SandboxConfig};

use crate::{NoCloud, Nobody, context, figure, input};

/// The most that it may take, in ms.
const ALLOWED: f64 = 50.0;

const ACTIONS: usize = 50;
const ROUNDS: usize = 15;

/// The source of a pack of fifty actions, which do about what small ones do.
fn write(dir: &Path) {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests");
    let contract = guests.join("../../wit/ostro-host").canonicalize().unwrap();
    let mut wit = String::from(
        "package test:fifty@0.1.0;\n\ninterface actions {\n    use ostro:host/types@0.1.0.{json};\n",
    );
    let mut code = String::new();
    for number in 0..ACTIONS {
        let _ = writeln!(
            wit,
            "    do{number}: func(name: string, count: option<u32>, data: json) -> result<json, string>;"
        );
        let _ = writeln!(
            code,
            "fn do{number}(name: String, count: Option<u32>, data: String) -> Result<String, String> {{\n\
             log::write(log::Level::Info, &format!(\"{number} {{name}}\"));\n\
             let answer = openstack::call(\"ironic.node_list\", &data).map_err(|e| format!(\"{{e:?}}\"));\n\
             if name.is_empty() {{ return answer; }}\n\
             Ok(format!(\"[\\\"{{}}\\\"]\", vec![name; count.unwrap_or({number}) as usize].join(\"\\\", \\\"\")))\n}}"
        );
    }
    wit.push_str("}\n\nworld guest {\n    import ostro:host/log@0.1.0;\n    import ostro:host/openstack@0.1.0;\n    export actions;\n}\n");
    let lib = format!(
        "wit_bindgen::generate!({{ path: [\"{}\", \"wit\"], world: \"test:fifty/guest\", generate_all }});\n\
         use exports::test::fifty::actions::Guest;\nuse ostro::host::{{log, openstack}};\n\
         struct Component;\nimpl Guest for Component {{\n{code}}}\nexport!(Component);\n",
        contract.display()
    );
    let cargo = "[package]\nname = \"fifty\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
                 [lib]\ncrate-type = [\"cdylib\"]\n\n[dependencies]\n\
                 wit-bindgen = { version = \"0.63\", default-features = false, features = [\"macros\", \"realloc\", \"bitflags\", \"std\"] }\n\n\
                 [profile.release]\nopt-level = \"s\"\nlto = true\npanic = \"abort\"\n\n[workspace]\n";
    let manifest = "name: fifty\nversion: 0.1.0\ncomponents:\n  - name: actions\n    path: build/actions.wasm\n    \
                    build: { language: rust }\nwit: wit\ngrants:\n  operations: [ironic.node_list]\n";
    fs::create_dir_all(dir.join("src")).unwrap();
    fs::create_dir_all(dir.join("wit")).unwrap();
    fs::write(dir.join("wit/fifty.wit"), wit).unwrap();
    fs::write(dir.join("src/lib.rs"), lib).unwrap();
    fs::write(dir.join("Cargo.toml"), cargo).unwrap();
    fs::copy(guests.join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    fs::write(dir.join("pack.yaml"), manifest).unwrap();
}

pub(crate) fn measure() -> bool {
    // It is built once.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fifty");
    write(&dir);
    let built = ostro_packs::build::build(&dir, &mut |line| println!("{line}")).unwrap();
    let size = built.pack.components[0].bytes.len() / 1000;
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let cache = tempfile::tempdir().unwrap();
    let start = || {
        let begin = Instant::now();
        let millis = |since: Instant| since.elapsed().as_secs_f64() * 1000.0;
        let pack = Pack::open(&built.artifact).unwrap();
        let opened = millis(begin);
        let sandbox = Sandbox::new(SandboxConfig {
            cache_dir: Some(cache.path().to_owned()),
            ..SandboxConfig::default()
        })
        .unwrap();
        let engine = millis(begin);
        let loaded = sandbox.load(&pack, &pack.manifest.grants).unwrap();
        assert_eq!(loaded.signatures().len(), ACTIONS);
        let ready = millis(begin);
        let input = input(r#"{"name": "a", "count": 2, "data": {}}"#);
        let (cloud, nobody) = (Arc::new(NoCloud), Arc::new(Nobody));
        let context = context();
        let called = loaded.call("test.actions.do7", &input, cloud, &context, nobody);
        let ended = tokio.block_on(called).unwrap();
        let gave = matches!(&ended, Ended::Gave(value) if value.to_string() == r#"["a","a"]"#);
        assert!(gave, "{ended:?}");
        (millis(begin), opened, engine - opened, ready - engine)
    };
    println!("compiled, {size} kB of component: {:.0} ms", start().0);
    let mut rounds: Vec<_> = (0..ROUNDS).map(|_| start()).collect();
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (all, opened, engine, loaded) = rounds[ROUNDS / 2];
    println!("opened in {opened:.1} ms, an engine in {engine:.1} ms, loaded in {loaded:.1} ms");
    figure(
        "a cached pack of fifty actions, to its first answer",
        all,
        ALLOWED,
        "ms",
    )
}
