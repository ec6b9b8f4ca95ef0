//! To a registry and back.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::maker::{Made, Place};
use crate::registry::{Registry, free_port};

/// A pack that is built, signed and published in `acme`. What was said of it.
fn published(place: &Place, registry: &Registry, made: &Made<'_>) -> Result<Value> {
    let file = made.build(place)?;
    place.sign("ops", &file)?;
    let file = file.display().to_string();
    place.json(&["pack", "publish", &file, &registry.at("acme")])
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("no text: {value}"))
}

#[test]
fn a_pack_is_published_and_installed_by_its_digest() -> Result<()> {
    let (place, registry) = (Place::trusting()?, Registry::start()?);
    let one = published(&place, &registry, &Made::default())?;
    ensure!(one["tags"] == json!(["1.0.0"]), "{one:#}");
    ensure!(one["components"] == json!(["power-1.0.0"]), "{one:#}");
    // The same again is nothing new, from a folder as from a file.
    let again = place.json(&["pack", "publish", "acme-1.0.0", &registry.at("acme")])?;
    ensure!(again["pushed"] == false, "{again:#}");
    let (digest, manifest) = (text(&one["digest"])?, text(&one["manifest"])?);
    ensure!(registry.tagged("acme", "1.0.0")? == manifest);

    let tagged = registry.at("acme:1.0.0");
    let wrong = format!("sha256:{}", "0".repeat(64));
    place.refused(
        &["pack", "install", &tagged, "--digest", &wrong],
        &[digest, &wrong],
    )?;
    for named in [digest, manifest] {
        place.well(&["pack", "install", &tagged, "--digest", named])?;
    }
    let pinned = format!("oci://{}@{manifest}", registry.at("acme"));
    place.well(&["pack", "install", &pinned])?;
    let unknown = format!("{}@{wrong}", registry.at("acme"));
    place.refused(
        &["pack", "install", &unknown],
        &["no such pack in the registry, which has 1.0.0"],
    )?;
    // Without a tag it is the newest one that is no preview.
    let two = [("which", "two")];
    published(
        &place,
        &registry,
        &Made {
            version: "1.1.0",
            functions: &two,
            ..Made::default()
        },
    )?;
    published(
        &place,
        &registry,
        &Made {
            version: "2.0.0-rc.1",
            ..Made::default()
        },
    )?;
    let newest = place.json(&["pack", "install", &registry.at("acme"), "--activate"])?;
    ensure!(
        newest["version"] == "1.1.0" && newest["active"] == true,
        "{newest:#}"
    );
    ensure!(text(&newest["source"])? == format!("oci://{}", registry.at("acme:1.1.0")));
    ensure!(place.which()? == "two");
    Ok(())
}

#[test]
fn what_a_registry_changed_or_lost_is_refused() -> Result<()> {
    let (place, registry) = (Place::trusting()?, Registry::start()?);
    let one = published(&place, &registry, &Made::default())?;
    let manifest = registry.manifest(text(&one["manifest"])?)?;
    let reference = registry.at("acme:1.0.0");
    let install = ["pack", "install", &reference];
    let layers = manifest["layers"].as_array().context("layers")?;
    ensure!(layers.len() == 4, "{manifest:#}");
    for layer in layers {
        let title = text(&layer["annotations"]["org.opencontainers.image.title"])?;
        let blob = registry.blob(text(&layer["digest"])?);
        let good = fs::read(&blob)?;
        let mut edited = good.clone();
        edited[good.len() / 2] ^= 1;
        let longer = [&good[..], b"more"].concat();
        for bad in [&edited[..], &good[..good.len() / 2], &longer] {
            fs::write(&blob, bad)?;
            let said = place.refused(
                &[&install[..], &["--allow-unsigned"]].concat(),
                &[&reference],
            )?;
            ensure!(
                said.contains(title) || said.contains("the registry"),
                "{title}: {said}"
            );
        }
        fs::remove_file(&blob)?;
        place.refused(&install, &[title, "is not in the registry any more"])?;
        fs::write(&blob, good)?;
    }
    // A manifest that leaves a file out, or says another digest, is no better.
    let path = registry.blob(text(&one["manifest"])?);
    let good = fs::read(&path)?;
    let mut shorter = manifest.clone();
    shorter["layers"]
        .as_array_mut()
        .context("layers")?
        .remove(2);
    fs::write(&path, serde_json::to_vec(&shorter)?)?;
    place.refused(&install, &[])?;
    fs::write(&path, &good[..good.len() / 2])?;
    place.refused(&install, &[])?;
    ensure!(place.json(&["pack", "list"])? == json!([]));
    fs::write(&path, good)?;
    place.well(&install)?;
    Ok(())
}

