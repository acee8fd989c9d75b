//! PostgreSQL's plans: nodes with their `Plans` below them, each with a cost that includes those.

use serde_json::Value as Json;

use super::Step;

/// The steps of a plan, outermost first.
pub(super) fn steps(plan: &Json) -> Vec<Step> {
    let mut steps = Vec::new();
    for statement in plan.as_array().into_iter().flatten() {
        if let Some(root) = statement.get("Plan") {
            collect(root, &mut steps);
        }
    }
    steps
}

fn collect(node: &Json, steps: &mut Vec<Step>) {
    let text = |key: &str| node.get(key).and_then(Json::as_str);
    let number = |key: &str| node.get(key).and_then(Json::as_f64);
    let below = || node.get("Plans").and_then(Json::as_array).into_iter().flatten();
    let mut what = text("Node Type").unwrap_or("step").to_owned();
    if let Some(operation) = text("Operation") {
        what = format!("{what} {operation}");
    }
    if let Some(index) = text("Index Name") {
        what = format!("{what} using {index}");
    }
    let on = text("Relation Name").or_else(|| text("CTE Name")).or_else(|| text("Function Name"));
    if let Some(on) = on {
        what = format!("{what} on {on}");
    }
    let spent: f64 = below().filter_map(|child| child.get("Total Cost")?.as_f64()).sum();
    // A LIMIT costs less than what it cuts short.
    let cost = number("Total Cost").map(|total| (total - spent).max(0.0));
    steps.push(Step { what, rows: number("Plan Rows"), cost });
    below().for_each(|child| collect(child, steps));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_costs_what_those_below_it_do_not() {
        let scan = json!({"Node Type": "Seq Scan", "Relation Name": "flights", "Total Cost": 100.0, "Plan Rows": 5000});
        let probe = json!({"Node Type": "Index Scan", "Index Name": "airlines_pkey", "Relation Name": "airlines",
                           "Total Cost": 0.5, "Plan Rows": 1});
        let join = json!({"Node Type": "Nested Loop", "Total Cost": 130.5, "Plan Rows": 5000, "Plans": [scan, probe]});
        let limit = json!({"Node Type": "Limit", "Total Cost": 2.0, "Plan Rows": 10, "Plans": [join]});
        let lines: Vec<String> = steps(&json!([{"Plan": limit}])).iter().map(Step::to_string).collect();
        let expected = [
            "Limit: 10 rows, cost 0.00",
            "Nested Loop: 5000 rows, cost 30.00",
            "Seq Scan on flights: 5000 rows, cost 100.00",
            "Index Scan using airlines_pkey on airlines: 1 row, cost 0.50",
        ];
        assert_eq!(lines, expected);
        assert_eq!(steps(&json!({"Plan": 1})), []);
    }
}
