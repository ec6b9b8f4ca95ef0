//! Tries to get out. What it tries is in `attempts.yaml`: the first word says how, the others are
//! what with.

wit_bindgen::generate!({
    path: ["../../../wit/ostro-host", "../../../wit/ostro-validation", "wit"],
    world: "evil:escape/guest",
    generate_all,
});

mod files;
mod net;
#[path = "../../say.rs"]
mod say;
mod services;
mod web;

use exports::evil::escape::ways::Guest;
use wasi::cli::{environment, stdin};
use wasi::clocks::wall_clock;
use wasi::random::random;

struct Component;

/// What came of it: what it got, or how it was denied.
type Came = Result<String, String>;

impl Guest for Component {
    fn attempt(words: Vec<String>) -> Came {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some((way, with)) = words.split_first() else {
            return Err("no attempt".to_owned());
        };
        match *way {
            "send" => services::send(with),
            "operate" => services::operate(with),
            "post" => services::post(with),
            "log" => services::log(with),
            "http" => web::ask(with),
            "http-header" => web::header(with),
            "http-headers" => web::headers(with),
            "http-upload" => web::upload(with),
            "http-unfinished" => web::unfinished(with),
            "http-many" => web::many(with),
            "http-hoard" => web::hoard(with),
            "read" => files::read(with),
            "list" => files::list(with),
            "write" => files::write(with),
            "stream" => files::stream(with),
            "fill" => files::fill(with),
            "fill-files" => files::fill_files(with),
            "resize" => files::resize(with),
            "write-at" => files::write_at(with),
            "make-folder" => files::make_folder(with),
            "delete" => files::delete(with),
            "touch" => files::touch(with),
            "symlink" => files::symlink(with),
            "link" => files::link(with),
            "rename" => files::rename(with),
            "open-many" => files::open_many(with),
            "list-many" => files::list_many(with),
            "forge" => files::forge(with),
            "forge-kind" => {
                let stream = stdin::get_stdin();
                files::forge(&[&stream.handle().to_string()])
            }
            "folders" => Ok(files::folders()),
            "tcp" => net::tcp(with),
            "listen" => net::listen(with),
            "udp" => net::udp(with),
            "look-up" => net::look_up(with),
            "environment" => Ok(format!("{:?}", environment::get_environment())),
            "arguments" => Ok(format!("{:?}", environment::get_arguments())),
            "folder" => Ok(format!("{:?}", environment::initial_cwd())),
            "input" => Ok(match stdin::get_stdin().blocking_read(100) {
                Ok(bytes) => format!("{bytes:?}"),
                Err(error) => format!("{error:?}"),
            }),
            "clock" => Ok((wall_clock::now().seconds > 1_700_000_000).to_string()),
            "random" => {
                let bytes = with.first().and_then(|n| n.parse().ok()).unwrap_or(16);
                Ok(random::get_random_bytes(bytes).len().to_string())
            }
            "grow" => Ok(grow()),
            other => Err(format!("no such way: {other}")),
        }
    }
}

/// Takes memory by the page until there is no more.
fn grow() -> String {
    let mut pages = 0;
    while core::arch::wasm32::memory_grow(0, 16) != usize::MAX {
        pages += 16;
    }
    format!("{pages} pages")
}

export!(Component);