#[test]
fn signatures_travel_with_the_pack() -> Result<()> {
    let (place, registry) = (Place::trusting()?, Registry::start()?);
    let file = Made::default().build(&place)?;
    let publish = ["pack", "publish", "acme-1.0.0", &registry.at("acme")];
    let reference = registry.at("acme:1.0.0");
    let install = ["pack", "install", &reference];
    let unsigned = place.well(&publish)?;
    ensure!(unsigned.stderr.contains("is not signed"), "{unsigned:#?}");
    place.refused(&install, &["is not signed"])?;
    place.key("stranger")?;
    place.sign("stranger", &file)?;
    place.well(&publish)?;
    place.refused(&install, &["which is not trusted"])?;
    // A signature that was made for something else is published only by mistake or by malice.
    let other = Made {
        version: "1.0.1",
        ..Made::default()
    }
    .build(&place)?;
    place.sign("ops", &other)?;
    fs::copy(
        other.with_extension("ostro.minisig"),
        file.with_extension("ostro.minisig"),
    )?;
    place.well(&publish)?;
    place.refused(
        &[&install[..], &["--allow-unsigned"]].concat(),
        &["does not fit"],
    )?;
    place.sign("ops", &file)?;
    place.well(&publish)?;
    place.well(&install)?;
    Ok(())
}

#[test]
fn a_reference_that_moved_is_refused_without_update() -> Result<()> {
    let (place, registry) = (Place::trusting()?, Registry::start()?);
    let one = published(&place, &registry, &Made::default())?;
    let stable = registry.at("acme:stable");
    place.well(&["pack", "publish", "acme-1.0.0", &stable])?;
    place.well(&["pack", "install", &stable, "--activate"])?;
    let two = [("which", "two")];
    let made = Made {
        functions: &two,
        ..Made::default()
    };
    let file = made.build(&place)?;
    place.sign("ops", &file)?;
    // A version that is published stays as it is.
    let publish = ["pack", "publish", "acme-1.0.0", &stable];
    let was = text(&one["digest"])?;
    place.refused(
        &publish,
        &["acme 1.0.0 is published already, with the digest", was],
    )?;
    place.well(&[&publish[..], &["--force"]].concat())?;
    place.refused(&["pack", "install", &stable], &[&stable, was, "--update"])?;
    // Nor is the same version from elsewhere taken for it.
    let path = file.display().to_string();
    place.refused(
        &["pack", "install", &path],
        &["acme 1.0.0 is installed with the digest", was],
    )?;
    ensure!(place.which()? == "one");
    place.well(&["pack", "install", &stable, "--update", "--activate"])?;
    ensure!(place.which()? == "two");
    place.well(&["pack", "rollback", "acme"])?;
    ensure!(place.which()? == "one");
    Ok(())
}

#[test]
fn a_breaking_pack_is_not_published_under_the_same_major_number() -> Result<()> {
    let (place, registry) = (Place::trusting()?, Registry::start()?);
    let both = [("which", "one"), ("other", "1")];
    published(
        &place,
        &registry,
        &Made {
            functions: &both,
            ..Made::default()
        },
    )?;
    let publish = |version: &str| -> Result<()> {
        Made {
            version,
            ..Made::default()
        }
        .build(&place)
        .map(drop)
    };
    let at = registry.at("acme");
    publish("1.1.0")?;
    let said = place.refused(
        &["pack", "publish", "acme-1.1.0", &at],
        &[
            "acme 1.1.0 breaks what 1.0.0 has",
            "action acme.power.other removed",
            "version 2.0.0",
        ],
    )?;
    ensure!(said.contains("--force"), "{said}");
    publish("2.0.0")?;
    place.well(&["pack", "publish", "acme-2.0.0", &at])?;
    // A version for those who stay behind is compared with what they have.
    let more = [("which", "one"), ("other", "1"), ("third", "3")];
    published(
        &place,
        &registry,
        &Made {
            version: "1.0.1",
            functions: &more,
            ..Made::default()
        },
    )?;
    place.refused(
        &["pack", "publish", "acme-1.1.0", &at],
        &["breaks what 1.0.1 has"],
    )?;
    place.well(&["pack", "publish", "acme-1.1.0", &at, "--force"])?;
    place.refused(
        &["pack", "publish", "acme-1.1.0", &format!("{at}:1.2.0")],
        &["the tag 1.2.0 is another version than the pack's"],
    )?;
    Ok(())
}

