//! Two majors of a pack side by side.

use super::*;

const WORKFLOWS: &str = "
version: '2.0'
plain:
  tasks:
    greet:
      action: demo.greeting.hello
      input: {name: Ada}
old:
  tags: ['pack:demo@1', 'something else']
  tasks:
    greet:
      action: demo.greeting.hello
      input: {whom: Ada}
    wave:
      action: demo.greeting.wave
      input: {whom: Ada}
lost:
  tags: ['pack:demo@3']
  tasks:
    greet:
      action: demo.greeting.hello
      input: {name: Ada}
past:
  tasks:
    wave:
      action: demo.greeting.wave
      input: {whom: Ada}
";

fn workflows() -> Definitions {
    let definitions: Definitions = [ostro_lang::parse(WORKFLOWS, "w.yaml")]
        .into_iter()
        .collect();
    assert!(!definitions.has_errors(), "{:?}", definitions.diagnostics());
    definitions
}

fn registry() -> Registry {
    Registry::builder()
        .scripted(version("demo", "1.9.0", "whom", &["hello", "wave"]))
        .scripted(version("demo", "2.0.0", "name", &["hello"]))
        .definitions(Arc::new(workflows()))
        .build()
        .unwrap()
}

async fn call(from: &str, action: &str, input: (&str, &str)) -> Result<Value, ActionError> {
    let case = Case {
        name: String::new(),
        call: action.to_owned(),
        from: Some(from.to_owned()),
        input: BTreeMap::from([(input.0.to_owned(), input.1.into())]),
        cloud: None,
        success: None,
        deferred: false,
        error: None,
        takes: None,
    };
    match registry().run(super::call(&case)).await {
        ActionOutcome::Success(value) => Ok(value),
        ActionOutcome::Error(error) => Err(error),
        ActionOutcome::Deferred => panic!("it is deferred"),
    }
}

#[tokio::test]
async fn a_workflow_gets_the_major_that_its_tag_names_and_others_the_newest() {
    let hello = "demo.greeting.hello";
    assert_eq!(
        call("plain", hello, ("name", "Ada")).await,
        Ok("2.0.0".into())
    );
    assert_eq!(
        call("old", hello, ("whom", "Ada")).await,
        Ok("1.9.0".into())
    );
    let error = call("lost", hello, ("name", "Ada")).await.unwrap_err();
    assert_eq!(error.kind, ActionErrorKind::Call);
    assert!(
        error.message.contains("active is demo 2.0.0, 1.9.0"),
        "{error}"
    );
    let error = call("past", "demo.greeting.wave", ("whom", "Ada"))
        .await
        .unwrap_err();
    assert!(
        error.message.contains("the tag pack:demo@1 gets that"),
        "{error}"
    );
}

#[test]
fn workflows_are_checked_against_the_major_that_they_get() {
    let found: Vec<String> = ostro_lang::check(&workflows(), &registry())
        .into_iter()
        .map(|diagnostic| format!("{}: {}", diagnostic.location.line, diagnostic.message))
        .collect();
    assert_eq!(
        found,
        [
            "21: there is no action `demo.greeting.hello`",
            "26: there is no action `demo.greeting.wave`",
        ]
    );
}

#[test]
fn two_versions_of_one_major_are_refused() {
    let builder = Registry::builder()
        .scripted(version("demo", "1.9.0", "whom", &["hello"]))
        .scripted(version("demo", "1.2.0", "whom", &["hello"]));
    assert_eq!(
        builder.build().map(drop),
        Err(RegistryError::SameMajor {
            pack: "demo".to_owned(),
            first: "1.9.0".to_owned(),
            second: "1.2.0".to_owned(),
        })
    );
}
