use std::sync::Arc;

use ostro_core::{ActionExecutionId, ExecutionId, Map, Progress, State, TaskExecutionId, Value};

use super::*;
use ostro_runtime::tree::{ActionNode, Items, Span};

fn execution_node(id: &str, state: State, index: usize, tasks: Vec<TaskNode>) -> ExecutionNode {
    ExecutionNode {
        id: ExecutionId::new(id),
        workflow: format!("demo.{id}").into(),
        state,
        state_info: None,
        index,
        output: Value::Null,
        tasks,
        time: Span {
            began: Some(0),
            ended: state.is_completed().then_some(1000),
        },
    }
}

fn task_node(name: &str, state: State) -> TaskNode {
    TaskNode {
        id: TaskExecutionId::new(name),
        name: name.into(),
        state,
        state_info: None,
        error_handled: false,
        attempt: 1,
        items: None,
        published: Arc::new(Map::new()),
        actions: Vec::new(),
        executions: Vec::new(),
        time: Span {
            began: Some(0),
            ended: state.is_completed().then_some(500),
        },
    }
}

fn action_node(index: usize, message: &str) -> ActionNode {
    ActionNode {
        input: None,
        id: ActionExecutionId::new(index.to_string()),
        name: "demo.work".into(),
        state: State::Running,
        attempt: 1,
        index,
        error: None,
        progress: Some(Progress {
            percent: Some(40),
            message: message.to_owned(),
        }),
        time: Span {
            began: Some(0),
            ended: None,
        },
    }
}

fn shown(root: &ExecutionNode, width: usize, height: usize) -> String {
    let frame = Frame {
        now: 2000,
        tick: 0,
        width,
        height,
    };
    let lines: Vec<String> = lines(root, frame)
        .iter()
        .map(|line| console::strip_ansi_codes(line).into_owned())
        .collect();
    lines.join("\n")
}

fn sample() -> ExecutionNode {
    let failed = TaskNode {
        state_info: Some("\nno such node\nand more".to_owned()),
        error_handled: true,
        attempt: 3,
        ..task_node("power", State::Error)
    };
    let working = TaskNode {
        items: Some(Items { done: 1, total: 3 }),
        actions: vec![action_node(2, "checking\u{1b}[2J node-2")],
        ..task_node("check", State::Running)
    };
    let child = execution_node(
        "child",
        State::Running,
        0,
        vec![task_node("inner", State::Running)],
    );
    let parent = TaskNode {
        executions: vec![child],
        ..task_node("nested", State::Running)
    };
    let tasks = vec![
        task_node("first", State::Success),
        failed,
        working,
        parent,
        task_node("last", State::Waiting),
    ];
    execution_node("main", State::Running, 0, tasks)
}

#[test]
fn each_task_has_a_line_with_state_duration_and_what_it_does() {
    let expected = "\
⠋ demo.main         RUNNING   2.0s
  ✔ first           SUCCESS   0.5s
  ✘ power           ERROR     0.5s  try 3  no such node  (handled)
  ⠋ check           RUNNING   2.0s  1/3  [2] 40% checking\u{fffd}[2J node-2
  ⠋ nested › child  RUNNING   2.0s
    ⠋ inner         RUNNING   2.0s
  ◦ last            WAITING";
    assert_eq!(shown(&sample(), 100, 50), expected);
}

#[test]
fn what_ended_well_is_summed_up_first_where_not_all_fits() {
    let items = (0..40)
        .map(|index| {
            let state = if index == 7 {
                State::Error
            } else {
                State::Success
            };
            ExecutionNode {
                id: ExecutionId::new(index.to_string()),
                ..execution_node("child", state, index, vec![task_node("inner", state)])
            }
        })
        .collect();
    let many = TaskNode {
        items: Some(Items {
            done: 40,
            total: 41,
        }),
        executions: items,
        ..task_node("many", State::Running)
    };
    let root = execution_node(
        "main",
        State::Running,
        0,
        vec![task_node("first", State::Success), many],
    );
    let expected = "\
⠋ demo.main      RUNNING   2.0s
  ✔ first        SUCCESS   0.5s
  ⠋ many         RUNNING   2.0s  40/41
    ✘ [7] child  ERROR     1.0s
      ✘ inner    ERROR     0.5s
      39 ended well";
    assert_eq!(shown(&root, 80, 10), expected);
    let narrow = shown(&root, 30, 4);
    assert_eq!(narrow.lines().count(), 4, "{narrow}");
    assert!(
        narrow.lines().all(|line| measure_text_width(line) <= 30),
        "{narrow}"
    );
}
