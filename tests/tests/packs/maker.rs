//! Packs made in no time: components from text, signed by the real minisign.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use ostro_tests::{Kept, Ostro, Run, debian, repository};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

/// A pack to make.
pub(crate) struct Made<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// Functions without parameters, with the text that each gives: the actions
    /// `NAME.power.FUNCTION`.
    pub(crate) functions: &'a [(&'a str, &'a str)],
    /// What is in `pack.yaml` beside.
    pub(crate) more: &'a str,
    /// A file of workflows.
    pub(crate) workflow: Option<&'a str>,
}

impl Default for Made<'_> {
    fn default() -> Self {
        Self {
            name: "acme",
            version: "1.0.0",
            functions: &[("which", "one")],
            more: "",
            workflow: None,
        }
    }
}

impl Made<'_> {
    /// Makes the pack in a folder of `place`, built. Its artifact.
    pub(crate) fn build(&self, place: &Place) -> Result<PathBuf> {
        let wit = format!(
            "package {}:racks;\ninterface power {{\n{}}}\nworld actions {{ export power; }}\n",
            self.name,
            self.functions
                .iter()
                .fold(String::new(), |text, (name, _)| text
                    + &format!("    {name}: func() -> string;\n"))
        );
        let component = self.component(&wit)?;
        let mut manifest = format!(
            "name: {}\nversion: {}\ndescription: Of a test.\nwit: wit\ncomponents:\n  \
             - {{name: power, path: power.wasm}}\n{}\n",
            self.name, self.version, self.more
        );
        let mut files = vec![
            ("wit/racks.wit", wit.into_bytes()),
            ("power.wasm", component),
        ];
        if let Some(workflow) = self.workflow {
            manifest.push_str("workflows: [workflows/own.yaml]\n");
            files.push(("workflows/own.yaml", workflow.as_bytes().to_vec()));
        }
        files.push(("pack.yaml", manifest.into_bytes()));
        place.build(&format!("{}-{}", self.name, self.version), &files)
    }

    fn component(&self, wit: &str) -> Result<Vec<u8>> {
        let mut text = "(module (memory (export \"memory\") 1)\n".to_owned();
        for (index, (name, gives)) in self.functions.iter().enumerate() {
            let (result, at) = (index * 64, index * 64 + 16);
            write!(
                text,
                "(data (i32.const {at}) {gives:?})\n\
                 (data (i32.const {result}) \"\\{at:02x}\\00\\00\\00\\{:02x}\\00\\00\\00\")\n\
                 (func (export \"{}:racks/power#{name}\") (result i32) i32.const {result})\n",
                gives.len(),
                self.name,
            )?;
        }
        text.push(')');
        let mut module = wat::parse_str(&text)?;
        let mut resolve = Resolve::default();
        let package = resolve.push_str("racks.wit", wit)?;
        let world = resolve.select_world(&[package], None)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
        ComponentEncoder::default()
            .module(&module)?
            .validate(true)
            .encode()
    }
}

/// A component of a world in WIT text, with Ostro's packages, whose functions do nothing.
pub(crate) fn dummy(wit: &str) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    for package in ["ostro-host", "ostro-validation"] {
        resolve.push_dir(repository().join("wit").join(package))?;
    }
    let package = resolve.push_str("world.wit", wit)?;
    let world = resolve.select_world(&[package], None)?;
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().module(&module)?.encode()
}

/// A state folder, a folder for packs, and a pair of keys.
pub(crate) struct Place {
    pub(crate) kept: Kept,
}

impl Place {
    /// One with a workflow that says which version of `acme` it was run by.
    pub(crate) fn new() -> Result<Self> {
        let kept = Kept::new(WHICH)?;
        Ok(Self { kept })
    }

    /// One whose key is trusted.
    pub(crate) fn trusting() -> Result<Self> {
        let place = Self::new()?;
        let key = place.key("ops")?;
        place.well(&["pack", "trust", "add", &key])?;
        Ok(place)
    }

