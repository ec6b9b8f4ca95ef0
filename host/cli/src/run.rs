//! `ostro run`: one workflow, from its file to its end.

mod lines;
pub(crate) mod live;
pub(crate) mod plain;
pub(crate) mod report;
mod trace;
mod watch;

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow};
use ostro_actions::Registry;
use ostro_core::{ExecutionId, Map, State, Value};
use ostro_journal::Journal;
use ostro_lang::{Template, Workflow, WorkflowKind, bind_input};
use ostro_runtime::tree::{ExecutionNode, tree};
use ostro_runtime::{Library, Options, Runtime, StartRequest, Subscription, SystemClock};

use crate::args::{Output, Run};
use crate::definitions::Files;
use crate::errors::{Exit, WithHint as _, hinted, warn};
use crate::installed::Wanted;
use crate::recordings::Place;
use crate::state::{RunDir, StateDir};
use crate::{input, sources, terminal};
pub(crate) use watch::Shows;
use watch::Watched;

/// How many changes may wait to be shown. Fast workflows make many in a turn.
const BACKLOG: usize = 65_536;

/// Carries out `ostro run`.
pub(crate) fn run(args: &Run, verbose: bool) -> Result<Exit> {
    let given = input::gather(&args.inputs)?;
    let env = args
        .env
        .as_deref()
        .map(|text| input::object("--env", text))
        .transpose()?;
    let mut files = Files::read(&args.file, &args.namespace, &args.files)?;
    let workflow = files.workflow(&args.file, &args.namespace, args.workflow.as_deref())?;
    check_input(&workflow, &given)?;
    check_task(&workflow, args.task.as_deref())?;
    let run = if args.ephemeral {
        None
    } else {
        Some(run_dir(args)?)
    };
    let place = Place::of(&args.record, || match &run {
        Some((_, run)) => Ok(run.path().to_owned()),
        None => Err(hinted(
            anyhow!("--ephemeral keeps nothing, and no recordings either"),
            "--record=DIR says where they are to go",
        )),
    })?;
    let wanted = Wanted::active(&args.state, &workflow.tags)?;
    let mut actions = sources::load_recorded(&args.sources, &wanted, place.as_ref())?;
    let hold = actions.hold.take();
    files.add_packs(&actions.packs);
    files.check(&workflow, &actions.registry, verbose)?;

    let kept = match run {
        Some((state, run)) => Some(keep(args, &state, run)?),
        None => None,
    };
    let library = match kept {
        Some(_) => Library::new(files.sources(), actions.origin),
        None => Library::from(Arc::new(files.definitions)),
    };
    let host = Host::new(&actions.registry, library, kept, args.trace)?;
    let request = StartRequest {
        env: env.unwrap_or_default(),
        task_name: args.task.clone(),
        namespace: args.namespace.clone(),
        id: host.kept.as_ref().map(|run| run.id.clone()),
        ..StartRequest::new(&*workflow.name, given)
    };
    let shows = shows(args.trace, args.output, verbose);
    let exit = crate::block_on(async {
        let runtime = host.runtime();
        let notices = runtime.subscribe();
        let id = match runtime.start(request).await {
            Ok(id) => id,
            Err(error) => {
                host.forget();
                return Err(error.into());
            }
        };
        // From here on everybody can see what it needs.
        drop(hold);
        host.follow(&runtime, &id, notices, shows, args.output)
            .await
    })?;
    if let Some(place) = place {
        place.tell();
    }
    exit
}

/// The folder of a run that is to start. It is not made yet.
fn run_dir(args: &Run) -> Result<(StateDir, RunDir)> {
    let state = StateDir::new(args.state.state_dir.as_deref())?;
    let id = args.id.unwrap_or_else(uuid::Uuid::new_v4).to_string();
    let run = state.run(ExecutionId::new(id));
    Ok((state, run))
}

/// Makes room for a run, and sees that there is none with its id.
fn keep(args: &Run, state: &StateDir, run: RunDir) -> Result<RunDir> {
    state.prune(&args.expiry, SystemTime::now())?;
    if run.exists() {
        return Err(hinted(
            anyhow!("execution {} is there already", run.id),
            "`ostro execution resume` goes on with it; another one needs another --id",
        ));
    }
    Ok(run)
}

/// What is shown while a workflow runs.
pub(crate) fn shows(trace: bool, output: Output, verbose: bool) -> Shows {
    // With -v the log goes to the same screen, and a tree in the middle of it is no help.
    match (trace, output) {
        (true, Output::Table) => Shows::Trace,
        (true, Output::Json) => Shows::JsonTrace,
        (false, Output::Table) if !verbose && terminal::is_live() => Shows::Tree,
        (false, _) => Shows::Lines,
    }
}

/// What runs workflows in this process.
pub(crate) struct Host {
    registry: Arc<Registry>,
    library: Library,
    /// Where they are kept, if they are.
    kept: Option<RunDir>,
    journal: Option<Journal>,
    explain: bool,
}

impl Host {
    /// A host for the definitions of `library`. If the run is `kept`, its journal is opened.
    pub(crate) fn new(
        registry: &Registry,
        library: Library,
        kept: Option<RunDir>,
        explain: bool,
    ) -> Result<Self> {
        let journal = kept.as_ref().map(RunDir::open).transpose().hint(|| {
            "--state-dir names another folder, and --ephemeral keeps nothing".to_owned()
        })?;
        let definitions = Arc::clone(library.definitions());
        Ok(Self {
            registry: Arc::new(registry.with_definitions(definitions)),
            library,
            kept,
            journal,
            explain,
        })
    }

