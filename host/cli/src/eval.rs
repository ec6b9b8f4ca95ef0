//! `ostro eval`: what a template gives, and what each part of it does.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};
use console::style;
use ostro_core::{Map, Value};
use ostro_lang::{
    Budget, Diagnostic, ExpressionError, FUNCTIONS, FunctionEnv, Host, Scope, Step, call_function,
    explain, parse_template,
};
use serde_json::json;

use crate::args::{Eval, Output};
use crate::errors::Exit;
use crate::{input, terminal, text};

/// What places in the template are called.
const FILE: &str = "template";

/// The most characters that are shown of a part's text, and of its value.
const SOURCE_WIDTH: usize = 60;
const VALUE_WIDTH: usize = 100;

/// Carries out `ostro eval`.
pub(crate) fn eval(args: &Eval) -> Result<Exit> {
    let source = source(&args.template)?;
    let data = match &args.context {
        Some(text) => input::value(text).context("--context")?,
        None => Value::empty_map(),
    };
    let surroundings = Surroundings::new(args)?;
    let (template, found) = parse_template(&source, FILE);
    for diagnostic in &found {
        terminal::complain(terminal::clean(&diagnostic.render(&source)).trim_end());
    }
    if found.iter().any(Diagnostic::is_error) {
        return Ok(Exit::Usage);
    }
    let scope = Scope {
        data: &data,
        host: &surroundings,
        budget: &Budget::default(),
    };
    let steps = if args.explain {
        explain(&template, scope)
    } else {
        Vec::new()
    };
    let result = template.evaluate(scope);
    match args.output {
        Output::Json => terminal::print(&as_json(&result, &steps, args.explain)?)?,
        Output::Table => {
            if !steps.is_empty() {
                terminal::print(&terminal::clean(&table(&steps)))?;
            }
            match &result {
                Ok(value) => terminal::print(&text::pretty(value))?,
                Err(error) => {
                    terminal::complain(terminal::clean(&error.render(&source)).trim_end());
                }
            }
        }
    }
    Ok(match result {
        Ok(_) => Exit::Success,
        Err(_) => Exit::Failure,
    })
}

/// The template that was given: from a file, or as it stands. What holds no expression at all is
/// taken for YAQL, as nobody asks what plain text gives.
fn source(template: &str) -> Result<String> {
    let text = match template.strip_prefix('@') {
        // The line break at a file's end is not meant.
        Some(path) => input::read(path)?.trim_end_matches('\n').to_owned(),
        None if template == "-" => input::read("-")?.trim_end_matches('\n').to_owned(),
        None => template.to_owned(),
    };
    let expressions = ["<%", "{{", "{%"].iter().any(|open| text.contains(open));
    Ok(if expressions {
        text
    } else {
        // An expression of a definition stands in one line.
        let line: Vec<&str> = text.lines().map(str::trim).collect();
        format!("<% {} %>", line.join(" ").trim())
    })
}

fn as_json(
    result: &Result<Value, ExpressionError>,
    steps: &[Step],
    explained: bool,
) -> Result<String> {
    let mut object = match result {
        Ok(value) => json!({ "value": value }),
        Err(error) => json!({
            "error": error.message,
            "line": error.at.line,
            "column": error.at.column,
        }),
    };
    if explained {
        object["steps"] = steps
            .iter()
            .map(|step| {
                let mut row = json!({
                    "depth": step.depth,
                    "source": step.source,
                    "line": step.location.line,
                    "column": step.location.column,
                    "times": step.times,
                });
                match &step.result {
                    Ok(value) => row["value"] = json!(value),
                    Err(problem) => row["error"] = json!(problem),
                }
                row
            })
            .collect();
    }
    Ok(serde_json::to_string_pretty(&object)?)
}

/// A line for each part: its text, indented as it stands in others, and what it gives.
fn table(steps: &[Step]) -> String {
    let sources: Vec<String> = steps
        .iter()
        .map(|step| {
            let indent = "  ".repeat(step.depth);
            format!("{indent}{}", shortened(&step.source, SOURCE_WIDTH))
        })
        .collect();
    let width = sources.iter().map(|source| source.chars().count()).max();
    let width = width.unwrap_or_default();
    let mut table = String::new();
    for (step, source) in steps.iter().zip(&sources) {
        let value = match &step.result {
            Ok(value) => shortened(&value.to_string(), VALUE_WIDTH),
            Err(problem) => style(format!("error: {problem}")).red().to_string(),
        };
        let arrow = style("=>").dim();
        // Writing to a string cannot fail.
        let _ = write!(table, "{source:width$}  {arrow} {value}");
        if step.times > 1 {
            let times = style(format!("(the first of {} times)", step.times)).dim();
            let _ = write!(table, "  {times}");
        }
        table.push('\n');
    }
    table
}

/// `text` on one line, and not too much of it.
fn shortened(text: &str, most: usize) -> String {
    let line = terminal::clean_line(text);
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most - 1).chain(['…']).collect()
}

/// What Mistral's functions answer where no workflow runs.
struct Surroundings {
    env: Value,
    /// Results by task.
    tasks: Map,
    now: i64,
}

impl Surroundings {
    fn new(args: &Eval) -> Result<Self> {
        let env = match &args.env {
            Some(text) => input::object("--env", text)?.into(),
            None => Value::empty_map(),
        };
        let example = "write --task NAME=RESULT, as --task introspect=@result.json";
        let tasks = input::pairs("--task", &args.task, example)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| anyhow!("the clock stands before 1970"))?;
        Ok(Self {
            env,
            tasks,
            now: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
        })
    }

    /// A task that ended well with the result that was given for it; null for others, as in
    /// Mistral. Without a name it is the last one given.
    fn task(&self, name: Option<&Value>) -> Result<Value, String> {
        let found = match name.filter(|name| !name.is_null()) {
            None => Some(self.tasks.last().ok_or("no task's result was given")?),
            Some(name) => {
                let name = name.as_str().ok_or("task needs the name of a task")?;
                self.tasks.get_key_value(name)
            }
        };
        Ok(found.map_or(Value::Null, |(name, result)| {
            [
                ("name", name.clone().into()),
                ("state", "SUCCESS".into()),
                ("result", result.clone()),
                ("published", Value::empty_map()),
            ]
            .into_iter()
            .collect()
        }))
    }
}

impl FunctionEnv for Surroundings {
    fn new_uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

impl Host for Surroundings {
    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &[(&str, Value)],
    ) -> Option<Result<Value, String>> {
        Some(match name {
            "env" => Ok(self.env.clone()),
            "task" => {
                let named = kwargs.iter().find(|(key, _)| *key == "task_name");
                self.task(args.first().or(named.map(|(_, value)| value)))
            }
            "execution" | "executions" | "global" | "tasks" => {
                Err("it has an answer only where a workflow runs".to_owned())
            }
            _ => return call_function(name, args, kwargs, self),
        })
    }

    fn functions(&self) -> &[&str] {
        FUNCTIONS
    }

    fn now_millis(&self) -> i64 {
        self.now
    }

    fn random(&self) -> Option<f64> {
        // A random UUID has 122 random bits; the low 53 of them make a fraction.
        let bits = uuid::Uuid::new_v4().as_u64_pair().1 & ((1 << 53) - 1);
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let fraction = bits as f64 / (1_u64 << 53) as f64;
        Some(fraction)
    }
}
