//! Plans that servers gave, of 1,000 customers, 10,000 orders and 50,000 items: PostgreSQL 15.18, MariaDB 10.11.19, MySQL
//! 9.7.4. Each line of a file is a statement and its plan.

use serde_json::{Value as Json, json};
use tidegate_statement::Dialect;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Server {
    Postgres,
    Mariadb,
    Mysql,
}

impl Server {
    const ALL: [Self; 3] = [Self::Postgres, Self::Mariadb, Self::Mysql];

    fn plan(self, statement: &str) -> Plan {
        let (dialect, recorded) = match self {
            Self::Postgres => (Dialect::Postgres, include_str!("plans/postgres.ndjson")),
            Self::Mariadb => (Dialect::Mysql, include_str!("plans/mariadb.ndjson")),
            Self::Mysql => (Dialect::Mysql, include_str!("plans/mysql.ndjson")),
        };
        let recorded = recorded.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        let found = recorded.into_iter().find(|line| line["statement"] == statement);
        explain::read(dialect, &found.unwrap_or_else(|| panic!("no plan of {statement}"))["plan"])
    }

    /// Why a statement is refused when so many rows are allowed.
    fn refusal(self, statement: &str, rows: u64) -> String {
        let error = judge(&self.plan(statement), at_most(rows)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TooExpensive);
        let (_, why) = error.message().split_once(": ").unwrap();
        why.to_owned()
    }
}

fn at_most(rows: u64) -> MaxEstimate {
    MaxEstimate { rows: NonZeroU64::new(rows), cost: None }
}

fn for_at_most(cost: u64) -> MaxEstimate {
    MaxEstimate { rows: None, cost: NonZeroU64::new(cost) }
}

#[test]
fn a_join_without_a_condition_is_refused_although_it_gives_one_row() {
    let statement = "SELECT count(*) FROM orders o, items i";
    for (server, expected) in [
        (
            Server::Postgres,
            "Nested Loop of orders and items goes through about 500,040,000 rows, more than the 1,000,000 allowed; \
             join orders and items on a condition; there is none",
        ),
        (
            Server::Mariadb,
            "full index scan on i using items_order goes through about 495,215,543 rows, more than the 1,000,000 \
             allowed; join o and i on a condition; there is none",
        ),
        (
            Server::Mysql,
            "full index scan on i using items_order goes through about 504,700,508 rows, more than the 1,000,000 \
             allowed; join o and i on a condition; there is none",
        ),
    ] {
        assert_eq!(server.refusal(statement, 1_000_000), expected);
        judge(&server.plan(statement), at_most(600_000_000)).unwrap();
    }
}

#[test]
fn a_refusal_says_what_would_make_the_statement_less() {
    for (server, statement, end) in [
        (
            Server::Postgres,
            "SELECT * FROM orders o JOIN items i ON o.total + i.qty = 5",
            "every pair of rows is held against ((o.total + i.qty) = 5); join on equal columns that have an index",
        ),
        (
            Server::Mariadb,
            "SELECT * FROM orders o JOIN items i ON o.total + i.qty = 5",
            "every pair of rows is held against o.total + i.qty = 5; join on equal columns that have an index",
        ),
        (
            Server::Mysql,
            "SELECT * FROM items WHERE qty > 1 ORDER BY order_id",
            "filter items more narrowly, or give it an index for (`s`.`items`.`qty` > 1)",
        ),
        (Server::Postgres, "DELETE FROM items", "filter the rows of items"),
        (
            Server::Mariadb,
            "DELETE FROM items",
            "Deleting all rows goes through an unknown number of rows, more than the 1,000 allowed; ask for less: filter \
             more narrowly, or over a shorter range",
        ),
    ] {
        let why = server.refusal(statement, 1_000);
        assert!(why.ends_with(end), "{why}");
    }
}

#[test]
fn a_step_counts_as_often_as_it_is_repeated() {
    for (server, statement, rows) in [
        // For each order, the items that have a greater quantity: a third of 50,000, and all that are looked at.
        (
            Server::Postgres,
            "SELECT o.id, (SELECT count(*) FROM items i WHERE i.qty > o.total) FROM orders o",
            166_670_000,
        ),
        (
            Server::Mariadb,
            "SELECT o.id, (SELECT count(*) FROM items i WHERE i.qty > o.total) FROM orders o",
            495_215_543,
        ),
        (Server::Mysql, "SELECT o.id, (SELECT count(*) FROM items i WHERE i.qty > o.total) FROM orders o", 504_700_508),
        // Once.
        (Server::Postgres, "SELECT * FROM orders o WHERE o.total > (SELECT avg(qty) FROM items)", 50_000),
        (Server::Mariadb, "SELECT * FROM orders o WHERE o.total > (SELECT avg(qty) FROM items)", 49_339),
        (Server::Mysql, "SELECT * FROM orders o WHERE o.total > (SELECT avg(qty) FROM items)", 50_284),
        (Server::Postgres, "SELECT * FROM orders WHERE total NOT IN (SELECT qty FROM items)", 50_000),
        (Server::Postgres, "SELECT c.name, x.n FROM customers c, (SELECT count(*) n FROM items) x", 50_000),
    ] {
        let plan = server.plan(statement);
        judge(&plan, at_most(rows)).unwrap();
        judge(&plan, at_most(rows - 1)).unwrap_err();
    }
}

