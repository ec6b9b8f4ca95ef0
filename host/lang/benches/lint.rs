//! How long linting takes as workflows grow, and how long Mistral's validator takes beside it.
//!
//! `cargo bench -p ostro-lang` prints a table. Mistral 23.0.0 is installed from PyPI into the
//! user's cache the first time; without Python or without PyPI its line says so.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ostro_lang::{ActionCatalogue, ActionParameter, LintOptions, lint};

/// Loads a definition as `POST /v2/workflows/validate` does, and prints the CPU seconds.
const VALIDATE: &str = "
import sys, time
from mistral.lang import parser
text = open(sys.argv[1]).read()
start = time.process_time()
parser.get_workflow_list_spec_from_yaml(text, validate=True)
print(time.process_time() - start)
";

struct Standard;

impl ActionCatalogue for Standard {
    fn parameters(&self, action: &str) -> Option<Vec<ActionParameter>> {
        let of = |name: &str, required| ActionParameter {
            name: Arc::from(name),
            required,
        };
        match action {
            "std.noop" => Some(Vec::new()),
            "std.echo" => Some(vec![of("output", true), of("delay", false)]),
            _ => None,
        }
    }
}

/// A workflow of `count` tasks: in sequence, with a side branch and a join every tenth task, each
/// publishing and reading variables.
fn workflow(count: usize) -> String {
    let mut text = String::from("version: '2.0'\nbig:\n  input: [seed]\n  tasks:\n");
    for task in 0..count {
        let read = match task % 10 {
            _ if task == 0 => "seed".to_owned(),
            // Two branches follow the first of ten tasks, and don't see each other's variables.
            2 => format!("v{}", task - 2),
            _ => format!("v{}", task - 1),
        };
        let _ = write!(
            text,
            "    t{task}:\n      action: std.echo\n      input: {{output: <% $.{read} %>}}\n      \
             publish: {{v{task}: <% task().result %>}}\n"
        );
        let next: Vec<String> = match task % 10 {
            _ if task + 1 == count => Vec::new(),
            0 => vec![format!("t{}", task + 1), format!("t{}", task + 2)],
            1 => vec![format!("t{}", task + 2)],
            _ => vec![format!("t{}", task + 1)],
        };
        if task % 10 == 3 {
            text.push_str("      join: all\n");
        }
        if !next.is_empty() {
            let _ = writeln!(text, "      on-success: [{}]", next.join(", "));
        }
    }
    text
}

/// The shortest of several runs.
fn time(text: &str) -> Duration {
    let runs = if text.len() > 1_000_000 { 3 } else { 10 };
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            let report = lint(&[("big.yaml", text)], &Standard, &LintOptions::default());
            let took = start.elapsed();
            assert!(!report.has_errors(), "{}", report.render());
            took
        })
        .min()
        .unwrap_or_default()
}

fn main() {
    println!("{:>8}  {:>10}  {:>12}  exponent", "tasks", "lint", "a task");
    let mut before: Option<(f64, f64)> = None;
    let mut hundred = 0.0;
    for count in [10_u32, 100, 1_000, 10_000] {
        let text = workflow(usize::try_from(count).unwrap_or(0));
        let seconds = time(&text).as_secs_f64();
        let tasks = f64::from(count);
        let exponent = before.map_or(
            String::new(),
            |(tasks_before, seconds_before): (f64, f64)| {
                format!(
                    "{:.2}",
                    (seconds / seconds_before).ln() / (tasks / tasks_before).ln()
                )
            },
        );
        println!(
            "{count:>8}  {:>7.2} ms  {:>9.1} µs  {exponent}",
            seconds * 1e3,
            seconds / tasks * 1e6
        );
        before = Some((tasks, seconds));
        if count == 100 {
            hundred = seconds;
        }
    }
    match mistral(&workflow(100)) {
        Ok(seconds) => println!(
            "Mistral 23.0.0's validator, 100 tasks: {seconds:.2} CPU seconds, {:.0} times as long",
            seconds / hundred
        ),
        Err(reason) => println!("Mistral 23.0.0 is not measured: {reason}"),
    }
}

/// The CPU seconds that Mistral's validator takes for `text`.
fn mistral(text: &str) -> Result<f64, String> {
    let python = installed()?;
    let folder = std::env::temp_dir().join(format!("ostro-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let file = folder.join("big.yaml");
    let written = std::fs::write(&file, text).map_err(|error| error.to_string());
    let output =
        written.and_then(|()| run(Command::new(&python).arg("-c").arg(VALIDATE).arg(&file)));
    let _ = std::fs::remove_dir_all(&folder);
    let output = output?;
    let last = output.lines().last().unwrap_or_default();
    last.trim()
        .parse()
        .map_err(|_| format!("it printed {last:?}"))
}

/// The Python of a virtual environment that has Mistral.
fn installed() -> Result<PathBuf, String> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = cache.join("ostro-tests").join("mistral-23.0.0");
    let python = folder.join("bin").join("python");
    let works = run(Command::new(&python).args(["-c", "import mistral.lang.parser"])).is_ok();
    if works {
        return Ok(python);
    }
    println!("installing mistral==23.0.0 into {}", folder.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "mistral==23.0.0"]))?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(errors.lines().last().unwrap_or("it failed").to_owned())
}
