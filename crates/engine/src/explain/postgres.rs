//! PostgreSQL's plans: nodes with their `Plans` below them, each with a cost that includes those.
//!
//! The rows of a node are those of one run of it that goes to its end. How often it runs, and how much of it a limit above
//! leaves, follows from the nodes above.

use serde_json::Value as Json;

use super::step::{Plan, Remedy, Step, list, names};

/// The plan.
pub(super) fn read(plan: &Json) -> Plan {
    let mut read = Plan::default();
    for root in plan.as_array().into_iter().flatten().filter_map(|statement| statement.get("Plan")) {
        let root = Node(root);
        read.cost = root.number("Total Cost");
        root.collect(Runs { times: 1.0, once: 1.0, share: 1.0 }, &mut read.steps);
    }
    read
}

/// How much of a node is run.
#[derive(Clone, Copy)]
struct Runs {
    /// How often it is.
    times: f64,
    /// How often it would be if whoever repeats it kept its rows.
    once: f64,
    /// How much of a run is asked for, from 0 to 1.
    share: f64,
}

#[derive(Clone, Copy)]
struct Node<'a>(&'a Json);

impl<'a> Node<'a> {
    fn text(self, key: &str) -> Option<&'a str> {
        self.0.get(key).and_then(Json::as_str)
    }

    fn number(self, key: &str) -> Option<f64> {
        self.0.get(key).and_then(Json::as_f64)
    }

    fn below(self) -> impl Iterator<Item = Node<'a>> {
        self.0.get("Plans").and_then(Json::as_array).into_iter().flatten().map(Node)
    }

    fn texts(self) -> impl Iterator<Item = &'a str> {
        self.0.as_object().into_iter().flat_map(|fields| fields.values()).filter_map(Json::as_str)
    }

    fn kind(self) -> &'a str {
        self.text("Node Type").unwrap_or("step")
    }

    fn rows(self) -> f64 {
        self.number("Plan Rows").unwrap_or(0.0)
    }

    fn total_cost(self) -> f64 {
        self.number("Total Cost").unwrap_or(0.0)
    }

    fn startup_cost(self) -> f64 {
        self.number("Startup Cost").unwrap_or(0.0)
    }

    /// What it reads.
    fn relation(self) -> Option<&'a str> {
        self.text("Relation Name").or_else(|| self.text("CTE Name")).or_else(|| self.text("Function Name"))
    }

    /// This node and all below it, but not what only computes a value for it.
    fn tree(self) -> Vec<Node<'a>> {
        let mut nodes = vec![self];
        for child in self.below().filter(|child| child.is_input()) {
            nodes.extend(child.tree());
        }
        nodes
    }

    fn is_input(self) -> bool {
        !matches!(self.text("Parent Relationship"), Some("InitPlan" | "SubPlan"))
    }

    /// The two sides of a nested loop.
    fn sides(self) -> Option<(Node<'a>, Node<'a>)> {
        let side = |relationship| self.below().find(|child| child.text("Parent Relationship") == Some(relationship));
        (self.kind() == "Nested Loop").then(|| Some((side("Outer")?, side("Inner")?)))?
    }

    fn what(self) -> String {
        let mut what = self.kind().to_owned();
        if let Some(operation) = self.text("Operation") {
            what = format!("{what} {operation}");
        }
        if let Some(index) = self.text("Index Name") {
            what = format!("{what} using {index}");
        }
        match self.relation() {
            Some(on) => format!("{what} on {on}"),
            None if self.text("Join Type").is_some() => format!("{what} of {}", self.relations()),
            None => what,
        }
    }

    fn relations(self) -> String {
        list(&self.tree().into_iter().filter_map(Node::relation).collect::<Vec<_>>())
    }

    fn remedy(self) -> Remedy {
        let condition = |key: &str| self.text(key).map(str::to_owned);
        match (self.kind(), self.relation(), self.sides()) {
            ("Seq Scan", Some(table), _) => match condition("Filter") {
                Some(filter) => Remedy::Index(table.to_owned(), filter),
                None => Remedy::Filter(table.to_owned()),
            },
            (_, _, Some((outer, inner))) => match condition("Join Filter") {
                Some(filter) => Remedy::JoinColumns(filter),
                None if outer.rows() > 1.0 && inner.rows() > 1.0 && !inner.depends_on(outer) => {
                    Remedy::JoinCondition(self.relations())
                }
                None => Remedy::Narrow,
            },
            _ => Remedy::Narrow,
        }
    }

    /// Whether a condition in this tree speaks of a relation of the other.
    fn depends_on(self, other: Node<'_>) -> bool {
        let aliases: Vec<&str> = other.tree().into_iter().filter_map(|node| node.text("Alias")).collect();
        self.tree().into_iter().any(|node| node.texts().any(|text| aliases.iter().any(|alias| names(text, alias))))
    }

    /// Adds the steps of this node and those below.
    fn collect(self, runs: Runs, steps: &mut Vec<Step>) {
        let spent: f64 = self.below().map(Node::total_cost).sum();
        // A function in `FROM` gives its first row when it has made its last.
        let share = if self.kind() == "Function Scan" { 1.0 } else { runs.share };
        let given = self.rows() * runs.times * share;
        let outer_given = self.sides().map(|(outer, _)| outer.rows() * runs.times * self.share_of(outer, share));
        // What it holds against each other is more than what it gives.
        let pairs = self.sides().zip(outer_given).map(|((_, inner), outer_given)| inner.rows() * outer_given);
        let passes_on = matches!(self.kind(), "Materialize" | "Memoize" | "Hash" | "Gather" | "Gather Merge");
        steps.push(Step {
            what: self.what(),
            rows: self.number("Plan Rows"),
            // A LIMIT costs less than what it cuts short.
            cost: self.number("Total Cost").map(|total| (total - spent).max(0.0)),
            total_rows: (!passes_on).then(|| given.max(pairs.unwrap_or(0.0))),
            remedy: self.remedy(),
        });
        let times = if self.kind() == "Materialize" { runs.once } else { runs.times };
        for child in self.below() {
            let runs = match (child.text("Parent Relationship"), outer_given) {
                (Some("InitPlan"), _) => Runs { times: 1.0, once: 1.0, share: 1.0 },
                (Some("SubPlan"), _) => {
                    let times = if self.hashes(child) { times } else { given.max(1.0) };
                    Runs { times, once: times, share: 1.0 }
                }
                (Some("Inner"), Some(outer_given)) => Runs { times: outer_given, once: times, share: 1.0 },
                _ => {
                    let times = times * self.processes();
                    Runs { times, once: times, share: self.share_of(child, share) }
                }
            };
            child.collect(runs, steps);
        }
    }

    /// How much of a run of a child is asked for.
    fn share_of(self, child: Node<'_>, share: f64) -> f64 {
        let (startup, whole) = (child.startup_cost(), child.total_cost());
        if self.kind() == "Limit" && whole > startup {
            share * ((self.total_cost() - startup) / (whole - startup)).clamp(0.0, 1.0)
        } else if self.startup_cost() >= whole || self.kind() == "WindowAgg" {
            // The child has ended before this gives its first row: a sort, a hash, an aggregate. A window may be all rows,
            // which the costs tell from PostgreSQL 17 on.
            1.0
        } else {
            share
        }
    }

    /// Whether the result of a subquery is kept, so that it runs once.
    fn hashes(self, subquery: Node<'_>) -> bool {
        let name = subquery.text("Subplan Name").unwrap_or_default();
        let hashed = format!("hashed {name}");
        self.texts().any(|text| text.contains(&hashed))
    }

    /// Into how many the rows of the nodes below are divided, as the planner reckons: each worker and, when there are few,
    /// a part of their leader.
    fn processes(self) -> f64 {
        match self.number("Workers Planned") {
            Some(workers) => workers + (1.0 - 0.3 * workers).max(0.0),
            None => 1.0,
        }
    }
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
        let join = json!({"Node Type": "Nested Loop", "Join Type": "Inner", "Total Cost": 130.5, "Plan Rows": 5000, "Plans": [scan, probe]});
        let limit = json!({"Node Type": "Limit", "Total Cost": 2.0, "Plan Rows": 10, "Plans": [join]});
        let lines: Vec<String> = read(&json!([{"Plan": limit}])).steps.iter().map(Step::to_string).collect();
        let expected = [
            "Limit: 10 rows, cost 0.00",
            "Nested Loop of flights and airlines: 5000 rows, cost 30.00",
            "Seq Scan on flights: 5000 rows, cost 100.00",
            "Index Scan using airlines_pkey on airlines: 1 row, cost 0.50",
        ];
        assert_eq!(lines, expected);
        assert_eq!(read(&json!({"Plan": 1})), Plan::default());
    }
}