    pub(crate) fn path(&self) -> &Path {
        self.kept.path()
    }

    /// The folder of installed packs.
    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("state/packs")
    }

    /// `ostro` in the place's folder.
    pub(crate) fn ostro(&self, arguments: &[&str]) -> Result<Ostro> {
        Ok(self
            .kept
            .ostro([])?
            .dir(self.path())
            .env("HOME", self.path())
            .args(arguments))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Run> {
        self.ostro(arguments)?.run()
    }

    /// Runs `ostro`, which has to go well.
    pub(crate) fn well(&self, arguments: &[&str]) -> Result<Run> {
        let run = self.run(arguments)?;
        ensure!(run.status == 0, "{arguments:?}: {run:#?}");
        Ok(run)
    }

    /// The JSON that `ostro` prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let arguments = [arguments, &["--output", "json"]].concat();
        let run = self.well(&arguments)?;
        serde_json::from_str(&run.stdout).with_context(|| run.stdout.clone())
    }

    /// Runs `ostro`, which has to refuse, and to say these in its one error and its hint.
    pub(crate) fn refused(&self, arguments: &[&str], parts: &[&str]) -> Result<String> {
        let run = self.run(arguments)?;
        ensure!(run.status == 2, "{arguments:?}: {run:#?}");
        let errors = run
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "));
        ensure!(errors.count() == 1, "not one error: {}", run.stderr);
        for part in parts {
            ensure!(run.stderr.contains(part), "no {part:?} in: {}", run.stderr);
        }
        for bad in ["panicked", "Os {", "RequestError"] {
            ensure!(!run.stderr.contains(bad), "{}", run.stderr);
        }
        Ok(run.stderr)
    }

    /// Writes a pack's folder and has it built. Its artifact.
    pub(crate) fn build(&self, folder: &str, files: &[(&str, Vec<u8>)]) -> Result<PathBuf> {
        let dir = self.path().join(folder);
        let _ = fs::remove_dir_all(&dir);
        for (path, bytes) in files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().context("a folder")?)?;
            fs::write(path, bytes)?;
        }
        self.well(&["pack", "build", folder])?;
        let built = fs::read_dir(dir.join("build"))?;
        let mut paths = built.filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .find(|path| path.extension().is_some_and(|end| end == "ostro"))
            .context("an artifact")
    }

    /// Makes a pair of keys with minisign. The file of the public one.
    pub(crate) fn key(&self, name: &str) -> Result<String> {
        let (public, secret) = (format!("{name}.pub"), format!("{name}.key"));
        self.minisign(&["-G", "-W", "-p", &public, "-s", &secret])?;
        Ok(public)
    }

    /// Signs a file with minisign.
    pub(crate) fn sign(&self, name: &str, file: &Path) -> Result<()> {
        let file = file.display().to_string();
        self.minisign(&["-S", "-s", &format!("{name}.key"), "-m", &file])
    }

    fn minisign(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new(debian("minisign", "minisign")?)
            .current_dir(self.path())
            .args(arguments)
            .output()?;
        ensure!(
            output.status.success(),
            "minisign {arguments:?}: {output:?}"
        );
        Ok(())
    }

    /// The active versions.
    pub(crate) fn active(&self) -> Result<Vec<String>> {
        let list = self.json(&["pack", "list"])?;
        let all = list.as_array().context("a list")?;
        let active = all.iter().filter(|one| one["active"] == true);
        Ok(active
            .map(|one| one["version"].as_str().unwrap_or_default().to_owned())
            .collect())
    }

    /// Which version the workflow is run by.
    pub(crate) fn which(&self) -> Result<String> {
        let run = self.json(&["run", "test.yaml", "--ephemeral"])?;
        Ok(run["output"]["which"]
            .as_str()
            .context("an output")?
            .to_owned())
    }
}

/// Says which version it is run by.
pub(crate) const WHICH: &str = "
version: '2.0'
which:
  output: {which: <% $.which %>}
  tasks:
    ask:
      action: acme.power.which
      publish: {which: <% task().result %>}
";
