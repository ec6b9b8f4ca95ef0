use super::*;

#[test]
fn a_place_is_asked_with_tls_unless_it_is_here() {
    for (text, plain) in [
        ("localhost/acme", true),
        ("localhost:5000/acme", true),
        ("127.0.0.1:5000/acme", true),
        ("127.9.0.1/acme", true),
        ("10.0.0.1:5000/acme", false),
        ("localhost.example/acme", false),
        ("r.example/localhost", false),
    ] {
        let registry = Registry::new(text, false).unwrap();
        assert_eq!(registry.plain_http, plain, "{text}");
        assert!(Registry::new(text, true).unwrap().plain_http);
    }
}

#[test]
fn a_tag_is_only_what_was_given() {
    for (text, tag, locked) in [
        ("localhost:5000/acme", None, None),
        (
            "r.example/ops/acme:1.0.0",
            Some("1.0.0"),
            Some("oci://r.example/ops/acme:1.0.0"),
        ),
    ] {
        let registry = Registry::new(text, false).unwrap();
        assert_eq!(registry.tag(), tag, "{text}");
        assert_eq!(registry.tagged().as_deref(), locked, "{text}");
    }
    let pinned = format!("r.example/acme:1@sha256:{}", "0".repeat(64));
    let pinned = Registry::new(&pinned, false).unwrap();
    assert_eq!(pinned.tagged().as_deref(), Some("oci://r.example/acme:1"));
    assert!(Registry::new("acme:1", false).is_err());
}

#[test]
fn build_metadata_has_a_tag() {
    let version = Version::parse("1.0.0-rc.1+b5").unwrap();
    assert_eq!(tag(&version), "1.0.0-rc.1_b5");
}
