//! The plans of MySQL and MariaDB: `table` objects anywhere in a tree, and the sorts and temporary tables above them.
//! Every version names and nests them differently.

use serde_json::Value as Json;

use super::Step;

/// The steps of a plan, outermost first.
pub(super) fn steps(plan: &Json) -> Vec<Step> {
    let mut steps = Vec::new();
    collect(plan, &mut steps);
    steps
}

fn collect(node: &Json, steps: &mut Vec<Step>) {
    match node {
        Json::Array(nodes) => nodes.iter().for_each(|node| collect(node, steps)),
        Json::Object(fields) => {
            for (key, below) in fields {
                match key.as_str() {
                    "table" => steps.extend(table(below)),
                    "filesort" => steps.push(step("sort")),
                    "temporary_table" => steps.push(step("temporary table")),
                    // MySQL's flags of the same on the operation above.
                    "using_filesort" if *below == Json::Bool(true) => steps.push(step("sort")),
                    "using_temporary_table" if *below == Json::Bool(true) => steps.push(step("temporary table")),
                    _ => {}
                }
                collect(below, steps);
            }
        }
        _ => {}
    }
}

fn step(what: &str) -> Step {
    Step { what: what.to_owned(), rows: None, cost: None }
}

fn table(table: &Json) -> Option<Step> {
    let text = |key: &str| table.get(key).and_then(Json::as_str);
    let number = |key: &str| table.get(key).and_then(number);
    let Some(name) = text("table_name") else { return text("message").map(step) };
    let access = match text("access_type").unwrap_or("read") {
        "ALL" => "full scan",
        "index" => "full index scan",
        access => access,
    };
    let key = text("key").map(|key| format!(" using {key}")).unwrap_or_default();
    // MySQL counts the rows of one scan; MariaDB also says how often it scans.
    let scanned = number("rows_examined_per_scan").or_else(|| number("rows"));
    let rows = scanned.map(|rows| rows * number("loops").unwrap_or(1.0));
    let parts = table.get("cost_info");
    let part = |key: &str| parts?.get(key).and_then(self::number);
    let cost = match (part("read_cost"), part("eval_cost")) {
        (None, None) => number("cost"),
        (read, eval) => Some(read.unwrap_or(0.0) + eval.unwrap_or(0.0)),
    };
    Some(Step { what: format!("{access} on {name}{key}"), rows, cost })
}

/// A number, which MySQL often writes as a text.
fn number(value: &Json) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(plan: &Json) -> Vec<String> {
        steps(plan).iter().map(Step::to_string).collect()
    }

    #[test]
    fn a_plan_of_mysql_has_costs() {
        let all = json!({"table_name": "f", "access_type": "ALL", "rows_examined_per_scan": 5000,
                         "cost_info": {"read_cost": "12.50", "eval_cost": "500.00", "prefix_cost": "512.50"}});
        let probe = json!({"table_name": "a", "access_type": "eq_ref", "key": "PRIMARY", "rows_examined_per_scan": 1,
                           "cost_info": {"read_cost": "5.00", "eval_cost": "0.50"}});
        let ordering = json!({"using_filesort": true, "nested_loop": [{"table": all}, {"table": probe}]});
        let plan = json!({"query_block": {"select_id": 1, "ordering_operation": ordering}});
        let mut lines = lines(&plan);
        lines.sort();
        let expected =
            ["eq_ref on a using PRIMARY: 1 row, cost 5.50", "full scan on f: 5000 rows, cost 512.50", "sort"];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_plan_of_mariadb_has_rows() {
        let scan = json!({"table_name": "t", "access_type": "index", "key": "k", "rows": 7, "loops": 3});
        let sorted = json!({"filesort": {"sort_key": "t.x", "table": scan}});
        let plan = json!({"query_block": {"select_id": 1, "nested_loop": [{"read_sorted_file": sorted}]}});
        assert_eq!(lines(&plan), ["sort", "full index scan on t using k: 21 rows"]);
        let none = json!({"query_block": {"table": {"message": "No tables used"}}});
        assert_eq!(lines(&none), ["No tables used"]);
    }
}