#[test]
fn postgres_reads_no_more_than_a_page_asks_for() {
    let page = "SELECT * FROM orders LIMIT 1001 OFFSET 0";
    judge(&Server::Postgres.plan(page), at_most(1_010)).unwrap();
    judge(&Server::Postgres.plan(page), at_most(1_000)).unwrap_err();
    // MySQL and MariaDB do not say that they stop.
    judge(&Server::Mariadb.plan(page), at_most(10_000)).unwrap_err();
    // What has to end before its first row is read in whole, page or not.
    let sorted = "SELECT o.id, count(*) FROM orders o JOIN items i ON i.order_id = o.id WHERE o.note = 'note3' \
                  GROUP BY o.id ORDER BY 2 DESC LIMIT 11 OFFSET 0";
    judge(&Server::Postgres.plan(sorted), at_most(999)).unwrap_err();
    let window = "SELECT id, count(*) OVER () FROM orders LIMIT 1001 OFFSET 0";
    judge(&Server::Postgres.plan(window), at_most(9_999)).unwrap_err();
    let function = "SELECT a FROM generate_series(1, 1000000000) a LIMIT 1001 OFFSET 0";
    let why = Server::Postgres.refusal(function, 999_999_999);
    assert!(why.starts_with("Function Scan on generate_series goes through about 1,000,000,000 rows"), "{why}");
}

#[test]
fn the_cost_is_that_of_the_whole_plan() {
    let cartesian = "SELECT count(*) FROM orders o, items i";
    for (server, cost) in [(Server::Postgres, 5_818_196), (Server::Mysql, 50_471_101)] {
        let plan = server.plan(cartesian);
        judge(&plan, for_at_most(cost + 1)).unwrap();
        let error = judge(&plan, for_at_most(cost)).unwrap_err();
        assert!(
            error.message().ends_with("and items on a condition; there is none")
                || error.message().contains("join o and i"),
            "{error}"
        );
    }
    // Of each query block as often as it runs.
    let repeated = "SELECT o.id, (SELECT count(*) FROM items i WHERE i.qty > o.total) FROM orders o";
    judge(&Server::Mysql.plan(repeated), for_at_most(50_000_000)).unwrap_err();
}

#[test]
fn a_cost_that_the_database_does_not_say_counts_as_the_worst() {
    let advice = "the database does not say what it costs; allow it some `rows` instead of a `cost`";
    for (server, statement) in [
        (Server::Mariadb, "SELECT * FROM orders WHERE id = 5 LIMIT 1001 OFFSET 0"),
        (Server::Mysql, "UPDATE orders SET total = 1 WHERE id = 5"),
    ] {
        let error = judge(&server.plan(statement), for_at_most(u64::MAX)).unwrap_err();
        assert!(error.code() == ErrorCode::TooExpensive && error.message().ends_with(advice), "{error}");
    }
}

#[test]
fn what_reads_next_to_nothing_passes_everywhere() {
    let least = at_most(1).and(for_at_most(10));
    for server in Server::ALL {
        for statement in ["SELECT max(id) FROM orders", "SELECT 1", "INSERT INTO orders VALUES (-1, 2, 3, 'x')"] {
            judge(&server.plan(statement), least).unwrap_or_else(|error| panic!("{server:?} {statement}: {error}"));
        }
        judge(&server.plan("SELECT * FROM orders WHERE id = 5 LIMIT 1001 OFFSET 0"), at_most(1)).unwrap();
    }
}

#[test]
fn a_plan_that_cannot_be_read_counts_as_the_worst() {
    let later = json!({"query_plan": {"operation": "Table scan on orders", "estimated_rows": 1.0}});
    let plan = explain::read(Dialect::Mysql, &later);
    assert_eq!(judge(&plan, at_most(u64::MAX)).unwrap_err().code(), ErrorCode::TooExpensive);
}

#[test]
fn numbers_can_be_read() {
    let text = |number: f64| Count(number).to_string();
    assert_eq!([1.0, 999.0, 1_000.4, 1_234_567.0, 1e15].map(text), ["1", "999", "1,000", "1,234,567", "1e15"]);
}
