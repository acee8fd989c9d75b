//! Which functions MySQL or MariaDB has built in, and which others a statement calls.

use std::{collections::HashSet, ops::ControlFlow, sync::LazyLock};

use sqlparser::ast::{Expr, Statement, Visit, Visitor};

/// Those of MySQL 9.7 and MariaDB 11 that only compute or look; what `effects.rs` names is left out.
static BUILT_IN: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("mysql_functions.txt").split_whitespace().collect());

/// Whether a name, in lowercase, is built in.
pub(super) fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(name)
}

/// The names of all other functions that a statement calls, in lowercase, in order and once each: their case does not
/// matter. Behind the name of a database stands a function of the user's own, whatever its name.
pub(super) fn not_built_in(statement: &Statement) -> Vec<String> {
    let mut callees = Callees(Vec::new());
    // The visitor never breaks off.
    let _ = statement.visit(&mut callees);
    callees.0.sort_unstable();
    callees.0.dedup();
    callees.0
}

struct Callees(Vec<String>);

impl Visitor for Callees {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let Some(name) = function.name.0.last().and_then(|part| part.as_ident())
        {
            let in_lowercase = name.value.to_lowercase();
            if function.name.0.len() > 1 || !is_built_in(&in_lowercase) {
                self.0.push(in_lowercase);
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Dialect, guard::analyse};

    #[test]
    fn the_functions_of_a_statement_are_told_apart_by_whether_they_are_built_in() {
        for (text, functions, built_in) in [
            ("SELECT id, a AS b FROM t WHERE x IN (1, 2) AND (y)", &[][..] as &[&str], &[][..] as &[&str]),
            ("SELECT COUNT(*), `Upper` (name) FROM t", &[], &["count", "upper"]),
            ("SELECT Gross(a), `net`(b), gross (c) FROM t", &["gross", "net"], &[]),
            ("SELECT shop.gross(a), shop.count(b) FROM t", &["count", "gross"], &[]),
            ("SELECT substring (a, f(1)), interval(2, 1, 3), 1 + INTERVAL (3) DAY", &["f"], &["interval", "substring"]),
            ("WITH c (f, g) AS (SELECT 1, 2) SELECT * FROM c AS d (f, g)", &[], &[]),
            ("EXPLAIN SELECT f(1) FROM (SELECT g(2)) AS x ORDER BY h(3)", &["f", "g", "h"], &[]),
            ("SHOW TABLES WHERE f(1)", &["f"], &[]),
        ] {
            let calls = analyse(text, Dialect::Mysql).unwrap().calls;
            assert_eq!(calls.functions, functions, "{text}");
            assert_eq!(calls.built_in, built_in, "{text}");
        }
    }
}