    /// The runtime. It needs tokio.
    pub(crate) fn runtime(&self) -> Runtime {
        let runner = Arc::clone(&self.registry) as _;
        let clock = Arc::new(SystemClock);
        let options = Options {
            backlog: BACKLOG,
            explain: self.explain,
            ..Options::default()
        };
        if let Some(journal) = &self.journal {
            let library = self.library.clone();
            Runtime::durable(journal.clone(), library, runner, clock, options)
        } else {
            let definitions = Arc::clone(self.library.definitions());
            Runtime::new(definitions, runner, clock, options)
        }
    }

    /// Nothing started, so nothing is kept.
    fn forget(&self) {
        if let (Some(run), Some(journal)) = (&self.kept, &self.journal) {
            journal.close();
            // What is left is an empty folder, which harms nobody.
            let _ = run.remove();
        }
    }

    /// Watches an execution to its end, and prints what came of it.
    pub(crate) async fn follow(
        &self,
        runtime: &Runtime,
        id: &ExecutionId,
        notices: Subscription,
        shows: Shows,
        output: Output,
    ) -> Result<Exit> {
        let kept = self.kept.as_ref();
        let (told, interrupted) = match watch::watch(runtime, id, notices, shows, kept).await? {
            Watched::Left => {
                self.goes_on_with(id, "left");
                return Ok(Exit::Interrupted);
            }
            Watched::Paused => {
                self.goes_on_with(id, "paused");
                return Ok(Exit::Failure);
            }
            Watched::Ended { told, interrupted } => (told, interrupted),
        };
        let root = tree(runtime, id, &told)
            .with_context(|| format!("execution {id} has ended and is not kept"))?;
        if let Some(run) = kept {
            // What came of it is told all the same.
            if let Err(error) = run.mark_ended(root.state, SystemTime::now()) {
                warn(
                    &format!("it is not noted that it has ended: {error:#}"),
                    Some("`ostro doctor` notes it"),
                );
            }
        }
        terminal::print(&match output {
            Output::Table => report::summary(&root),
            Output::Json => serde_json::to_string_pretty(&root)?,
        })?;
        Ok(match root.state {
            _ if interrupted => Exit::Interrupted,
            State::Success => Exit::Success,
            _ => Exit::Failure,
        })
    }

    fn goes_on_with(&self, id: &ExecutionId, how: &str) {
        if self.kept.is_some() {
            terminal::complain(&format!(
                "{how}: `ostro execution resume {id}` goes on with it"
            ));
        }
    }
}

/// An error that names each input that is missing or too much, and what the workflow takes.
fn check_input(workflow: &Workflow, given: &Map) -> Result<()> {
    let Err(problems) = bind_input(workflow, given) else {
        return Ok(());
    };
    let problems: Vec<String> = problems
        .iter()
        .map(|problem| plain(&problem.to_string()))
        .collect();
    let error = anyhow!("{}: {}", workflow.name, problems.join("; "));
    let takes: Vec<String> = workflow
        .input
        .iter()
        .map(|input| match &input.default {
            None => format!("\n    {} (required)", input.name),
            Some(default) => format!("\n    {} (default {})", input.name, shown(default)),
        })
        .collect();
    Err(hinted(
        error,
        if takes.is_empty() {
            "it takes no input".to_owned()
        } else {
            format!(
                "give inputs with -i KEY=VALUE or --input; it takes:{}",
                takes.concat()
            )
        },
    ))
}

/// An error unless a reverse workflow, and only such a one, is told which task to reach.
fn check_task(workflow: &Workflow, task: Option<&str>) -> Result<()> {
    let tasks = || {
        let names: Vec<&str> = workflow.tasks.keys().map(|name| &**name).collect();
        format!("its tasks are {}", names.join(", "))
    };
    match (workflow.kind, task) {
        (WorkflowKind::Direct, None) => Ok(()),
        (WorkflowKind::Reverse, Some(name)) if workflow.tasks.contains_key(name) => Ok(()),
        (WorkflowKind::Direct, Some(_)) => Err(hinted(
            anyhow!(
                "{}: --task is for reverse workflows, and this is a direct one",
                workflow.name
            ),
            "leave --task out",
        )),
        (WorkflowKind::Reverse, Some(name)) => Err(hinted(
            anyhow!("{}: it has no task {name}", workflow.name),
            tasks(),
        )),
        (WorkflowKind::Reverse, None) => Err(hinted(
            anyhow!(
                "{}: a reverse workflow needs to know which task to reach",
                workflow.name
            ),
            format!("say it with --task NAME; {}", tasks()),
        )),
    }
}

/// A default as it was written, as far as that can be told.
fn shown(default: &Template) -> String {
    match default {
        Template::Literal(Value::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Template::Literal(value) => value.to_string(),
        Template::Expression(expression) => {
            format!("<% {} %>", expression.expression.source().trim())
        }
        Template::Jinja(_) | Template::Text(_) | Template::List(_) | Template::Map(_) => {
            "an expression".to_owned()
        }
    }
}

/// `text` without the marks around names that diagnostics have.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// The tree of an execution as lines, however wide and long it is.
pub(crate) fn outline(root: &ExecutionNode, now: i64) -> Vec<String> {
    let frame = lines::Frame {
        now,
        tick: 0,
        width: usize::MAX,
        height: usize::MAX,
    };
    lines::lines(root, frame)
}
