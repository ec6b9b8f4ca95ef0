use std::collections::BTreeMap;

use super::*;

/// What is read of a file with this text, and of these variables, in a few lines; and what is
/// wrong.
fn read(text: &str, variables: &[(&str, &str)]) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ostro.yaml");
    std::fs::write(&file, text).unwrap();
    let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let variables: BTreeMap<_, _> = variables.iter().map(own).collect();
    let (read, mistakes) = Reader::read(Some(&file), variables, |section| {
        let name = section.text("name");
        let limits = section.section("limits", |section| {
            let (mut number, mut bytes) = (NonZeroUsize::MIN, NonZeroUsize::MIN);
            let mut wait = Duration::from_secs(1);
            section.count("number", &mut number);
            section.size("bytes", &mut bytes);
            section.time("wait", &mut wait);
            format!("{number} {bytes} {wait:?}")
        });
        let list = section.list("list", |_, text| Ok::<_, String>(text.to_owned()));
        let truth = section.truth("truth").map(|(truth, _)| truth);
        let path = section.path("path").map(|(path, _)| path);
        format!("{name:?} {limits} {list:?} {truth:?} {path:?}")
    });
    let here = |text: &str| text.replace(&format!("{}/", folder.path().display()), "");
    let told = mistakes.into_iter().map(|one| {
        let hint = one.hint.map_or(String::new(), |hint| format!(" ({hint})"));
        here(&format!("{}: {}{hint}", one.at, one.message))
    });
    (here(&read), told.collect())
}

#[test]
fn settings_are_read_with_their_units() {
    let text = "\
name: x
limits: {number: 3, bytes: 2KiB, wait: 250ms}
list: [a, b]
truth: yes
path: certs/one.pem
";
    let wanted = r#"Some("x") 3 2048 250ms ["a", "b"] Some(true) Some("certs/one.pem")"#;
    assert_eq!(read(text, &[]), (wanted.to_owned(), Vec::new()));
}

#[test]
fn what_is_not_set_is_as_it_was() {
    let wanted = "None 1 1 1s [] None None";
    for text in ["", "# nothing\n", "limits:\nname:\n", "---\n"] {
        assert_eq!(read(text, &[]), (wanted.to_owned(), Vec::new()), "{text:?}");
    }
}

#[test]
fn the_environment_goes_over_the_file() {
    let text = "name: x\nlimits: {number: 3}\npath: one\nlist: [a]\n";
    let variables = [
        ("OSTRO_NAME", "y"),
        ("OSTRO_LIMITS_NUMBER", "4"),
        ("OSTRO_PATH", "two"),
        ("OSTRO_LIST", "b, c"),
        ("OSTRO_STATE_DIR", "/is/not/asked/for"),
    ];
    let wanted = r#"Some("y") 4 1 1s ["b", "c"] None Some("two")"#;
    assert_eq!(read(text, &variables), (wanted.to_owned(), Vec::new()));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = "\
nmae: x
limits:
  number: 0
  bytes: 5MB
  wiat: 3s
list: a
truth: maybe
path: [a]
";
    let variables = [("OSTRO_LIMITS_WAIT", "soon"), ("OSTRO_LIMITS_BITES", "1B")];
    let told = read(text, &variables).1;
    let wanted = [
        r#"ostro.yaml:3:11: `number`: "0" is no whole number from 1 on"#,
        r#"ostro.yaml:4:10: `bytes`: "5MB" is no size: write 512KiB, 16MiB or 1GiB"#,
        r#"OSTRO_LIMITS_WAIT: `wait`: "soon" is no time up to 168h: write 500ms, 30s, 5m or 1h"#,
        "ostro.yaml:5:3: there is no setting `wiat` in `limits` (did you mean `wait`?)",
        "ostro.yaml:6:7: `list` is a list, not text (write `[one, another]`)",
        r#"ostro.yaml:7:8: `truth`: "maybe" is neither true nor false"#,
        "ostro.yaml:8:7: `path` is one value, not a list",
        "ostro.yaml:1:1: there is no setting `nmae` (did you mean `name`?)",
        "OSTRO_LIMITS_BITES: there is no such setting (did you mean OSTRO_LIMITS_BYTES?)",
    ];
    for (told, wanted) in told.iter().zip(wanted) {
        assert_eq!(told.replace('`', ""), wanted.replace('`', ""));
    }
    assert_eq!(told.len(), wanted.len(), "{told:#?}");
}

#[test]
fn what_is_no_mapping_of_settings_is_told() {
    for (text, wanted) in [
        (
            "- a\n",
            "ostro.yaml:1:1: settings are a mapping, not a list",
        ),
        (
            "limits: 3\n",
            "ostro.yaml:1:9: `limits` is a mapping, not a number",
        ),
        ("name: 'x\n", "ostro.yaml:"),
        ("name: x\nname: y\n", "ostro.yaml:2:1: "),
    ] {
        let told = read(text, &[]).1;
        assert!(
            told.len() == 1 && told[0].starts_with(wanted),
            "{text:?}: {told:?}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = Path::new("/nowhere/ostro.yaml");
    let ((), told) = Reader::read(Some(missing), BTreeMap::new(), |_| ());
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].at, "/nowhere/ostro.yaml");
}
