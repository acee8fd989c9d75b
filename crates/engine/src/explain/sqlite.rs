//! SQLite's plans: texts, without rows or costs.

use serde_json::Value as Json;

use super::step::{Plan, Step};

/// The plan; the steps that read a whole table or sort come first.
pub(super) fn read(plan: &Json) -> Plan {
    let mut details = Vec::new();
    collect(plan, &mut details);
    details.sort_by_key(|detail| rank(detail));
    Plan { steps: details.into_iter().map(Step::bare).collect(), cost: None }
}

fn collect<'a>(steps: &'a Json, details: &mut Vec<&'a str>) {
    for step in steps.as_array().into_iter().flatten() {
        details.extend(step.get("detail").and_then(Json::as_str));
        step.get("children").into_iter().for_each(|below| collect(below, details));
    }
}

fn rank(detail: &str) -> u8 {
    match detail {
        scan if scan.starts_with("SCAN ") && !scan.contains(" INDEX ") => 0,
        scan if scan.starts_with("SCAN ") => 1,
        sort if sort.starts_with("USE TEMP B-TREE") => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_tables_come_first() {
        let search = json!({"detail": "SEARCH a USING INDEX a_code (code=?)", "children": []});
        let below = json!([search, {"detail": "SCAN f", "children": []}]);
        let plan = json!([{"detail": "CO-ROUTINE x", "children": below}, {"detail": "USE TEMP B-TREE FOR ORDER BY"}]);
        let lines: Vec<String> = read(&plan).steps.iter().map(Step::to_string).collect();
        let expected =
            ["SCAN f", "USE TEMP B-TREE FOR ORDER BY", "CO-ROUTINE x", "SEARCH a USING INDEX a_code (code=?)"];
        assert_eq!(lines, expected);
    }
}
