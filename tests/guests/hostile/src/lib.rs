//! Breaks what it can reach, and reaches for what it cannot.

wit_bindgen::generate!({
    path: ["../../../wit/ostro-host", "wit"],
    world: "evil:hostile/guest",
    generate_all,
});

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use exports::evil::hostile::attack::{Guest, Json};
use ostro::host::openstack::{Method, Request};
use ostro::host::{clock, execution, log, messaging, openstack, openstack_read, progress};

#[path = "../../say.rs"]
mod say;

use say::say;

struct Component;

static MARK: AtomicU32 = AtomicU32::new(0);

impl Guest for Component {
    fn loop_forever() {
        let mut turns = 0u64;
        loop {
            turns = black_box(turns.wrapping_add(1));
        }
    }

    fn sleep_for_a_day() {
        clock::sleep(24 * 3600 * 1000);
    }

    fn eat_memory() {
        let mut eaten = Vec::new();
        loop {
            eaten.push(black_box(vec![1u8; 1 << 20]));
        }
    }

    fn call_host(times: u32) -> u32 {
        (0..times).map(|_| u32::from(clock::now() > 0)).sum()
    }

    fn panic() {
        panic!("on purpose");
    }

    fn overflow_stack() -> u64 {
        fn down(depth: u64) -> u64 {
            let here = black_box([depth; 64]);
            if here[1] == u64::MAX {
                return 0;
            }
            black_box(down(here[0] + 1)) + here[1]
        }
        down(0)
    }

    fn broken_json() -> Json {
        "{nonsense".to_owned()
    }

    fn deep_json(levels: u32) -> Json {
        "[".repeat(levels as usize) + &"]".repeat(levels as usize)
    }

    fn many_values(count: u32) -> Json {
        format!("[{}1]", "1,".repeat(count as usize))
    }

    fn broken_text() -> String {
        // The host must not rely on what a guest's language promises.
        unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe]) }
    }

    fn long_text(bytes: u32) -> String {
        "x".repeat(bytes as usize)
    }

    fn long_list(count: u32) -> Vec<u64> {
        vec![7; count as usize]
    }

    fn send(
        service: String,
        method: String,
        path: String,
        headers: Vec<(String, String)>,
    ) -> Result<Json, String> {
        let method = match method.as_str() {
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            _ => Method::Get,
        };
        let request = Request {
            service,
            method,
            path,
            query: Vec::new(),
            headers,
            body: Vec::new(),
            microversion: None,
        };
        let answer = openstack::send(&request).map_err(say)?;
        let headers: Vec<String> = answer
            .headers
            .iter()
            .map(|(name, value)| format!("{name:?}:{value:?}"))
            .collect();
        Ok(format!(
            "{{\"status\":{},\"headers\":{{{}}},\"body\":{:?}}}",
            answer.status,
            headers.join(","),
            String::from_utf8_lossy(&answer.body),
        ))
    }

    fn operate(operation: String, arguments: Json) -> Result<Json, String> {
        openstack::call(&operation, &arguments).map_err(say)
    }

    fn operate_reading(operation: String, arguments: Json) -> Result<Json, String> {
        openstack_read::call(&operation, &arguments).map_err(say)
    }

    fn post(queue: String, body: Json) -> Result<(), String> {
        messaging::post(&queue, &body).map_err(say)
    }

    fn log(message: String) {
        log::write(log::Level::Warning, &message);
    }

    fn progress(percent: u8, message: String) {
        progress::report(Some(percent), &message);
    }

    fn look_around() -> Json {
        let context = execution::get_context();
        format!(
            "{{\"execution\":{:?},\"workflow\":{:?},\"task\":{:?},\"key\":{:?},\"attempt\":{},\
             \"time_left\":{}}}",
            context.execution_id,
            context.workflow_name,
            context.task_name.unwrap_or_default(),
            context.action_execution_id,
            context.attempt,
            context.deadline.saturating_sub(clock::now()),
        )
    }

    fn mark() -> u32 {
        MARK.fetch_add(1, Ordering::Relaxed)
    }
}

export!(Component);
