//! What guests can send, changed at random over and over: headers, text, JSON, and recordings that
//! somebody edited. `OSTRO_FUZZ_SECONDS` says for how long, `OSTRO_FUZZ_SEED` where it starts.
//!
//! The parts that need no engine are fuzzed by libFuzzer, in `host/packs/fuzz`.

use std::time::{Duration, Instant};

use ostro_core::{ActionOutcome, Value};
use serde_json::json;

use super::contract::types::{CallError, Response};
use super::{headers, text};
use crate::convert::{from_json, json_weight, to_json};
use crate::recording::{HttpAnswer, RecordedContext, RecordedPack, Recording, Tape};

/// Random numbers from a seed: xorshift64* (<https://doi.org/10.1145/2845077>).
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::env::var("OSTRO_FUZZ_SEED").ok();
        let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(1);
        Self(seed | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        usize::try_from(number >> 33).unwrap_or_default() % bound.max(1)
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// One of `seeds`, changed in some places.
    fn changed(&mut self, seeds: &[&str], words: &[&str]) -> String {
        let mut bytes = self.one(seeds).as_bytes().to_vec();
        for _ in 0..self.below(8) {
            let at = self.below(bytes.len() + 1);
            let to = (at + self.below(12)).min(bytes.len());
            match self.below(5) {
                0 => drop(bytes.drain(at..to)),
                1 => {
                    let word = self.one(words);
                    drop(bytes.splice(at..at, word.bytes()));
                }
                2 => {
                    let part = bytes[at..to].to_vec();
                    let times = self.below(20);
                    drop(bytes.splice(at..at, part.repeat(times)));
                }
                3 => {
                    let other = self.one(seeds).as_bytes();
                    let from = self.below(other.len());
                    drop(bytes.splice(at..to, other[from..].iter().copied()));
                }
                _ if at < bytes.len() => bytes[at] = u8::try_from(self.below(256)).unwrap_or(0),
                _ => {}
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Does `check` with random numbers, again and again.
fn over_and_over(mut check: impl FnMut(&mut Random)) {
    let seconds = std::env::var("OSTRO_FUZZ_SECONDS").ok();
    let seconds = seconds
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random::new();
    let mut count = 0u64;
    while Instant::now() < end {
        for _ in 0..100 {
            check(&mut random);
        }
        count += 100;
    }
    println!("{count} inputs");
}

#[test]
fn headers_that_are_taken_are_headers_and_none_of_the_hosts() {
    let names = [
        "accept",
        "X-Auth-Token",
        "host",
        "transfer_encoding",
        "content-type",
        "x-forwarded-for",
    ];
    let values = ["text/plain", "a, b;q=1", ""];
    let words = ["-", "_", "\r\n", ":", " ", "\0", "ü", "x-", "token"];
    over_and_over(|random| {
        let name = random.changed(&names, &words);
        let value = random.changed(&values, &words);
        let header = [(name.clone(), value.clone())];
        for taken in [headers::check(&header), headers::check_http(&header)] {
            if taken.is_err() {
                continue;
            }
            assert!(http::HeaderName::from_bytes(name.as_bytes()).is_ok());
            assert!(http::HeaderValue::from_str(&value).is_ok(), "{value:?}");
            assert!(!headers::is_of_connection(&name), "{name:?}");
        }
        if headers::check(&header).is_ok() {
            let name = name.to_ascii_lowercase().replace('_', "-");
            for word in ["x-auth-token", "authorization", "cookie", "x-subject-token"] {
                assert_ne!(name, word);
            }
        }
        for (name, value) in headers::visible(header.to_vec()) {
            assert!(name != "location" || value.starts_with('/'), "{value:?}");
        }
    });
}

#[test]
fn lines_for_people_hold_nothing_that_a_terminal_takes_for_a_command() {
    let seeds = [
        "a line",
        "\u{1b}[2J\u{202e}x\r\n",
        "ü\u{2028}\u{feff}",
        "\u{9b}31m",
    ];
    let words = ["\u{1b}", "\u{7}", "\u{202e}", "\u{9d}", "\n", "\u{2066}"];
    over_and_over(|random| {
        let line = random.changed(&seeds, &words);
        let most = if random.below(50) == 0 { 2000 } else { 2 };
        let times = 1 + random.below(most);
        let clean = text::clean(&line.repeat(times));
        assert!(clean.len() <= text::MAX_LINE + '…'.len_utf8());
        assert!(!clean.chars().any(char::is_control), "{clean:?}");
        let turns = |c: char| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!clean.chars().any(turns), "{clean:?}");
    });
}

#[test]
fn json_of_guests_is_a_value_or_none() {
    let seeds = [
        r#"{"a": [1, 2.5e3, null, true, "x\u00fc"], "b": {"c": -0.0}}"#,
        "[[[[[[1]]]]]]",
        r#""\ud83d\ude00""#,
        "18446744073709551616",
    ];
    let words = [
        "[", "{", "\"a\":", "1e999", "\\u0000", "\\ud800", ",", "-", "]",
    ];
    over_and_over(|random| {
        let text = random.changed(&seeds, &words);
        _ = json_weight(&text);
        if let Ok(value) = from_json(&text) {
            let again = to_json(&value, 1 << 20).and_then(|text| from_json(&text).ok());
            assert_eq!(again.as_ref(), Some(&value), "{text}");
        }
    });
}

/// What a request to a service gives.
type Sent = Result<Response, CallError>;

/// A recording to begin with.
fn recording() -> String {
    let context = RecordedContext::default();
    let input = json!({ "password": "hunter2-x", "nodes": [{ "name": "a" }] });
    let mut recording = Recording::new(RecordedPack::default(), "a.b.c", input, context);
    let answer = json!({ "ok": { "status": 200, "headers": [["etag", "x"]],
        "body": { "json": { "token": "t0k3n-x" } } } });
    for (call, arguments) in [
        (
            "openstack.send",
            json!({ "service": "baremetal", "method": "GET", "path": "/v1" }),
        ),
        (
            "http.send",
            json!({ "method": "GET", "url": "https://a.example:443/x" }),
        ),
        ("clock.now", json!({})),
        (
            "openstack.call",
            json!({ "operation": "a.b", "arguments": { "json": {} } }),
        ),
    ] {
        let call = json!({ "call": call, "arguments": arguments, "answer": answer });
        recording.calls.push(serde_json::from_value(call).unwrap());
    }
    serde_json::to_string(&recording).unwrap()
}

#[test]
fn recordings_that_were_edited_are_played_or_refused() {
    let seed = recording();
    let words = [
        "\"ok\"",
        "\"error\"",
        "\"denied\"",
        "\"base64\"",
        "\"spaced\":true,",
        "null",
        "{}",
        "[]",
        "[secret 1]",
        "[secret ",
        "1e99",
        "\"cut\":\"x\",",
        "-1",
        "\"answer\":",
        "\"text\":\"",
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    over_and_over(|random| {
        let text = random.changed(&[&seed], &words);
        let Ok(mut recording) = Recording::parse(&text) else {
            return;
        };
        recording.is_case = random.below(2) == 0;
        let outcome = ActionOutcome::Success(Value::Null);
        let mut tape = Tape::replay(&recording, 1000);
        let mut kept = Tape::record(random.below(2000));
        for call in &recording.calls {
            let given = Some(call.arguments.clone());
            let none = || Err(CallError::Denied("none".into()));
            let goes_on = match call.call.as_str() {
                "openstack.send" => {
                    _ = kept.at_once::<Sent>("openstack.send", given.clone(), none);
                    tape.at_once::<Sent>("openstack.send", given, none).is_ok()
                }
                "clock.now" => tape.at_once("clock.now", given, || 0u64).is_ok(),
                "http.send" => {
                    let arguments = || call.arguments.clone();
                    let answer = || HttpAnswer {
                        result: none(),
                        is_private: true,
                    };
                    let later = kept.later("http.send", arguments).unwrap();
                    runtime.block_on(later.through(b"{}", async { answer() }));
                    match tape.later("http.send", arguments) {
                        Ok(_) if call.answer.is_none() => false,
                        Ok(later) => runtime
                            .block_on(later.through(b"", async { answer() }))
                            .is_some(),
                        Err(_) => false,
                    }
                }
                _ => {
                    let none = || Err(CallError::Denied("none".into()));
                    tape.at_once::<Result<String, _>>("openstack.call", given, none)
                        .is_ok()
                }
            };
            if !goes_on {
                break;
            }
        }
        _ = tape.finish_replay(&outcome);
        let kept = kept
            .finish_recording(recording, &outcome, std::iter::empty())
            .unwrap();
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(
            Recording::parse(&text).as_ref(),
            Ok(&Recording {
                is_case: false,
                ..kept
            })
        );
    });
}
