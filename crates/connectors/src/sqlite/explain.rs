//! How would the engine run a statement?

use serde_json::{Value as Json, json};
use tidegate_core::{Error, Result};
use tidegate_statement::Bind;

use super::{connect::Session, error, run};

/// What the engine calls a statement that gives a plan and runs nothing.
const QUERY_PLAN: i32 = 2;

/// The plan of a statement, as a tree. The engine compiles the statement and runs nothing of it.
pub(super) fn explain(session: &Session, text: &str, binds: &[Bind]) -> Result<Json> {
    // The engine's complaints about the statement count its characters without the prefix.
    run::prepare(session, text)?;
    let mut prepared = run::prepare(session, &format!("EXPLAIN QUERY PLAN {text}"))?;
    // The engine counts the plan of what writes as something that writes, so it is asked what it has prepared.
    if prepared.is_explain() != QUERY_PLAN {
        return Err(Error::internal("the plan of a statement is none"));
    }
    run::bind_all(&mut prepared, binds)?;
    let mut steps = Vec::new();
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next().map_err(error::running)? {
        let step = || Ok(Step { id: row.get("id")?, parent: row.get("parent")?, detail: row.get("detail")? });
        steps.push(step().map_err(error::running)?);
    }
    Ok(tree(&steps, 0))
}

/// A row of a plan. The parent of the outermost is 0.
struct Step {
    id: i64,
    parent: i64,
    detail: String,
}

/// The steps below one, each with its own. A step comes behind its parent, so the tree has an end.
fn tree(steps: &[Step], parent: i64) -> Json {
    let mut children = Vec::new();
    let mut rest = steps;
    while let Some((step, behind)) = rest.split_first() {
        if step.parent == parent {
            children.push(json!({"detail": step.detail, "children": tree(behind, step.id)}));
        }
        rest = behind;
    }
    Json::Array(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_become_a_tree() {
        let step = |id, parent, detail: &str| Step { id, parent, detail: detail.to_owned() };
        let steps = [step(3, 0, "a"), step(8, 3, "b"), step(9, 8, "c"), step(20, 0, "d")];
        let leaf = |detail| json!({"detail": detail, "children": []});
        let b = json!({"detail": "b", "children": [leaf("c")]});
        assert_eq!(tree(&steps, 0), json!([{"detail": "a", "children": [b]}, leaf("d")]));
        assert_eq!(tree(&[step(1, 1, "itself")], 1), json!([{"detail": "itself", "children": []}]));
    }
}
