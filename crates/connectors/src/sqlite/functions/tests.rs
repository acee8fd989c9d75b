//! Each function beside SQLite's own of a plain connection.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::{prelude::*, test_runner::Config};
use rusqlite::{Connection, Result, params_from_iter, types::Value};

use super::replace;

const MAX_LENGTH: usize = 4 << 20;

fn connection() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    replace(&connection, Arc::new(MAX_LENGTH.into())).unwrap();
    connection
}

/// What a call gives: its type, its bytes, and its text when it is put into a JSON array.
fn answer(connection: &Connection, call: &str, values: &[Value]) -> Result<(String, Vec<u8>)> {
    let statement = format!("SELECT typeof({call}), CAST({call} AS BLOB)");
    connection.prepare_cached(&statement)?.query_row(params_from_iter(values), |row| {
        Ok((row.get(0)?, row.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default()))
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{0,12}", "[ab é€𝄞\0]{0,12}", "[0-9.-]{0,4}", ".{0,20}"]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        (-20..200i64).prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        (-200..200i32).prop_map(|n| Value::Real(f64::from(n) / 8.0)),
    ]
}

/// A value of any type; blobs may hold any bytes.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        2 => number(),
        6 => text().prop_map(Value::Text),
        2 => text().prop_map(|text| Value::Blob(text.into_bytes())),
        1 => proptest::collection::vec(prop_oneof![Just(b'a'), Just(0xC3), Just(0xA9), any::<u8>()], 0..8).prop_map(Value::Blob),
    ]
}

/// A value whose bytes are UTF-8.
fn readable() -> impl Strategy<Value = Value> {
    value().prop_filter("not UTF-8", |value| match value {
        Value::Blob(bytes) => std::str::from_utf8(bytes).is_ok(),
        _ => true,
    })
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1.50".to_owned()),
        Just("\"é\"".to_owned()),
        Just("[1,{\"a\":2}]".to_owned())
    ];
    let json = leaf.prop_recursive(3, 16, 4, |inner| {
        proptest::collection::vec(("[abc]", inner), 0..4).prop_map(|members| {
            let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        })
    });
    prop_oneof![8 => json.prop_map(Value::Text), 1 => value()]
}

proptest! {
    #![proptest_config(Config { cases: 2_000, ..Config::default() })]

    #[test]
    fn searching_answers_what_sqlite_answers(values in proptest::array::uniform3(value())) {
        let (ours, own) = (connection(), Connection::open_in_memory().unwrap());
        for call in ["instr(?1, ?2)", "instr(?1 || ?2 || ?3, ?2)", "replace(?1, ?2, ?3)", "replace(?1 || ?2 || ?2 || ?3, ?2, ?3)"] {
            prop_assert_eq!(answer(&ours, call, &values), answer(&own, call, &values), "{}", call);
        }
    }

    #[test]
    fn trimming_answers_what_sqlite_answers(values in proptest::array::uniform2(readable())) {
        let (ours, own) = (connection(), Connection::open_in_memory().unwrap());
        for name in ["trim", "ltrim", "rtrim"] {
            for arguments in ["(?1)", "(?1, ?2)", "(?2 || ?1 || ?2, ?2)", "(' ' || ?1 || '  ')"] {
                let call = format!("{name}{arguments}");
                prop_assert_eq!(answer(&ours, &call, &values), answer(&own, &call, &values), "{}", call);
            }
        }
    }

    #[test]
    fn what_is_limited_answers_what_sqlite_answers(
        documents in proptest::array::uniform2(document()),
        hex in prop_oneof!["([0-9a-fA-F]{2}[ -]?){0,4}", ".{0,4}"].prop_map(Value::Text),
    ) {
        let (ours, own) = (connection(), Connection::open_in_memory().unwrap());
        for call in ["json_patch(?1, ?2)", "jsonb_patch(?1, ?2)", "json_array(json_patch(?1, ?2))"] {
            prop_assert_eq!(answer(&ours, call, &documents).ok(), answer(&own, call, &documents).ok(), "{}", call);
        }
        for passed_over in [Value::Null, Value::Text(" -".into()), Value::Integer(5)] {
            let values = [hex.clone(), passed_over];
            prop_assert_eq!(answer(&ours, "unhex(?1, ?2)", &values), answer(&own, "unhex(?1, ?2)", &values));
        }
    }
}

#[test]
fn long_texts_take_a_moment() {
    let connection = connection();
    let (zeros, bytes) = ("hex(zeroblob(2000000))", "CAST(randomblob(4000000) AS TEXT)");
    for call in [
        format!("instr({zeros}, hex(zeroblob(1000000)) || '1')"),
        format!("instr({zeros}, '1' || hex(zeroblob(1000000)))"),
        format!("instr({zeros}, hex(zeroblob(500000)) || '1' || hex(zeroblob(500000)))"),
        format!("length(replace({zeros}, hex(zeroblob(1000000)) || '1', ''))"),
        "length(replace(hex(zeroblob(100000)), '0', '1'))".to_owned(),
        format!("length(trim({zeros}, {bytes}))"),
        format!("length(trim({bytes}, replace(hex(randomblob(300000)), '0', 'é') || {bytes}))"),
        "length(rtrim(replace(hex(zeroblob(100000)), '0', CAST(x'a9' AS TEXT)), CAST(x'a9' AS TEXT)))".to_owned(),
        "length(unhex(hex(zeroblob(2000000)), ' '))".to_owned(),
    ] {
        let began = Instant::now();
        let value: Value = connection.query_row(&format!("SELECT {call}"), [], |row| row.get(0)).unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{call} is {value:?} after {:?}", began.elapsed());
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let connection = connection();
    for (call, message) in [
        ("json_patch('{}', hex(zeroblob(40000)))", "argument 2 of json_patch is longer than 65536 bytes"),
        ("jsonb_patch(hex(zeroblob(40000)), '{}')", "argument 1 of jsonb_patch is longer than 65536 bytes"),
        ("unhex('00', hex(zeroblob(40)))", "argument 2 of unhex is longer than 64 bytes"),
        ("replace(hex(zeroblob(30000)), '0', hex(zeroblob(30000)))", "string or blob too big"),
    ] {
        let error = connection.query_row(&format!("SELECT {call}"), [], |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), message, "{call}");
    }
}

#[test]
fn indexes_views_and_checks_use_them() {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (a TEXT CHECK (instr(a, 'x') = 0));
             CREATE INDEX trimmed ON t (trim(a), replace(a, 'b', 'c'));
             CREATE VIEW v AS SELECT trim(a) AS a FROM t;
             INSERT INTO t VALUES (' ab ')",
        )
        .unwrap();
    replace(&connection, Arc::new(MAX_LENGTH.into())).unwrap();
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).unwrap();
    let one = |sql: &str, column: usize| connection.query_row(sql, [], |row| row.get::<_, String>(column)).unwrap();
    assert_eq!(one("SELECT a FROM v", 0), "ab");
    assert!(one("EXPLAIN QUERY PLAN SELECT * FROM t WHERE trim(a) = 'ab'", 3).contains("INDEX trimmed"));
    assert!(connection.execute("INSERT INTO t VALUES ('x')", []).is_err());
}
