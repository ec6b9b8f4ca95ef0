use super::*;

/// A digest that is one letter, many times.
fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn installed(version: &str, letter: char) -> Installed {
    Installed {
        name: "acme".to_owned(),
        version: Version::parse(version).unwrap(),
        digest: digest(letter),
        source: "acme.ostro".to_owned(),
        signer: None,
        grants: Grants::default(),
        installed_at: 0,
        was_active: false,
    }
}

/// A record with these versions of a pack, in this order.
fn record(versions: &[(&str, char)]) -> Record {
    let mut record = Record::default();
    for (version, letter) in versions {
        record.add(installed(version, *letter), None);
    }
    record
}

/// The active versions, by number.
fn active(record: &Record) -> Vec<String> {
    let packs = &record.packs["acme"];
    let versions = packs
        .active
        .values()
        .filter_map(|digest| packs.find(digest));
    versions.map(|one| one.version.to_string()).collect()
}

#[test]
fn a_version_is_found_by_its_first_numbers_or_its_digest() {
    let record = record(&[
        ("1.2.3", 'a'),
        ("1.10.0", 'b'),
        ("2.0.0-rc.1", 'c'),
        ("1.2.3", 'd'),
    ]);
    for (meant, letter) in [
        (None, 'c'),
        (Some("1"), 'b'),
        (Some("1.2"), 'd'),
        (Some("1.2.3"), 'd'),
        (Some("2.0.0-rc.1"), 'c'),
        (Some("2"), 'c'),
        (Some("aaaaaaaa"), 'a'),
        (Some("sha256:aaaaaaaaaa"), 'a'),
    ] {
        let found = record.find("acme", meant).unwrap();
        assert_eq!(found.digest, digest(letter), "{meant:?}");
    }
    for meant in ["1.1", "1.2.30", "3", "aaaa", ""] {
        let error = record.find("acme", Some(meant)).unwrap_err().to_string();
        assert!(error.contains("there is 1.2.3, 1.10.0"), "{meant}: {error}");
    }
    let error = record.find("acne", None).unwrap_err().to_string();
    assert_eq!(error, "no pack acne is installed: installed are acme");
}

#[test]
fn two_majors_are_active_side_by_side_and_the_newest_is_taken() {
    let mut record = record(&[("1.0.0", 'a'), ("1.1.0", 'b'), ("2.0.0", 'c')]);
    assert!(record.active("acme", None).is_none());
    assert!(record.activate("acme", &digest('a')));
    assert!(record.activate("acme", &digest('c')));
    assert_eq!(active(&record), ["1.0.0", "2.0.0"]);
    assert!(record.activate("acme", &digest('b')));
    assert!(!record.activate("acme", &digest('b')));
    assert_eq!(active(&record), ["1.1.0", "2.0.0"]);
    let number = |major| {
        record
            .active("acme", major)
            .map(|one| one.version.to_string())
    };
    assert_eq!(number(None).as_deref(), Some("2.0.0"));
    assert_eq!(number(Some(1)).as_deref(), Some("1.1.0"));
    assert_eq!(number(Some(3)), None);
}

#[test]
fn a_roll_back_brings_what_was_active_before_and_a_second_one_undoes_it() {
    let mut record = record(&[("1.0.0", 'a'), ("1.1.0", 'b'), ("2.0.0", 'c')]);
    assert!(record.roll_back("acme").is_err());
    record.activate("acme", &digest('a'));
    record.activate("acme", &digest('b'));
    record.roll_back("acme").unwrap();
    assert_eq!(active(&record), ["1.0.0"]);
    record.roll_back("acme").unwrap();
    assert_eq!(active(&record), ["1.1.0"]);
    record.activate("acme", &digest('c'));
    record.roll_back("acme").unwrap();
    assert_eq!(active(&record), ["1.1.0"]);
    assert_eq!(record.deactivate("acme", None).len(), 1);
    assert_eq!(active(&record), [""; 0]);
    record.roll_back("acme").unwrap();
    assert_eq!(active(&record), ["1.1.0"]);
    assert!(record.deactivate("acme", Some(2)).is_empty());
}

#[test]
fn what_is_active_pinned_or_rolled_back_to_stays() {
    let mut record = record(&[
        ("1.0.0", 'a'),
        ("1.1.0", 'b'),
        ("1.2.0", 'c'),
        ("1.3.0", 'd'),
        ("1.4.0", 'e'),
    ]);
    for letter in ['a', 'b', 'c', 'd'] {
        record.activate("acme", &digest(letter));
    }
    let needless = |pinned: &[char], unused| -> Vec<String> {
        let pinned = pinned.iter().map(|letter| digest(*letter)).collect();
        let found = record.needless(&pinned, unused);
        found.iter().map(|one| one.version.to_string()).collect()
    };
    assert_eq!(needless(&[], false), ["1.0.0", "1.1.0"]);
    assert_eq!(needless(&['a'], false), ["1.1.0"]);
    assert_eq!(needless(&['a', 'b'], false), [""; 0]);
    assert_eq!(needless(&['a', 'b'], true), ["1.4.0"]);
}

#[test]
fn an_active_version_is_not_removed_and_the_last_one_takes_the_pack_with_it() {
    let mut record = record(&[("1.0.0", 'a'), ("1.1.0", 'b')]);
    record.activate("acme", &digest('a'));
    record.activate("acme", &digest('b'));
    let error = record.remove("acme", &digest('b')).unwrap_err();
    assert!(error.to_string().contains("is active"), "{error}");
    record.remove("acme", &digest('a')).unwrap();
    // There is nothing to roll back to any more.
    assert!(record.roll_back("acme").is_err());
    record.deactivate("acme", None);
    record.remove("acme", &digest('b')).unwrap();
    assert!(record.packs.is_empty());
}

#[test]
fn a_reference_and_a_version_keep_their_digest() {
    let mut record = Record::default();
    record.add(installed("1.0.0", 'a'), Some("oci://r/acme:latest"));
    let check = |version: &str, letter, reference| {
        let version = Version::parse(version).unwrap();
        let checked = record.check_lock("acme", &version, &digest(letter), reference);
        checked.err().map(|error| error.to_string())
    };
    assert_eq!(check("1.0.0", 'a', Some("oci://r/acme:latest")), None);
    assert_eq!(check("1.1.0", 'b', Some("oci://r/acme:1.1.0")), None);
    let moved = check("1.1.0", 'b', Some("oci://r/acme:latest")).unwrap();
    assert!(moved.contains("was sha256:aaaa"), "{moved}");
    let other = check("1.0.0", 'b', None).unwrap();
    assert!(other.contains("acme 1.0.0 is installed with"), "{other}");
}

#[test]
fn a_record_is_read_as_it_was_written_and_damage_is_told() {
    let mut record = record(&[("1.0.0", 'a')]);
    record.activate("acme", &digest('a'));
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(Record::parse(text.as_bytes()).unwrap(), record);
    for (bad, part) in [
        (
            text.replace("\"format\":1", "\"format\":2"),
            "a newer one wrote it",
        ),
        (text[..text.len() / 2].to_owned(), "it is damaged"),
        (
            text.replace("\"locks\"", "\"lock\""),
            "unknown field `lock`",
        ),
        (
            text.replace(
                &format!("\"1\":\"{}\"", digest('a')),
                &format!("\"1\":\"{}\"", digest('b')),
            ),
            "acme has no version sha256:bbbb",
        ),
    ] {
        let error = Record::parse(bad.as_bytes()).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}
