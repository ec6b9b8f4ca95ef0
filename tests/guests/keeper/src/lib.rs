//! Handles objects and secrets, and hands work over.

wit_bindgen::generate!({
    path: ["../../../wit/ostro-host", "wit"],
    world: "test:keeper/guest",
    generate_all,
});

use exports::test::keeper::{store, vault, work};
use ostro::host::object_store::{self, WriteOptions};
use ostro::host::object_store_read::{self, ByteRange, Entry, ListOptions};
use ostro::host::openstack::{self, Method, Request};
use ostro::host::{execution, log, progress, secrets};

#[path = "../../say.rs"]
mod say;

use say::say;

struct Component;

/// A digest that needs no library: FNV-1a.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn show(&self) -> String {
        format!("{:016x}", self.0)
    }
}

fn options() -> WriteOptions {
    WriteOptions {
        content_type: Some("application/x-kept".to_owned()),
        metadata: vec![("made-by".to_owned(), "keeper".to_owned())],
        only_new: false,
    }
}

impl store::Guest for Component {
    fn upload(
        container: String,
        object: String,
        size: u64,
        piece: u32,
    ) -> Result<String, String> {
        let writer = object_store::create(&container, &object, &options()).map_err(say)?;
        let mut digest = Digest::new();
        let mut state = 1u64;
        let mut left = size;
        let mut bytes = vec![0; piece as usize];
        while left > 0 {
            let length = left.min(u64::from(piece)) as usize;
            for byte in &mut bytes[..length] {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
            digest.add(&bytes[..length]);
            writer.write(&bytes[..length]).map_err(say)?;
            left -= length as u64;
            if size - left == 8 * u64::from(piece) {
                log::write(log::Level::Info, "some pieces are written");
            }
        }
        let written = writer.finish().map_err(say)?;
        Ok(format!(
            "{{\"size\":{},\"etag\":{:?},\"digest\":{:?}}}",
            written.size,
            written.etag,
            digest.show()
        ))
    }

    fn put_new(container: String, object: String, text: String) -> Result<(), String> {
        let options = WriteOptions {
            only_new: true,
            ..options()
        };
        let writer = object_store::create(&container, &object, &options).map_err(say)?;
        writer.write(text.as_bytes()).map_err(say)?;
        writer.finish().map_err(say)?;
        let again = writer.finish().map_err(say).unwrap_err();
        log::write(log::Level::Info, &again);
        Ok(())
    }

    fn download(container: String, object: String, piece: u32) -> Result<String, String> {
        let reader = object_store_read::open(&container, &object, None).map_err(say)?;
        let mut digest = Digest::new();
        let mut size = 0;
        loop {
            let bytes = reader.read(piece).map_err(say)?;
            if bytes.is_empty() {
                break;
            }
            size += bytes.len() as u64;
            digest.add(&bytes);
        }
        let etag = reader.info().etag;
        Ok(format!(
            "{{\"size\":{size},\"etag\":{etag:?},\"digest\":{:?}}}",
            digest.show()
        ))
    }

    fn part(container: String, object: String, start: u64, length: u64) -> Result<String, String> {
        let part = ByteRange { start, length };
        let reader = object_store_read::open(&container, &object, Some(part)).map_err(say)?;
        let mut all = Vec::new();
        loop {
            let bytes = reader.read(3).map_err(say)?;
            if bytes.is_empty() {
                return Ok(String::from_utf8_lossy(&all).into_owned());
            }
            all.extend(bytes);
        }
    }

    fn read_across(container: String, object: String) -> Result<String, String> {
        let reader = object_store_read::open(&container, &object, None).map_err(say)?;
        let first = reader.read(2).map_err(say)?;
        let writer = object_store::create(&container, &object, &options()).map_err(say)?;
        writer.write(b"something else").map_err(say)?;
        writer.finish().map_err(say)?;
        let rest = reader.read(100).map_err(say)?;
        Ok(String::from_utf8_lossy(&[first, rest].concat()).into_owned())
    }

    fn leave(container: String, object: String, size: u32) -> Result<(), String> {
        let writer = object_store::create(&container, &object, &options()).map_err(say)?;
        writer.write(&vec![b'x'; size as usize]).map_err(say)?;
        writer.write(b"and more").map_err(say)
    }

    fn break_off(container: String, object: String, size: u32) -> Result<(), String> {
        let writer = object_store::create(&container, &object, &options()).map_err(say)?;
        writer.write(&vec![b'x'; size as usize]).map_err(say)?;
        writer.write(b"and more").map_err(say)?;
        panic!("on purpose");
    }

    fn hold(container: String, object: String, times: u32) -> Result<u32, String> {
        let mut held = Vec::new();
        for _ in 0..times {
            match object_store_read::open(&container, &object, None) {
                Ok(reader) => held.push(reader),
                Err(error) => {
                    log::write(log::Level::Info, &say(error));
                    break;
                }
            }
        }
        Ok(held.len() as u32)
    }

    fn names(
        container: String,
        prefix: Option<String>,
        marker: Option<String>,
        delimiter: Option<String>,
        limit: Option<u32>,
    ) -> Result<Vec<String>, String> {
        let options = ListOptions {
            prefix,
            marker,
            delimiter,
            limit,
        };
        let entries = object_store_read::list_objects(&container, &options).map_err(say)?;
        let name = |entry| match entry {
            Entry::Object(object) => object.name,
            Entry::Prefix(prefix) => prefix,
        };
        Ok(entries.into_iter().map(name).collect())
    }

    fn look(container: String, object: String) -> Result<String, String> {
        let info = object_store_read::head(&container, &object).map_err(say)?;
        let metadata: Vec<String> = info
            .metadata
            .iter()
            .map(|(name, value)| format!("{name:?}:{value:?}"))
            .collect();
        Ok(format!(
            "{{\"size\":{},\"type\":{:?},\"metadata\":{{{}}}}}",
            info.size,
            info.content_type,
            metadata.join(",")
        ))
    }

    fn mark(
        container: String,
        object: String,
        name: String,
        value: String,
    ) -> Result<(), String> {
        object_store::set_metadata(&container, &object, &[(name, value)]).map_err(say)
    }

    fn remove(container: String, object: String) -> Result<(), String> {
        object_store::delete(&container, &object).map_err(say)
    }
}

impl vault::Guest for Component {
    fn place(name: String) -> Result<String, String> {
        secrets::use_secret(&name).map_err(say)
    }

