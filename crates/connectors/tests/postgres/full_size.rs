//! Every type over thousands of rows, against the server's own text: buffers are used again from row to row.

use sqlx::{Connection, PgConnection};
use tidegate_connectors::{Connector, postgres::PostgresConnector};
use tidegate_core::source::Endpoint;

use crate::{
    fixture::{anywhere, as_admin, credentials, endpoint, execute, soon, statement},
    pairs::{Pairs, ROWS},
};

/// A value in row `i`, and the server's text of a value in column `{c}`.
type Case = (&'static str, &'static str);

const AS_TEXT: &str = "{c}::text";
const AS_HEX: &str = "upper(encode({c}, 'hex'))";
const AS_JSON: &str = "to_json({c})::text";
const AS_TEXTS: &str = "to_json({c}::text[])::text";

const CASES: &[Case] = &[
    ("i % 2 = 0", AS_TEXT),
    ("(i * 13 - 32768)::int2", AS_TEXT),
    ("i * 400000 - 1000000000", AS_TEXT),
    ("i * 1800000000000000 - 4500000000000000000", AS_TEXT),
    ("(i::int8 * 800000)::oid", AS_TEXT),
    ("(i * 7)::text::xid", AS_TEXT),
    ("(18446744073709551615 - i)::text::xid8", AS_TEXT),
    ("((i - 2500) / 7.0)::float4", AS_TEXT),
    ("(i - 2500) / 7e-300::float8", AS_TEXT),
    ("(ARRAY['NaN', 'Infinity', '-Infinity', '-0'])[1 + i % 4]::float8", AS_TEXT),
    ("((i - 2500) / 100.0)::numeric(10,2)", AS_TEXT),
    ("i::numeric ^ (i % 12) / 1e7", AS_TEXT),
    ("(ARRAY['NaN', 'Infinity', '1e100', '1e-100'])[1 + i % 4]::numeric", AS_TEXT),
    ("((i - 2500) / 100.0)::numeric::money", "{c}::numeric::text"),
    ("repeat('é', i % 70)", AS_TEXT),
    ("(repeat('日', i % 50) || i)::varchar(60)", AS_TEXT),
    ("i::text::char(7)", "rpad({c}::text, 7)"),
    ("chr(65 + i % 26)::\"char\"", AS_TEXT),
    ("('n' || i)::name", AS_TEXT),
    ("('<a b=\"' || i || '\"/>')::xml", AS_TEXT),
    ("('$.a[' || i || ']')::jsonpath", AS_TEXT),
    ("(i || 'A')::full_size.citext", AS_TEXT),
    ("repeat('a.', i % 9)::text || 'b' || i", AS_TEXT),
    ("(repeat('a.', i % 9) || 'b' || i)::full_size.ltree", AS_TEXT),
    ("(ARRAY['sad', 'so la la', 'happy'])[1 + i % 3]::full_size.mood", AS_TEXT),
    ("i::full_size.positive", AS_TEXT),
    ("lpad(i::text, 32, '0')::uuid", AS_TEXT),
    ("decode(repeat(lpad(to_hex(i % 256), 2, '0'), i % 60), 'hex')", AS_HEX),
    ("json_build_object('i', i, 's', repeat('ü', i % 60))", AS_TEXT),
    ("jsonb_build_object('i', i, 'd', i / 7.0, 's', repeat('x', i % 60))", AS_TEXT),
    ("full_size.hstore('k' || i, CASE i % 2 WHEN 0 THEN i::text END)", "full_size.hstore_to_json({c})::text"),
    ("date '0044-03-15 BC' + i * 401", AS_TEXT),
    ("(ARRAY['infinity', '-infinity', '2024-02-29'])[1 + i % 3]::date", AS_TEXT),
    ("time '00:00' + i * interval '17.000123 seconds'", AS_TEXT),
    ("(time '00:00' + i * interval '17 seconds')::text::time AT TIME ZONE interval '05:30'", AS_TEXT),
    ("timestamp '1000-01-01' + i * interval '73 days 1.000001 seconds'", "replace({c}::text, ' ', 'T')"),
    (
        "timestamptz '2000-02-29 00:00+02' + i * interval '1.25 hours'",
        "replace(replace({c}::text, ' ', 'T'), '+00', 'Z')",
    ),
    ("make_interval(i % 5, i % 7 - 3, 0, i % 11, i % 13 - 6, i % 60, i / 8.0)", "full_size.iso({c})"),
    ("('10.' || i / 256 || '.' || i % 256 || '.0/24')::cidr", AS_TEXT),
    ("('2001:db8::' || to_hex(i) || '/64')::inet", AS_TEXT),
    ("lpad(to_hex(i), 12, '0')::macaddr", AS_TEXT),
    ("lpad(to_hex(i), 16, '0')::macaddr8", AS_TEXT),
    ("i::bit(13)", AS_TEXT),
    ("repeat('10', 1 + i % 30)::varbit", AS_TEXT),
    ("point(i, i / 7.0)", AS_TEXT),
    ("line(point(0, 0), point(1, i))", AS_TEXT),
    ("lseg(point(0, i), point(i / 3.0, 0))", AS_TEXT),
    ("box(point(0, 0), point(i, 1))", AS_TEXT),
    ("('[(0,0)' || repeat(',(1,1)', i % 9) || ']')::path", AS_TEXT),
    ("polygon(2 + i % 7, circle(point(0, 0), i))", AS_TEXT),
    ("circle(point(i, 0), i)", AS_TEXT),
    ("('0/' || to_hex(i))::pg_lsn", AS_TEXT),
    ("('(' || i || ',7)')::tid", AS_TEXT),
    ("to_tsvector('simple', 'a' || i || ' b')", AS_TEXT),
    ("(i || ' ' || i + 1)::oidvector", "to_json(string_to_array({c}::text, ' ')::int[])::text"),
    ("ARRAY[i, NULL, -i]", AS_JSON),
    ("(ARRAY[1, 2, 3, 4, 5])[1 : i % 6]", AS_JSON),
    ("ARRAY[[i, 1], [2, 3]]", AS_JSON),
    ("ARRAY['a' || i, '\"', NULL]", AS_JSON),
    ("ARRAY[i / 4.0, 1.10]::numeric(10,2)[]", AS_TEXTS),
    ("ARRAY[i % 2 = 0, NULL]", AS_JSON),
    ("ARRAY[date '2000-01-01' + i]", AS_JSON),
    ("ROW('street ' || i, i, ARRAY['sad']::full_size.mood[])::full_size.address", AS_JSON),
    ("int4range(i, 2 * i)", AS_TEXT),
    ("numrange(NULL, i / 4.0, '(]')", AS_TEXT),
    ("tstzrange(timestamptz '2000-01-01Z' + i * interval '1 hour', NULL)", AS_TEXT),
];

