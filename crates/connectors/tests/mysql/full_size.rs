//! Every type over thousands of rows, against the server's own text: buffers are used again from row to row.

use rstest::rstest;
use tidegate_connectors::Connector;

use crate::{
    pairs::{Pairs, ROWS},
    source::{
        NUMBERS,
        Product::{self, MariaDb, MySql},
        deadline, statement,
    },
};

/// A declared type, its value in row `i`, and the server's text of a value in column `{c}`.
type Case = (&'static str, &'static str, &'static str);

const AS_TEXT: &str = "CAST({c} AS CHAR)";
const AS_HEX: &str = "HEX({c})";

const COMMON: &[Case] = &[
    ("tinyint", "i % 256 - 128", AS_TEXT),
    ("tinyint(1)", "i % 3", AS_TEXT),
    ("tinyint unsigned", "i % 256", AS_TEXT),
    ("smallint", "i * 13 - 32768", AS_TEXT),
    ("smallint unsigned", "i * 13", AS_TEXT),
    ("mediumint", "i * 1000 - 2500000", AS_TEXT),
    ("mediumint unsigned", "i * 3000", AS_TEXT),
    ("int", "i * 800000 - 2000000000", AS_TEXT),
    ("int unsigned", "i * 800000", AS_TEXT),
    ("int(8) zerofill", "i * i", "CAST({c} + 0 AS CHAR)"),
    ("bigint", "i * 1800000000000000 - 4500000000000000000", AS_TEXT),
    ("bigint unsigned", "18446744073709551615 - i", AS_TEXT),
    ("bit(1)", "i % 2", "CAST({c} + 0 AS CHAR)"),
    ("bit(13)", "i % 8192", "CAST({c} + 0 AS CHAR)"),
    ("bit(64)", "18446744073709551615 - i * i", "CAST({c} + 0 AS CHAR)"),
    ("year", "1901 + i % 255", AS_TEXT),
    ("decimal(10,2)", "(i - 2500) / 100", AS_TEXT),
    ("decimal(65,30)", "i * i * i * 1234567.890123456789012345678901234567", AS_TEXT),
    ("float", "(i - 2500) / 8", AS_TEXT),
    ("double", "(i - 2500) / 7e-300", AS_TEXT),
    ("char(40)", "REPEAT('é', i % 41)", AS_TEXT),
    ("varchar(60)", "CONCAT(REPEAT('日', i % 50), i)", AS_TEXT),
    ("varchar(60) collate utf8mb4_bin", "CONCAT('É', REPEAT('a', i % 40))", AS_TEXT),
    ("varchar(60) character set latin1", "CONCAT('é', i)", AS_TEXT),
    ("tinytext", "REPEAT('x', i % 200)", AS_TEXT),
    ("text", "REPEAT('xyz ', i % 300)", AS_TEXT),
    ("mediumtext", "REPEAT(i, i % 90)", AS_TEXT),
    ("longtext", "REPEAT('🦀', i % 70)", AS_TEXT),
    ("enum('a','ß','long one')", "1 + i % 3", AS_TEXT),
    ("set('a','b','c')", "i % 8", AS_TEXT),
    ("binary(8)", "UNHEX(LPAD(HEX(i), 8, '0'))", AS_HEX),
    ("varbinary(60)", "REPEAT(CHAR(i % 256), i % 50)", AS_HEX),
    ("tinyblob", "REPEAT(CHAR(255), i % 100)", AS_HEX),
    ("blob", "REPEAT(CHAR(i % 256, 0), i % 100)", AS_HEX),
    ("longblob", "CONCAT(i, CHAR(0))", AS_HEX),
    ("date", "'2000-02-28' + INTERVAL i * 3 DAY", AS_TEXT),
    ("datetime", "'1000-01-01 00:00:00' + INTERVAL i * 54321 SECOND", "DATE_FORMAT({c}, '%Y-%m-%dT%H:%i:%s')"),
    (
        "datetime(6)",
        "'2000-02-28 23:00:00' + INTERVAL i * i MICROSECOND",
        "TRIM(TRAILING '.000000' FROM DATE_FORMAT({c}, '%Y-%m-%dT%H:%i:%s.%f'))",
    ),
    (
        "timestamp(3) null",
        "'2001-01-01 00:00:00' + INTERVAL i * 7654321 * 1000 MICROSECOND",
        "CONCAT(TRIM(TRAILING '.000000' FROM DATE_FORMAT({c}, '%Y-%m-%dT%H:%i:%s.%f')), 'Z')",
    ),
    ("time", "SEC_TO_TIME(i * 1200 - 3000000)", AS_TEXT),
    ("time(6)", "SEC_TO_TIME((i - 2500) * 1000.000001)", "TRIM(TRAILING '.000000' FROM CAST({c} AS CHAR))"),
    ("point", "ST_GeomFromText(CONCAT('POINT(', i, ' ', i / 4, ')'), 3857)", AS_HEX),
    ("linestring", "ST_GeomFromText(CONCAT('LINESTRING(0 0', REPEAT(', 1 1', 1 + i % 9), ')'))", AS_HEX),
    ("json", "JSON_OBJECT('i', i, 's', REPEAT('ü', i % 60), 'd', i / 4)", AS_TEXT),
];

const OF_MARIADB: &[Case] = &[
    ("uuid", "CONCAT('00000000-0000-0000-0000-', LPAD(HEX(i), 12, '0'))", "LOWER(CAST({c} AS CHAR))"),
    ("inet6", "CONCAT('2001:db8::', HEX(i))", AS_TEXT),
];

#[rstest]
#[tokio::test]
async fn every_value_of_every_type_is_what_the_server_says(#[values(MariaDb, MySql)] on: Product) {
    let cases = match on {
        MariaDb => [COMMON, OF_MARIADB].concat(),
        MySql => COMMON.to_vec(),
    };
    let list = |item: &dyn Fn(usize, &Case) -> String| {
        cases.iter().enumerate().map(|(index, case)| item(index, case)).collect::<Vec<_>>().join(", ")
    };
    let declared = list(&|index, (kind, ..)| format!("c{index} {kind}"));
    // Another column has its NULL in each row.
    let values = list(&|index, (_, value, _)| format!("IF((i + {index}) % 9 = 0, NULL, {value})"));
    let texts = list(&|index, (.., text)| format!("c{index}, {}", text.replace("{c}", &format!("c{index}"))));
    let rows = format!("{NUMBERS} SELECT (a.i - 1) * 5 + b.i AS i FROM n a JOIN n b ON b.i <= {}", ROWS / 1000);
    on.set_up(&format!(
        "DROP TABLE IF EXISTS full_size; CREATE TABLE full_size (i int primary key, {declared}); \
         INSERT INTO full_size SELECT i, {values} FROM ({rows}) AS x"
    ))
    .await;
    let query = format!("SELECT {texts} FROM full_size ORDER BY i");
    let (pairs, ran) = on.connector().run(statement(&query), deadline(), Pairs::default()).await;
    ran.unwrap();
    pairs.verify();
}
