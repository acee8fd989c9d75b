//! Every kind of value over thousands of rows, against the engine's own text.

use tidegate_connectors::Connector;

use crate::{
    fixture::{Fixture, soon, statement},
    pairs::{Pairs, ROWS},
};

/// A declared type, and its value in row `i`.
const CASES: &[(&str, &str)] = &[
    ("INTEGER", "i * 1844674407370955 - 4611686018427387904"),
    ("BIGINT", "i % 3 - 1"),
    ("INTEGER", "CASE i % 3 WHEN 0 THEN i WHEN 1 THEN i / 7.0 ELSE 'text ' || i END"),
    ("TEXT", "substr('é 漢 🌊 and more', 1, i % 15)"),
    ("VARCHAR(10)", "printf('%.*c', i % 300, 'x')"),
    ("TEXT", "CAST(x'63ff65' || i AS TEXT)"),
    ("REAL", "(i - 2500) / 7.0"),
    ("DOUBLE PRECISION", "i * 12345.678"),
    ("BLOB", "CAST(printf('%.*c', i % 200, 'y') AS BLOB)"),
    ("BLOB", "CAST(i AS BLOB)"),
    ("DECIMAL(38,10)", "i || '.10'"),
    ("BOOLEAN", "i % 2 = 0"),
    ("DATE", "date('2000-02-28', i || ' days')"),
    ("JSON", "json_object('i', i)"),
    ("", "CASE i % 4 WHEN 0 THEN i WHEN 1 THEN i / 3.0 WHEN 2 THEN 'ü' || i ELSE CAST(i AS BLOB) END"),
];

#[tokio::test]
async fn every_value_is_what_the_engine_says() {
    let list = |item: fn(usize, &(&str, &str)) -> String| {
        CASES.iter().enumerate().map(|(index, case)| item(index, case)).collect::<Vec<_>>().join(", ")
    };
    let declared = list(|index, (kind, _)| format!("c{index} {kind}"));
    // Another column has its NULL in each row.
    let values = list(|index, (_, value)| format!("CASE WHEN (i + {index}) % 9 <> 0 THEN {value} END"));
    let fixture = Fixture::new(&format!(
        "CREATE TABLE t ({declared}); \
         WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) INSERT INTO t SELECT {values} FROM n"
    ));
    // A text that is not UTF-8 is given as bytes.
    let texts = list(|index, (_, value)| {
        let as_text = if value.contains("x'63") { "hex(c)" } else { "CAST(c AS TEXT)" };
        let text = format!(
            "CASE typeof(c) WHEN 'real' THEN printf('%!.17g', c) WHEN 'blob' THEN hex(c) WHEN 'null' THEN NULL ELSE {as_text} END"
        );
        format!("c{index}, {}", text.replace("(c", &format!("(c{index}")).replace(", c)", &format!(", c{index})")))
    });
    let query = format!("SELECT {texts} FROM t");
    let (pairs, ran) = fixture.connector.run(statement(&query), soon(), Pairs::default()).await;
    ran.unwrap();
    pairs.verify();
}
