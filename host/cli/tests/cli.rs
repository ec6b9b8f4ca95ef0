//! The real binary against folders of cases.
//!
//! A folder of `tests/cases` is a case: `command` holds the arguments, one line of words as a
//! shell would split them, `stdout` and `stderr` what is expected, `status` the exit status if it
//! is not 0, `env` variables to set. Everything else are the case's own files; the command runs
//! in a copy of the folder. `[guest:NAME]` in a command is the pack in `tests/guests/NAME`, which is
//! built first. What differs from run to run is replaced before texts are compared:
//! durations by `[time]`, ids by `[id]`. `UPDATE_CASES=1` writes what the binary says.

#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/validations.rs"]
mod validations;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, ExitCode, Output, Stdio};
use std::sync::Mutex;
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};

/// Files of a case that are not for the command.
const OWN: [&str; 5] = ["command", "stdout", "stderr", "status", "env"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("tests/cases cannot be read: {error}");
            ExitCode::FAILURE
        }
    }
}

fn trials() -> std::io::Result<Vec<Trial>> {
    let mut trials = vec![
        Trial::test("a_reader_who_leaves_early_is_no_error", broken_pipe),
        Trial::test("ctrl_c_cancels_the_workflow", ctrl_c),
        Trial::test("a_second_ctrl_c_leaves_at_once", ctrl_c_twice),
        Trial::test("a_server_is_managed_by_systemd", serve::managed),
        Trial::test("a_server_tells_abstract_sockets", serve::abstract_socket),
        Trial::test(
            "a_server_says_what_to_do_where_another_one_listens",
            serve::port_in_use,
        ),
        Trial::test(
            "a_second_ctrl_c_ends_a_server_at_once",
            serve::stopped_twice,
        ),
        Trial::test("ctrl_c_ends_validations", validations::ctrl_c),
        Trial::test("validation_reports_are_well_formed", validations::reports),
        Trial::test("validation_history_keeps_the_newest", validations::history),
        Trial::test("validations_run_at_the_same_time", validations::jobs),
    ];
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"))? {
        let path = entry?.path();
        if path.is_dir() {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            trials.push(Trial::test(name, move || case(&path)));
        }
    }
    trials.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(trials)
}

/// The binary, in no cloud and with no home.
fn ostro(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ostro"));
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        // Backtraces must not reach users, asked for or not.
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null());
    command
}

fn case(case: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    copy(case, folder.path())?;
    let keystone = Keystone::start()?;
    let clouds = folder.path().join("clouds.yaml");
    if clouds.exists() {
        let text = fs::read_to_string(&clouds)?.replace("[keystone]", &keystone.port.to_string());
        fs::write(&clouds, text)?;
    }
    let mut command = ostro(folder.path());
    let arguments = words(&fs::read_to_string(case.join("command"))?);
    for argument in arguments {
        let guest = argument.strip_prefix("[guest:");
        match guest.and_then(|guest| guest.strip_suffix(']')) {
            Some(guest) => command.arg(built(guest)?),
            None => command.arg(argument),
        };
    }
    for line in read(case, "env")?.lines() {
        let (name, value) = line.split_once('=').ok_or("env: a line without =")?;
        command.env(name, value);
    }
    let output = command.output()?;
    let status = output.status.code().ok_or("killed by a signal")?;
    let stdout = steady(&String::from_utf8(output.stdout)?, folder.path());
    let stderr = steady(&String::from_utf8(output.stderr)?, folder.path());
    for bad in ["panicked at", "stack backtrace", "RUST_BACKTRACE"] {
        if stderr.contains(bad) {
            return Err(format!("{bad:?} in what it says:\n{stderr}").into());
        }
    }
    if std::env::var_os("UPDATE_CASES").is_some() {
        write(case, "stdout", &stdout)?;
        write(case, "stderr", &stderr)?;
        let status = if status == 0 {
            String::new()
        } else {
            format!("{status}\n")
        };
        write(case, "status", &status)?;
        return Ok(());
    }
    let wanted = read(case, "status")?.trim().parse().unwrap_or(0);
    let mut problems = Vec::new();
    if status != wanted {
        problems.push(format!("exit status {status} instead of {wanted}"));
    }
    for (name, found) in [("stdout", &stdout), ("stderr", &stderr)] {
        let expected = read(case, name)?;
        if *found != expected {
            problems.push(format!("{name} is\n{found}\ninstead of\n{expected}"));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

/// The pack in `tests/guests/NAME`, built once.
fn built(guest: &str) -> Result<PathBuf, Failed> {
    static BUILT: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/guests")
        .join(guest);
    let mut built = BUILT.lock().map_err(|_| "a build before this one failed")?;
    if !built.iter().any(|name| name == guest) {
        let output = Command::new(env!("CARGO_BIN_EXE_ostro"))
            .args(["pack", "build"])
            .arg(&path)
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        built.push(guest.to_owned());
    }
    Ok(path)
}

/// The text of a case's own file; nothing if there is none.
fn read(case: &Path, name: &str) -> std::io::Result<String> {
    let path = case.join(name);
    if path.exists() {
        fs::read_to_string(path)
    } else {
        Ok(String::new())
    }
}

fn write(case: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let path = case.join(name);
    match text {
        "" if path.exists() => fs::remove_file(path),
        "" => Ok(()),
        _ => fs::write(path, text),
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if !OWN.iter().any(|own| entry.file_name() == **own) {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Words as a shell splits them; quotes of one kind keep the other.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.trim().chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// `text` with all that differs from run to run replaced.
fn steady(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "[folder]");
    let mut result = String::new();
    for line in text.lines() {
        result.push_str(&line_steady(line));
        result.push('\n');
    }
    result
}

fn line_steady(line: &str) -> String {
    for key in [
        "duration",
        "Duration",
        "began_at",
        "finished_at",
        "started_at",
        "ended_at",
    ] {
        let key = format!("\"{key}\": ");
        if let Some(start) = line.find(&key) {
            let comma = if line.ends_with(',') { "," } else { "" };
            return format!("{}{key}[time]{comma}", &line[..start]);
        }
    }
    let line = &without_ids(line);
    // A turn of `--trace` as JSON begins with its time.
    let turn = line.strip_prefix("{\"at\":").map(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{{\"at\":[time]{rest}")
    });
    let line = turn.as_ref().unwrap_or(line);
    // Words keep their blanks in front: columns are part of what is tested, but for the first.
    let mut words: Vec<String> = Vec::new();
    for word in line.split(' ') {
        let bare = word
            .trim_end_matches([',', ':', '"'])
            .trim_start_matches(['"', '(']);
        let time = bare
            .strip_suffix('s')
            .is_some_and(|number| number.contains('.') && number.parse::<f64>().is_ok());
        let port = bare.rsplit_once("127.0.0.1:").is_some();
        words.push(if time {
            word.replace(bare, "[time]")
        } else if port {
            let (before, after) = word.split_once("127.0.0.1:").unwrap_or((word, ""));
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}127.0.0.1:[port]{rest}")
        } else {
            word.to_owned()
        });
    }
    let joined = words.join(" ");
    // The blanks in front of a time depend on how long it is.
    match joined.trim_start().strip_prefix("[time]") {
        Some(rest) => format!("[time]{rest}"),
        None => joined,
    }
}

/// `line` with each UUID replaced, wherever it stands.
fn without_ids(line: &str) -> String {
    const LENGTH: usize = 36;
    let is_id = |text: &str| {
        text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
    };
    let mut result = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if rest.get(..LENGTH).is_some_and(is_id) {
            result.push_str("[id]");
            rest = &rest[LENGTH..];
        } else {
            result.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    result
}

/// A Keystone that takes no password.
struct Keystone {
    port: u16,
}

impl Keystone {
    fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer(stream, port));
            }
        });
        Ok(Self { port })
    }
}

