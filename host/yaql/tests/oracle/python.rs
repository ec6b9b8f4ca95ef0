//! The environment with Mistral in it, and processes that answer from there.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value as Json, json};

const PACKAGES: [&str; 3] = ["mistral==23.0.0", "yaql==3.2.0", "setuptools<80"];

/// The interpreter of an environment that has Mistral. It is made on first use and kept in the
/// user's cache; where that can't be done the test fails and says why.
pub(crate) fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
            PathBuf::from,
        );
        let folder = cache.join("ostro-tests/mistral-23.0.0");
        if !folder.join("bin/python").exists() {
            install(&folder);
        }
        folder.join("bin/python")
    })
}

/// Makes the environment beside its place and moves it there when it is whole.
fn install(folder: &Path) {
    let part = folder.with_extension(format!("part-{}", std::process::id()));
    println!(
        "installing {} into {}",
        PACKAGES.join(", "),
        folder.display()
    );
    run(Command::new("python3").args(["-m", "venv"]).arg(&part));
    run(Command::new(part.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet"])
        .args(PACKAGES));
    // Another test may have been faster.
    if std::fs::rename(&part, folder).is_err() {
        assert!(
            folder.join("bin/python").exists(),
            "{} can't be moved to {}",
            part.display(),
            folder.display()
        );
        std::fs::remove_dir_all(&part).expect("the second environment can be removed");
    }
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} can't be run: {error}; Python 3 is needed"));
    assert!(
        output.status.success(),
        "{command:?} failed, so there is nothing to compare with:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `oracle.py` with these arguments.
pub(crate) fn oracle(args: &[&str]) -> Command {
    let mut command = Command::new(interpreter());
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle.py"))
        .args(args)
        .env("PYTHONHASHSEED", "0")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A question: an expression and the number of a context.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) expression: String,
    pub(crate) context: usize,
}

/// What Mistral answers to each question, in the variant that is named.
pub(crate) fn ask(contexts: &Json, questions: &[Question], variants: &[&str]) -> Vec<Json> {
    if questions.is_empty() {
        return Vec::new();
    }
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(4);
    let share = questions.len().div_ceil(workers).max(200);
    std::thread::scope(|scope| {
        let parts: Vec<_> = questions
            .chunks(share)
            .map(|part| scope.spawn(move || ask_one(contexts, part, variants)))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().expect("no worker panics"))
            .collect()
    })
}

fn ask_one(contexts: &Json, questions: &[Question], variants: &[&str]) -> Vec<Json> {
    let mut args = vec!["serve"];
    args.extend(variants);
    let mut child: Child = oracle(&args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let answers: Vec<Json> = std::thread::scope(|scope| {
        // Written beside the reading, as either pipe may be full.
        scope.spawn(move || {
            writeln!(stdin, "{}", json!({ "contexts": contexts })).expect("Python reads");
            for question in questions {
                let request =
                    json!({"expression": question.expression, "context": question.context});
                writeln!(stdin, "{request}").expect("Python reads");
            }
        });
        stdout
            .lines()
            .map(|line| serde_json::from_str(&line.expect("it is text")).expect("it is JSON"))
            .collect()
    });
    child.wait().expect("it ends");
    assert_eq!(
        answers.len(),
        questions.len(),
        "Python answers each question"
    );
    answers
}
