//! Random workflows.
//!
//! Calm ones come to the same end in whatever order things happen: joins wait for all, no task is
//! reached on two ways without one, and time runs out always or never. Wild ones may do anything.
//!
//! Each action knows by its input where it stands (`path`), which is what its end depends on.

use std::fmt::Write as _;

use crate::dice::Dice;

/// What a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Noop,
    Act,
    /// An action that ends only when its time is out.
    Never,
    Below,
}

/// Where a transition leads, and under which condition.
#[derive(Clone, Debug)]
struct Way {
    clause: &'static str,
    target: String,
    condition: Option<String>,
}

#[derive(Clone, Debug)]
struct Task {
    work: Work,
    action: &'static str,
    items: Option<usize>,
    ways: Vec<Way>,
    inbound: usize,
    join: Option<&'static str>,
    /// Whether it comes back to an earlier task or itself some times.
    loops: bool,
    policies: Vec<String>,
}

const CLAUSES: [&str; 3] = ["on-success", "on-error", "on-complete"];

/// The text of three workflows: `w0` may call `w1`, which may call `w2`.
pub(crate) fn text(dice: &mut Dice, calm: bool) -> String {
    let mut text = "version: '2.0'\n".to_owned();
    for (level, most) in [4, 3, 2].into_iter().enumerate() {
        let tasks = tasks(dice, most, level < 2, calm);
        write(&mut text, level, &tasks);
    }
    text
}

fn tasks(dice: &mut Dice, most: usize, calls: bool, calm: bool) -> Vec<Task> {
    let count = dice.between(1, most);
    let mut tasks: Vec<Task> = (0..count).map(|_| task(dice, calls, calm)).collect();
    for index in 1..count {
        let mut sources: Vec<usize> = (0..index).collect();
        for _ in 0..[0, 1, 1, 1, 2, 2][dice.below(6)] {
            if sources.is_empty() {
                break;
            }
            let source = sources.remove(dice.below(sources.len()));
            let clause = CLAUSES[[0, 0, 0, 1, 2][dice.below(5)]];
            lead(&mut tasks, source, clause, format!("t{index}"), None);
            tasks[index].inbound += 1;
            if !calm && dice.chance(1, 6) {
                let clause = CLAUSES[dice.below(3)];
                lead(&mut tasks, source, clause, format!("t{index}"), None);
            }
        }
        let inbound = tasks[index].inbound;
        tasks[index].join = match inbound {
            0 => None,
            1 if calm => dice.chance(1, 4).then_some("all"),
            _ if calm => Some("all"),
            _ => [None, Some("all"), Some("one"), Some("2")]
                [dice.below(3 + usize::from(inbound > 1))],
        };
    }
    for index in 0..count {
        if dice.chance(1, 8) {
            come_back(dice, &mut tasks, index, calm);
        }
        if dice.chance(1, 25) {
            lead(&mut tasks, index, "on-success", "pause".to_owned(), None);
        }
        if !calm && dice.chance(1, 8) {
            let target = ["fail", "succeed", "noop"][dice.below(3)];
            let clause = CLAUSES[dice.below(3)];
            lead(&mut tasks, index, clause, target.to_owned(), None);
        }
    }
    tasks
}

fn lead(
    tasks: &mut [Task],
    from: usize,
    clause: &'static str,
    target: String,
    condition: Option<String>,
) {
    tasks[from].ways.push(Way {
        clause,
        target,
        condition,
    });
}

/// Has a task lead back, until it has run three times.
fn come_back(dice: &mut Dice, tasks: &mut [Task], index: usize, calm: bool) {
    let task = &mut tasks[index];
    let alone = task.join.is_none()
        && task.inbound == 1
        && task.items.is_none()
        && !task.ways.iter().any(|way| way.clause == "on-complete");
    if index == 0 || calm && !alone {
        return;
    }
    task.loops = true;
    if calm {
        for way in &mut task.ways {
            if way.clause == "on-success" {
                way.condition = Some(format!("$.n{index} >= 3"));
            }
        }
    }
    let target = if calm { index } else { dice.between(1, index) };
    let condition = Some(format!("$.n{index} < 3"));
    lead(tasks, index, "on-success", format!("t{target}"), condition);
    tasks[target].inbound += 1;
}

