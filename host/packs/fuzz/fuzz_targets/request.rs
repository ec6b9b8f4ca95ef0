//! Paths, addresses and requests as guests give them, against grants. What is taken has one
//! meaning, whoever reads it.
//!
//!     cargo install cargo-fuzz
//!     cd host/packs
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none request -- \
//!         -max_total_time=600 -timeout=10 -rss_limit_mb=1024

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ostro_core::{Method, RelativePath, ServiceRequest};
use ostro_packs::{Grants, Host, HttpTarget, PathPattern};

static GRANTS: LazyLock<Grants> = LazyLock::new(|| {
    let text = "openstack: [{service: baremetal, methods: [GET], paths: [/v1/nodes/*, /v1/x/**]}, \
                {service: identity, methods: [GET, POST], paths: [/**]}, \
                {service: object-store, methods: [PUT], paths: [/plans/**]}]\n\
                http: [{host: \"*.example.org\", methods: [GET], paths: [/v1/**]}]";
    Grants::parse(text, "fuzz").expect("they are grants")
});

fuzz_target!(|text: &str| {
    let mut words = text.splitn(4, '\n');
    let mut word = || words.next().unwrap_or_default();
    let (service, path, name, value) = (word(), word(), word(), word());
    if let Ok(parsed) = RelativePath::parse(path) {
        assert!(path.starts_with('/') && !path.starts_with("//"), "{path:?}");
        let plain = |c: char| c.is_ascii_graphic() && !"\\?#".contains(c);
        assert!(path.chars().all(plain), "{path:?}");
        assert!(
            !path.split('/').any(|part| part == ".." || part == "."),
            "{path:?}"
        );
        assert!(PathPattern::exactly(&parsed).matches(&parsed), "{path:?}");
        for method in Method::ALL {
            let mut request = ServiceRequest::new(service, method, parsed.clone());
            request.headers.push((name.to_owned(), value.to_owned()));
            let service = service.to_ascii_lowercase();
            match GRANTS.check_request(&request) {
                Ok(()) => {
                    let is_granted = ["baremetal", "identity", "object-store"];
                    assert!(is_granted.contains(&service.as_str()), "{service:?}");
                    assert!(!path.to_ascii_lowercase().contains("/auth/"), "{path:?}");
                }
                Err(denial) => {
                    if let Some(lines) = denial.lines() {
                        // What it says to add is what it takes.
                        let more = Grants::parse(lines, "fuzz").expect("it is YAML");
                        assert!(more.check_request(&request).is_ok(), "{lines}");
                    }
                }
            }
        }
    }
    for scheme in ["https", "http", service] {
        let Ok(target) = HttpTarget::parse(scheme, name, path) else {
            continue;
        };
        let url = target.url();
        assert!(url.chars().all(|c| c.is_ascii_graphic()), "{url:?}");
        assert_eq!(HttpTarget::from_url(&url).as_ref(), Ok(&target), "{url}");
        let host = target.host.to_string();
        assert_eq!(Host::parse(&host).as_ref(), Ok(&target.host), "{host}");
        if let Err(denial) = GRANTS.check_http(Method::Get, &target) {
            let lines = denial.lines().expect("a grant allows it");
            let more = Grants::parse(lines, "fuzz").expect("it is YAML");
            assert!(more.check_http(Method::Get, &target).is_ok(), "{lines}");
        } else {
            assert!(host.ends_with(".example.org"), "{host}");
        }
    }
});