    fn send(name: String, service: String, place: String) -> Result<String, String> {
        let secret = secrets::use_secret(&name).map_err(say)?;
        let mut request = request(&service);
        match place.as_str() {
            "header" => request.headers.push(("x-key".to_owned(), secret)),
            "query" => request.query.push(("key".to_owned(), secret)),
            "form" => {
                let header = "application/x-www-form-urlencoded";
                let header = ("content-type".to_owned(), header.to_owned());
                request.headers.push(header);
                request.body = format!("key={secret}").into_bytes();
            }
            _ => request.body = format!("{{\"key\": \"{secret}\"}}").into_bytes(),
        }
        let answer = openstack::send(&request).map_err(say)?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    fn say(text: String) -> Result<String, String> {
        let mut request = request("baremetal");
        request.body = text.into_bytes();
        let answer = openstack::send(&request).map_err(say)?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    fn operate(name: String, node: String) -> Result<String, String> {
        let secret = secrets::use_secret(&name).map_err(say)?;
        let arguments = format!(
            "{{\"node_id\": {node:?}, \"patch\": [{{\"op\": \"add\", \
             \"path\": \"/extra/key\", \"value\": \"{secret}\"}}]}}"
        );
        openstack::call("ironic.node_update", &arguments).map_err(say)
    }

    fn tell(name: String, fail: bool) -> Result<String, String> {
        let value = secrets::reveal(&name).map_err(say)?;
        log::write(log::Level::Info, &format!("it is {value}"));
        progress::report(None, &format!("it is {value}"));
        if fail {
            return Err(format!("it is {value}"));
        }
        Ok(format!("{{\"value\": {value:?}}}"))
    }
}

impl work::Guest for Component {
    fn hand_over(fail: bool) -> Result<String, String> {
        let id = execution::get_context().action_execution_id;
        execution::defer();
        log::write(log::Level::Info, &format!("somebody else does {id}"));
        if fail {
            return Err("nobody wants to do it".to_owned());
        }
        Ok("this counts for nothing".to_owned())
    }
}

fn request(service: &str) -> Request {
    Request {
        service: service.to_owned(),
        method: Method::Post,
        path: "/v1/echo".to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Vec::new(),
        microversion: None,
    }
}

export!(Component);
