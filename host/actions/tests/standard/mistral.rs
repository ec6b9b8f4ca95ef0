//! Mistral 23's own action classes: what is compared with.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common;

const SCRIPT: &str = include_str!("mistral.py");

/// Runs actions, each a class and its arguments, and gives for each `{"data": …}`,
/// `{"error": …}` or `{"raised": …}`. `home` is the home folder that they see; `port` the port
/// that SSH uses.
pub(crate) fn run(actions: &Value, home: &Path, port: u16) -> Vec<Value> {
    let import = "from mistral.db.v2 import api; import mistral.actions.std_actions";
    let python = common::python("mistral-23.0.0", "mistral==23.0.0", import);
    let mut child = Command::new(python)
        .args(["-W", "ignore", "-c", SCRIPT, &port.to_string()])
        .env("HOME", home)
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(actions.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "Mistral's actions did not run");
    let last = output
        .stdout
        .trim_ascii_end()
        .rsplit(|byte| *byte == b'\n')
        .next();
    serde_json::from_slice(last.unwrap_or_default()).unwrap()
}