/// Discovery is answered as Keystone does, every login with 401.
fn answer(mut stream: TcpStream, port: u16) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(size @ 1..) = stream.read(&mut chunk) {
        request.extend_from_slice(&chunk[..size]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if body.len() < length {
            continue;
        }
        let (status, body) = if head.starts_with("GET") {
            let href = format!("http://127.0.0.1:{port}/v3/");
            let version = format!(
                r#"{{"id": "v3.14", "status": "stable", "links": [{{"rel": "self", "href": "{href}"}}]}}"#
            );
            let body = if head.starts_with("GET /v3") {
                format!(r#"{{"version": {version}}}"#)
            } else {
                format!(r#"{{"versions": {{"values": [{version}]}}}}"#)
            };
            ("200 OK", body)
        } else {
            let message = "The request you have made requires authentication.";
            let body = format!(
                r#"{{"error": {{"code": 401, "message": "{message}", "title": "Unauthorized"}}}}"#
            );
            ("401 Unauthorized", body)
        };
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
        return;
    }
}

fn broken_pipe() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut child = ostro(folder.path())
        .args(["action", "list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && stderr.is_empty() {
        Ok(())
    } else {
        Err(format!("{}: {stderr}", output.status).into())
    }
}

/// Starts a workflow that takes long, and sends as many interrupts as wanted once it runs.
fn interrupt(workflow: &str, times: usize) -> Result<Output, Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("slow.yaml"), workflow)?;
    let mut child = ostro(folder.path())
        .args(["run", "slow.yaml", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().ok_or("no stderr")?;
    let (mut stderr, mut said) = until_said(stderr, &["sleep  RUNNING"])?;
    for time in 0..times {
        if time > 0 {
            thread::sleep(std::time::Duration::from_millis(300));
        }
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()?;
    }
    let mut output = child.wait_with_output()?;
    stderr.read_to_end(&mut said)?;
    output.stderr = said;
    Ok(output)
}

/// Waits until all that is `wanted` was said. What comes next, and what has come.
pub(crate) fn until_said(
    mut stderr: ChildStderr,
    wanted: &[&str],
) -> Result<(ChildStderr, Vec<u8>), Failed> {
    let mut said = Vec::new();
    let mut byte = [0];
    let is_there = |said: &[u8]| {
        let said = String::from_utf8_lossy(said);
        wanted.iter().all(|part| said.contains(part))
    };
    while !is_there(&said) {
        if stderr.read(&mut byte)? == 0 {
            return Err(format!("it ended early: {}", String::from_utf8_lossy(&said)).into());
        }
        said.push(byte[0]);
    }
    Ok((stderr, said))
}

const SLOW: &str = "\
version: '2.0'
slow:
  tasks:
    sleep:
      action: std.sleep seconds=600
";

fn ctrl_c() -> Result<(), Failed> {
    let output = interrupt(SLOW, 1)?;
    let stdout = String::from_utf8(output.stdout)?;
    if output.status.code() == Some(130) && stdout.contains("\"state\": \"CANCELLED\"") {
        return Ok(());
    }
    Err(format!(
        "{}\n{stdout}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

fn ctrl_c_twice() -> Result<(), Failed> {
    let began = std::time::Instant::now();
    let output = interrupt(SLOW, 2)?;
    // It did not wait for the action, which takes ten minutes.
    if output.status.code() == Some(130) && began.elapsed().as_secs() < 300 {
        return Ok(());
    }
    Err(format!(
        "{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}