#[test]
fn a_registry_that_is_down_or_has_something_else_is_told() -> Result<()> {
    let (place, registry) = (Place::trusting()?, Registry::start()?);
    let down = format!("127.0.0.1:{}/acme:1.0.0", free_port()?);
    let host = down.split('/').next().context("a host")?;
    Made::default().build(&place)?;
    for arguments in [
        &["pack", "install", &down][..],
        &["pack", "publish", "acme-1.0.0", &down],
    ] {
        let said = place.refused(
            arguments,
            &[&format!("registry {host}: it cannot be reached")],
        )?;
        ensure!(said.contains("refused"), "{said}");
    }
    place.refused(
        &["pack", "install", &registry.at("acme:1.0.0")],
        &["no such pack in the registry"],
    )?;
    place.refused(
        &["pack", "install", &registry.at("acme")],
        &["no such pack in the registry"],
    )?;
    // A component is a component.
    published(&place, &registry, &Made::default())?;
    place.refused(
        &["pack", "install", &registry.at("acme:power-1.0.0")],
        &["it is no pack, but application/vnd.wasm.config.v0+json"],
    )?;
    place.refused(
        &["pack", "install", &registry.at("ACME:1")],
        &["HOST/REPO:TAG"],
    )?;
    Ok(())
}

/// The artifact as others see it: `oras` pulls the pack's folder, and the component has the layout
/// that `wkg` reads: one layer of wasm and a config that speaks of it.
#[test]
fn other_tools_read_what_is_published() -> Result<()> {
    let (place, registry) = (Place::trusting()?, Registry::start()?);
    let one = published(&place, &registry, &Made::default())?;
    let script = "import sys, oras.client\n\
                  client = oras.client.OrasClient(insecure=True)\n\
                  client.pull(target=sys.argv[1], outdir=sys.argv[2], allowed_media_type=None)\n";
    let pulled = place.path().join("pulled");
    let output = Command::new(oras()?)
        .args(["-c", script, &registry.at("acme:1.0.0")])
        .arg(&pulled)
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    // What came is the pack, with its signature beside, and can be installed as it is.
    let inspected = place.json(&["pack", "inspect", "pulled"])?;
    ensure!(inspected["digest"] == one["digest"], "{inspected:#}");
    let signature = pulled.join("acme-1.0.0.ostro.minisig");
    ensure!(
        fs::read(signature)?
            == fs::read(
                place
                    .path()
                    .join("acme-1.0.0/build/acme-1.0.0.ostro.minisig")
            )?
    );

    let manifest = registry.manifest(&registry.tagged("acme", "power-1.0.0")?)?;
    let kind = "application/vnd.oci.image.manifest.v1+json";
    ensure!(
        manifest["mediaType"] == kind && manifest["schemaVersion"] == 2,
        "{manifest:#}"
    );
    ensure!(manifest["config"]["mediaType"] == "application/vnd.wasm.config.v0+json");
    let layers = manifest["layers"].as_array().context("layers")?;
    ensure!(
        layers.len() == 1 && layers[0]["mediaType"] == "application/wasm",
        "{manifest:#}"
    );
    let digest = text(&layers[0]["digest"])?;
    ensure!(
        fs::read(registry.blob(digest))? == fs::read(place.path().join("acme-1.0.0/power.wasm"))?
    );
    let config = registry.manifest(text(&manifest["config"]["digest"])?)?;
    ensure!(
        config
            == json!({
                "created": "1970-01-01T00:00:00Z",
                "architecture": "wasm",
                "os": "wasip2",
                "layerDigests": [digest],
                "component": {"exports": ["acme:racks/power"], "imports": []},
            }),
        "{config:#}"
    );
    ensure!(registry.path().is_dir());
    Ok(())
}

/// A Python with `oras`, installed once.
fn oras() -> Result<std::path::PathBuf> {
    let folder = ostro_tests::cache()?.join("oras-0.2.43");
    let python = folder.join("bin/python");
    if python.exists() && folder.join("ready").exists() {
        return Ok(python);
    }
    let run = |program: &Path, arguments: &[&str]| -> Result<()> {
        let output = Command::new(program).args(arguments).output()?;
        if !output.status.success() {
            bail!(
                "oras cannot be installed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    };
    let place = folder.display().to_string();
    run(Path::new("python3"), &["-m", "venv", &place])?;
    run(
        &python,
        &["-m", "pip", "install", "--quiet", "oras==0.2.43"],
    )?;
    fs::write(folder.join("ready"), "")?;
    Ok(python)
}
