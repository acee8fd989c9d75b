//! A plan for people: what happens to each entity, and the lines that differ.

use std::fmt::Write;

use console::{Style, style};
use serde_json::{Value as Json, json};
use similar::{ChangeTag, TextDiff};

use crate::{
    failure::Failure,
    plan::{Action, Change, Plan},
    terminal::printable,
    yaml,
};

/// The unchanged lines shown around a changed one.
const CONTEXT: usize = 3;

/// The plan as text, coloured where the standard output has colours.
pub(crate) fn render(plan: &Plan<'_>) -> Result<String, Failure> {
    let mut text = String::new();
    for change in &plan.changes {
        text.push_str(&heading(change));
        fields(&mut text, change)?;
        text.push('\n');
    }
    text.push_str(&plan.summary());
    text.push('\n');
    Ok(text)
}

fn heading(change: &Change<'_>) -> String {
    let (sign, what, colour) = match change.action {
        Action::Create => ("+", "create", Style::new().green()),
        Action::Replace { .. } => ("~", "replace", Style::new().yellow()),
        Action::Publish { .. } => ("^", "publish", Style::new().yellow()),
        Action::Delete { .. } => ("-", "delete", Style::new().red()),
    };
    let heading = format!("{sign} {what} {} {}", change.kind, change.name);
    format!("{}\n", colour.bold().apply_to(printable(&heading)))
}

fn fields(text: &mut String, change: &Change<'_>) -> Result<(), Failure> {
    let Some(after) = change.after else { return Ok(()) };
    let before = change.before.map(|entity| &entity.fields);
    let removed = before.into_iter().flat_map(|before| before.keys());
    let removed = removed.filter(|field| !after.entity.fields.contains_key(*field));
    for field in after.entity.fields.keys().chain(removed).filter(|field| *field != "name") {
        let (old, new) = (before.and_then(|before| before.get(field)), after.entity.fields.get(field));
        if old != new {
            lines(text, field, &block(field, old)?, &block(field, new)?);
        }
    }
    if change.sends_credentials {
        lines(text, "credentials", "", "credentials: (secret)\n");
    }
    if change.drops_credentials {
        lines(text, "credentials", "credentials: (secret)\n", "");
    }
    Ok(())
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The field as YAML; nothing for one that is empty, as a file would leave it out.
fn block(field: &str, value: Option<&Json>) -> Result<String, Failure> {
    match value {
        Some(value) if !is_empty(value) => yaml::write(&json!({ field: value })),
        _ => Ok(String::new()),
    }
}

fn lines(text: &mut String, field: &str, old: &str, new: &str) {
    let diff = TextDiff::from_lines(old, new);
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        let begins_later = group.first().is_some_and(|op| op.new_range().start > 0);
        if begins_later {
            let label = if index == 0 { format!("    {field}: …") } else { "    …".to_owned() };
            let _ = writeln!(text, "{}", style(label).dim());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = printable(change.value().trim_end_matches('\n')).into_owned();
            let _ = match change.tag() {
                ChangeTag::Delete => writeln!(text, "  {}", style(format!("- {line}")).red()),
                ChangeTag::Insert => writeln!(text, "  {}", style(format!("+ {line}")).green()),
                ChangeTag::Equal => writeln!(text, "    {line}"),
            };
        }
    }
}
