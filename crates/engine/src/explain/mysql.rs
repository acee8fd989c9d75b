//! The plans of MySQL and MariaDB: `table` objects anywhere in a tree, and the sorts and temporary tables above them.
//! Every version names and nests them differently.
//!
//! The tables of a query block stand in the order in which they are joined: each is read as often as the tables before
//! it have rows that fit.

use serde_json::{Map, Value as Json};

use super::step::{Plan, Remedy, Step, list, names};

/// The plan.
pub(super) fn read(plan: &Json) -> Plan {
    let mut read = Plan::default();
    collect(plan, &mut Block::repeated(1.0), &mut read);
    read
}

/// What is known of a query block, up to a table of it.
struct Block<'a> {
    /// How often the block runs.
    times: f64,
    /// How many rows of the tables before fit, joined.
    rows: f64,
    /// The names of those tables.
    tables: Vec<&'a str>,
}

impl Block<'_> {
    fn repeated(times: f64) -> Self {
        Self { times, rows: 1.0, tables: Vec::new() }
    }
}

fn collect<'a>(node: &'a Json, block: &mut Block<'a>, plan: &mut Plan) {
    match node {
        Json::Array(nodes) => nodes.iter().for_each(|node| collect(node, block, plan)),
        Json::Object(fields) => fields.iter().for_each(|(key, below)| member(fields, key, below, block, plan)),
        _ => {}
    }
}

fn member<'a>(fields: &'a Map<String, Json>, key: &str, below: &'a Json, block: &mut Block<'a>, plan: &mut Plan) {
    match key {
        "query_block" => {
            let cost = below.get("cost").or_else(|| below.get("cost_info")?.get("query_cost")).and_then(number);
            // A block that reads no table says so in a message of its own.
            plan.steps.extend(below.get("message").and_then(Json::as_str).map(Step::bare));
            plan.cost = cost.map(|cost| cost * block.times).into_iter().chain(plan.cost).reduce(|one, two| one + two);
            collect(below, &mut Block::repeated(block.times), plan);
        }
        // MariaDB has the condition of a join beside the table.
        "table" => table(below, fields.get("attached_condition"), block, plan),
        subqueries if subqueries.ends_with("subqueries") => {
            for subquery in below.as_array().into_iter().flatten() {
                let is_dependent =
                    subquery.get("dependent") == Some(&Json::Bool(true)) || subquery.get("expression_cache").is_some();
                let times = if is_dependent { block.times * block.rows } else { block.times };
                collect(subquery, &mut Block::repeated(times), plan);
            }
        }
        _ => {
            match key {
                "filesort" => plan.steps.push(Step::bare("sort")),
                "temporary_table" => plan.steps.push(Step::bare("temporary table")),
                // MySQL's flags of the same on the operation above.
                "using_filesort" if *below == Json::Bool(true) => plan.steps.push(Step::bare("sort")),
                "using_temporary_table" if *below == Json::Bool(true) => plan.steps.push(Step::bare("temporary table")),
                _ => {}
            }
            collect(below, block, plan);
        }
    }
}

fn table<'a>(table: &'a Json, join_condition: Option<&Json>, block: &mut Block<'a>, plan: &mut Plan) {
    let text = |key: &str| table.get(key).and_then(Json::as_str);
    let number = |key: &str| table.get(key).and_then(number);
    let Some(name) = text("table_name") else {
        plan.steps.extend(text("message").map(|message| Step {
            // MariaDB does not say how many.
            total_rows: (message == "Deleting all rows").then_some(f64::INFINITY),
            ..Step::bare(message)
        }));
        return;
    };
    let access = match text("access_type").unwrap_or("read") {
        "ALL" => "full scan",
        "index" => "full index scan",
        access => access,
    };
    let key = text("key").map(|key| format!(" using {key}")).unwrap_or_default();
    // MySQL counts the rows of one scan; MariaDB also says how often it scans.
    let scanned = number("rows_examined_per_scan").or_else(|| number("rows"));
    let parts = table.get("cost_info");
    let part = |key: &str| parts?.get(key).and_then(self::number);
    let cost = match (part("read_cost"), part("eval_cost")) {
        (None, None) => number("cost"),
        (read, eval) => Some(read.unwrap_or(0.0) + eval.unwrap_or(0.0)),
    };
    let read = scanned.map(|scanned| scanned * block.rows);
    plan.steps.push(Step {
        what: format!("{access} on {name}{key}"),
        rows: scanned.map(|rows| rows * number("loops").unwrap_or(1.0)),
        cost,
        total_rows: read.map(|read| read * block.times),
        remedy: remedy(table, name, join_condition.and_then(Json::as_str), block),
    });
    block.tables.push(name);
    if let Some(read) = read {
        // What stands in a table is what it is made of, or what is computed for each of its rows.
        let mut inside = Block { times: block.times, rows: read, tables: Vec::new() };
        collect(table, &mut inside, plan);
        // A condition may let nothing pass, as far as the planner knows; it knows little.
        block.rows = (read * number("filtered").unwrap_or(100.0) / 100.0).max(1.0);
    }
}

fn remedy(table: &Json, name: &str, join_condition: Option<&str>, block: &Block<'_>) -> Remedy {
    let text = |key: &str| table.get(key).and_then(Json::as_str);
    let conditions = [join_condition, text("attached_condition"), text("index_condition")];
    let is_scan = matches!(text("access_type"), Some("ALL" | "index"));
    let joins = |condition: &&str| block.tables.iter().any(|other| names(condition, other));
    match conditions.into_iter().flatten().find(joins) {
        Some(condition) if is_scan => Remedy::JoinColumns(condition.to_owned()),
        None if is_scan && block.rows > 1.0 => {
            let tables: Vec<&str> = block.tables.iter().copied().chain([name]).collect();
            Remedy::JoinCondition(list(&tables))
        }
        None if is_scan => match text("attached_condition") {
            Some(condition) => Remedy::Index(name.to_owned(), condition.to_owned()),
            None => Remedy::Filter(name.to_owned()),
        },
        _ => Remedy::Narrow,
    }
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
        read(plan).steps.iter().map(Step::to_string).collect()
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
