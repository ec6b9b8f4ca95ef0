//! A Rust compiler for WebAssembly, found or fetched.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Say, Told};
use crate::error::PackError;

/// The target of guests: WebAssembly and nothing around it.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// How long rustup may take to add the target. Where its servers are not reached it hangs.
const RUSTUP_TIME: Duration = Duration::from_secs(20);

/// A way to compile Rust to WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Toolchain {
    /// The Rust that is in use has the target.
    Installed,
    /// Debian's `rustc-web`, which compiles the standard library from its own source.
    Debian {
        /// The compiler.
        rustc: PathBuf,
        /// The linker.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// The first of three that works: the target as installed, the target from rustup, Debian's
    /// compiler, which is installed where this process may do so. `say` is told which it is.
    pub(super) fn find(say: Say<'_>) -> Result<Self, PackError> {
        if Self::installed() {
            say(Told::Step(
                "wasm toolchain: the target wasm32-unknown-unknown of the Rust in use",
            ));
            return Ok(Self::Installed);
        }
        if Self::add_target(say) {
            say(Told::Step(
                "wasm toolchain: the target wasm32-unknown-unknown, added by rustup",
            ));
            return Ok(Self::Installed);
        }
        let found = Self::debian(say)?;
        say(Told::Step(
            "wasm toolchain: Debian's rustc-web, with the standard library from source",
        ));
        Ok(found)
    }

    /// Whether the Rust in use has the target's standard library.
    fn installed() -> bool {
        let libs = output("rustc", &["--print", "target-libdir", "--target", TARGET]);
        let has_std = |dir: PathBuf| {
            std::fs::read_dir(dir).is_ok_and(|mut entries| {
                entries.any(|entry| {
                    entry.is_ok_and(|e| e.file_name().to_string_lossy().starts_with("libstd-"))
                })
            })
        };
        libs.is_some_and(|dir| has_std(PathBuf::from(dir)))
    }

    fn add_target(say: Say<'_>) -> bool {
        let started = Command::new("rustup")
            .args(["target", "add", TARGET])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut rustup) = started else {
            return false;
        };
        say(Told::Once(
            "wasm toolchain: asking rustup for the target wasm32-unknown-unknown",
        ));
        let start = Instant::now();
        while start.elapsed() < RUSTUP_TIME {
            match rustup.try_wait() {
                Ok(Some(status)) => return status.success() && Self::installed(),
                Ok(None) => sleep(Duration::from_millis(100)),
                Err(_) => break,
            }
        }
        // It is stuck: what it says to being ended does not matter.
        let _ = rustup.kill();
        let _ = rustup.wait();
        false
    }

    /// Debian's compiler, installed by apt where it is missing and this process is root.
    fn debian(say: Say<'_>) -> Result<Self, PackError> {
        let packages = ["rustc-web", "rust-web-src"];
        if debian_rustc().is_none() && is_root() {
            say(Told::Once(
                "wasm toolchain: installing rustc-web and rust-web-src with apt-get",
            ));
            apt(&["update"]);
            apt(&[
                "install",
                "--yes",
                "--no-install-recommends",
                packages[0],
                packages[1],
            ]);
        }
        let Some(rustc) = debian_rustc() else {
            return Err(PackError::Build(format!(
                "no Rust compiler for {TARGET}: run `rustup target add {TARGET}`, or on Debian \
                 `apt-get install {}` as root",
                packages.join(" ")
            )));
        };
        let Some(linker) = linker() else {
            return Err(PackError::Build(
                "no linker for WebAssembly: install Rust with rustup, or `apt-get install lld`"
                    .to_owned(),
            ));
        };
        Ok(Self::Debian { rustc, linker })
    }

    /// Makes cargo use this toolchain.
    pub(super) fn apply(&self, cargo: &mut Command) {
        if let Self::Debian { rustc, linker } = self {
            // A released compiler takes `-Z build-std` only with this variable; the source that
            // it builds is of the same release.
            cargo
                .env("RUSTC", rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                .args(["-Z", "build-std=std,panic_abort"]);
        }
    }
}

/// The compiler of Debian's package, if it and its library source are installed.
fn debian_rustc() -> Option<PathBuf> {
    let listed = output("dpkg", &["-L", "rustc-web"])?;
    let rustc = listed
        .lines()
        .find(|line| line.ends_with("/bin/rustc"))
        .map(PathBuf::from)?;
    let sysroot = PathBuf::from(output(rustc.to_str()?, &["--print", "sysroot"])?);
    sysroot
        .join("lib/rustlib/src/rust/library/std")
        .is_dir()
        .then_some(rustc)
}

/// The linker that comes with Rust, or LLVM's own.
fn linker() -> Option<PathBuf> {
    let sysroot = PathBuf::from(output("rustc", &["--print", "sysroot"])?);
    let version = output("rustc", &["--version", "--verbose"])?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))?;
    let with_rust = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    if with_rust.is_file() {
        return Some(with_rust);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join("wasm-ld"))
        .find(|file| file.is_file())
}

/// What a command prints, if it succeeds.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn apt(args: &[&str]) {
    // Whether it worked is found by looking for what it should have installed.
    let _ = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
}

/// Whether this process may install packages.
fn is_root() -> bool {
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|me| me.uid() == 0)
}