/// Types that only the server renders. A statement that has one of them is put into another.
const CAST: &[Case] = &[
    ("int4multirange(int4range(i, 2 * i), int4range(-i, 0))", AS_TEXT),
    ("ARRAY[int4multirange(int4range(i, 2 * i))]", AS_JSON),
    ("'pg_class'::regclass", AS_TEXT),
    ("('a' || i || ' & b')::tsquery", AS_TEXT),
    ("ROW(i, 'a', NULL)", AS_JSON),
    ("i", AS_TEXT),
    ("repeat('é', i % 70)", AS_TEXT),
];

const OWN_TYPES: &str = "
    CREATE SCHEMA full_size;
    GRANT USAGE ON SCHEMA full_size TO PUBLIC;
    CREATE EXTENSION citext SCHEMA full_size;
    CREATE EXTENSION ltree SCHEMA full_size;
    CREATE EXTENSION hstore SCHEMA full_size;
    CREATE TYPE full_size.mood AS ENUM ('sad', 'so la la', 'happy');
    CREATE DOMAIN full_size.positive AS int CHECK (VALUE > 0);
    CREATE TYPE full_size.address AS (street text, number int, moods full_size.mood[]);
    CREATE FUNCTION full_size.iso(interval) RETURNS text STABLE LANGUAGE sql
        SET intervalstyle = iso_8601 AS 'SELECT $1::text'";

/// A source of its own: a database has an extension once only.
async fn prepare() -> PostgresConnector {
    let mut admin = as_admin().await;
    execute(&mut admin, "DROP DATABASE IF EXISTS full_size").await;
    execute(&mut admin, "CREATE DATABASE full_size").await;
    let url = test_servers::postgres().admin_url();
    let (server, _) = url.rsplit_once('/').unwrap();
    execute(&mut PgConnection::connect(&format!("{server}/full_size")).await.unwrap(), OWN_TYPES).await;
    let endpoint = Endpoint { database: "full_size".to_owned(), ..endpoint() };
    PostgresConnector::new(&endpoint, Some(&credentials()), &anywhere()).unwrap()
}

#[tokio::test]
async fn every_value_of_every_type_is_what_the_server_says() {
    let connector = prepare().await;
    for cases in [CASES, CAST] {
        let list = |item: fn(usize, &Case) -> String| {
            cases.iter().enumerate().map(|(index, case)| item(index, case)).collect::<Vec<_>>().join(", ")
        };
        // Another column has its NULL in each row.
        let values = list(|index, (value, _)| format!("CASE WHEN (i + {index}) % 9 <> 0 THEN {value} END AS c{index}"));
        let texts = list(|index, (_, text)| format!("c{index}, {}", text.replace("{c}", &format!("c{index}"))));
        let query = format!("SELECT {texts} FROM (SELECT {values} FROM generate_series(1, {ROWS}) AS i OFFSET 0) AS x");
        let (pairs, ran) = connector.run(statement(&query), soon(), Pairs::default()).await;
        ran.unwrap();
        pairs.verify();
    }
}