fn task(dice: &mut Dice, calls: bool, calm: bool) -> Task {
    let work = match dice.below(20) {
        0..=2 => Work::Noop,
        3 => Work::Never,
        4..=8 if calls => Work::Below,
        _ => Work::Act,
    };
    let items = (work != Work::Never && dice.chance(1, 4)).then(|| dice.below(3));
    let mut policies = Vec::new();
    if work == Work::Never {
        policies.push(format!("timeout: {}", dice.between(1, 3)));
    } else if dice.chance(1, 8) {
        let seconds = if calm { 100_000 } else { dice.between(1, 3) };
        policies.push(format!("timeout: {seconds}"));
    }
    // What is below a task does not know which try of it this is. And how far a task comes before
    // its time is out is a matter of time, if it does anything beside its action.
    let alone = calm && work == Work::Never;
    if dice.chance(1, 4) && !(calm && work == Work::Below) && !alone {
        let (count, delay) = (dice.between(1, 2), dice.below(2));
        policies.push(format!("retry: {{count: {count}, delay: {delay}}}"));
    }
    if dice.chance(1, 10) && !alone {
        policies.push("wait-before: 1".to_owned());
    }
    if dice.chance(1, 10) {
        policies.push("wait-after: 1".to_owned());
    }
    if dice.chance(1, 30) && !alone {
        policies.push("pause-before: true".to_owned());
    }
    let action = ["act", "act", "safe", "read"][dice.below(4)];
    if action == "safe" {
        policies.push("safe-rerun: true".to_owned());
    }
    Task {
        work,
        action,
        items,
        ways: Vec::new(),
        inbound: 0,
        join: None,
        loops: false,
        policies,
    }
}

fn write(text: &mut String, level: usize, tasks: &[Task]) {
    let _ = writeln!(text, "w{level}:\n  input: [path]\n  output:");
    for index in 0..tasks.len() {
        let _ = writeln!(text, "    p{index}: <% $.get(p{index}, null) %>");
        let _ = writeln!(text, "    e{index}: <% $.get(e{index}, null) %>");
    }
    let _ = writeln!(text, "  tasks:");
    for (index, task) in tasks.iter().enumerate() {
        let _ = writeln!(text, "    t{index}:");
        let path = if task.items.is_some() {
            format!("$.path + '/t{index}.' + str($.i)")
        } else if task.loops {
            format!("$.path + '/t{index}.' + str($.get(n{index}, 0))")
        } else {
            format!("$.path + '/t{index}'")
        };
        if let Some(concurrency) = task.items {
            let _ = writeln!(text, "      with-items: i in [0, 1, 2]");
            let _ = writeln!(text, "      concurrency: {concurrency}");
        }
        let _ = match task.work {
            Work::Noop => writeln!(text, "      action: std.noop"),
            Work::Act => writeln!(text, "      action: {}", task.action),
            Work::Never if task.action == "safe" => writeln!(text, "      action: never_safe"),
            Work::Never => writeln!(text, "      action: never"),
            Work::Below => writeln!(text, "      workflow: w{}", level + 1),
        };
        if task.work != Work::Noop {
            let _ = writeln!(text, "      input:\n        path: <% {path} %>");
        }
        let _ = writeln!(
            text,
            "      publish:\n        p{index}: <% task().result %>"
        );
        if task.loops {
            let _ = writeln!(text, "        n{index}: <% $.get(n{index}, 0) + 1 %>");
        }
        let _ = writeln!(text, "      publish-on-error:\n        e{index}: failed");
        if let Some(join) = task.join {
            let _ = writeln!(text, "      join: {join}");
        }
        for policy in &task.policies {
            let _ = writeln!(text, "      {policy}");
        }
        for clause in CLAUSES {
            let mut ways = task
                .ways
                .iter()
                .filter(|way| way.clause == clause)
                .peekable();
            if ways.peek().is_some() {
                let _ = writeln!(text, "      {clause}:");
            }
            for Way {
                target, condition, ..
            } in ways
            {
                let _ = match condition {
                    Some(condition) => writeln!(text, "        - {target}: <% {condition} %>"),
                    None => writeln!(text, "        - {target}"),
                };
            }
        }
    }
}
