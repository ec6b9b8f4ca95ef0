//! `with-items`: `name in <% list %>`, or `name in [1, 2]`.

use std::sync::Arc;

use indexmap::IndexMap;
use ostro_core::Value;

use super::context::Context;
use super::template::{Fragment, find_expression, find_yaql, text_template, value_template};
use crate::diagnostics::Code;
use crate::template::Template;
use crate::yaml::{Entry, Node, NodeKind, Trace};

/// The variables and what each runs over.
pub(crate) fn with_items(cx: &mut Context<'_>, entry: &Entry) -> Vec<(Arc<str>, Template)> {
    let nodes: &[Node] = match &entry.value.kind {
        NodeKind::Scalar(Value::String(_)) => std::slice::from_ref(&entry.value),
        NodeKind::List(items) if !items.is_empty() => items,
        _ => {
            cx.wrong_type(entry, "`name in <% list %>`, or a list of such texts");
            return Vec::new();
        }
    };
    let mut items: IndexMap<Arc<str>, Template> = IndexMap::new();
    for node in nodes {
        let Some(text) = node.as_str() else {
            let message = format!("`with-items` holds texts, not {}", node.describe());
            cx.at_node(Code::WrongType, node, message);
            continue;
        };
        let trace = Trace::of(&cx.source, node);
        if let Some((name, list)) = item(cx, Fragment::new(text, &trace))
            && items.insert(Arc::clone(&name), list).is_some()
        {
            let message = format!("`{name}` runs over two lists; the last one counts");
            cx.report(Code::Ignored, node.at, node.length, message, None);
        }
    }
    items.into_iter().collect()
}

fn item(cx: &mut Context<'_>, text: Fragment<'_>) -> Option<(Arc<str>, Template)> {
    let text = text.trimmed();
    let wrong = |cx: &mut Context<'_>| {
        cx.report(
            Code::WithItems,
            text.place(0),
            text.length(),
            "`with-items` is written `name in <% list %>` or `name in [1, 2]`",
            None,
        );
        None
    };
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let name_end = text.text.find(|c| !is_name(c)).unwrap_or(text.text.len());
    let name = &text.text[..name_end];
    let after = text.text[name_end..].trim_start();
    let Some(list) = after.strip_prefix("in").map(str::trim_start) else {
        return wrong(cx);
    };
    if name.is_empty() {
        return wrong(cx);
    }
    let list = text.part(text.text.len() - list.len(), text.text.len());
    let end = if list.text.starts_with('[') {
        let line = list.text.split('\n').next().unwrap_or_default();
        line.rfind(']').map(|at| at + 1)
    } else if list.text.starts_with("<%") {
        find_yaql(list.text, 0)
            .filter(|(start, _)| *start == 0)
            .map(|(_, end)| end)
    } else {
        find_expression(list.text, 0, "{{", "}}")
            .filter(|(start, _)| *start == 0)
            .map(|(_, end)| end)
    };
    let Some(end) = end else { return wrong(cx) };
    let rest = list.part(end, list.text.len()).trimmed();
    if !rest.text.is_empty() {
        cx.report(
            Code::Ignored,
            rest.place(0),
            rest.length(),
            format!("`{}` after the list is ignored", rest.text),
            Some("put all of it into the expression".to_owned()),
        );
    }
    let list = list.part(0, end);
    if !list.text.starts_with('[') {
        return Some((name.into(), text_template(cx, list)));
    }
    match serde_json::from_str::<Value>(list.text) {
        Ok(value) => Some((name.into(), value_template(cx, &value, list))),
        Err(error) => {
            let at = list
                .text
                .char_indices()
                .nth(error.column().saturating_sub(1));
            cx.report(
                Code::WithItems,
                list.place(at.map_or(0, |(at, _)| at)),
                1,
                "this list is not JSON",
                Some("write texts in double quotes, or use an expression".to_owned()),
            );
            None
        }
    }
}
