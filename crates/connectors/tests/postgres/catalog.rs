//! What a source contains.

use tidegate_connectors::Connector;
use tidegate_core::{
    ErrorCode,
    catalog::{ForeignKey, TableKind},
};

use crate::fixture::{as_admin, connector, execute, soon};

#[tokio::test]
async fn the_catalog_tells_schemas_tables_columns_and_keys() {
    let mut admin = as_admin().await;
    execute(
        &mut admin,
        "DROP SCHEMA IF EXISTS shop CASCADE; DROP SCHEMA IF EXISTS hidden CASCADE; DROP SCHEMA IF EXISTS bare CASCADE;
         CREATE SCHEMA shop; COMMENT ON SCHEMA shop IS 'what we sell'; CREATE SCHEMA hidden; CREATE SCHEMA bare;
         GRANT USAGE ON SCHEMA shop, bare TO PUBLIC;
         CREATE TABLE shop.customers (
             country char(2), number int, name varchar(80) NOT NULL DEFAULT 'nobody', since timestamptz,
             PRIMARY KEY (number, country)
         );
         COMMENT ON TABLE shop.customers IS 'who buys'; COMMENT ON COLUMN shop.customers.name IS 'as on the bill';
         INSERT INTO shop.customers SELECT 'de', n FROM generate_series(1, 7) n; ANALYZE shop.customers;
         CREATE TABLE shop.orders (
             id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, total numeric(10,2), tags text[],
             customer int, country char(2), FOREIGN KEY (customer, country) REFERENCES shop.customers (number, country)
         );
         CREATE VIEW shop.totals AS SELECT sum(total) FROM shop.orders;
         CREATE MATERIALIZED VIEW shop.sums AS SELECT 1 AS one;
         CREATE TABLE shop.events (at date) PARTITION BY RANGE (at);
         CREATE TABLE shop.events_2024 PARTITION OF shop.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
         CREATE TABLE shop.secret (id int);
         GRANT SELECT ON ALL TABLES IN SCHEMA shop TO PUBLIC; REVOKE SELECT ON shop.secret FROM PUBLIC;",
    )
    .await;
    let connector = connector();

    let schemas = connector.schemas(soon()).await.unwrap();
    let shop = schemas.iter().find(|schema| schema.name == "shop").unwrap();
    assert_eq!(shop.comment.as_deref(), Some("what we sell"));
    let names: Vec<_> = schemas.iter().map(|schema| schema.name.as_str()).collect();
    assert!(!names.contains(&"hidden") && !names.contains(&"pg_catalog") && !names.contains(&"information_schema"));

    let tables = connector.tables("shop", soon()).await.unwrap();
    let listed: Vec<_> = tables.iter().map(|table| (table.name.as_str(), table.kind)).collect();
    assert_eq!(
        listed,
        [
            ("customers", TableKind::Table),
            ("events", TableKind::Table),
            ("orders", TableKind::Table),
            ("sums", TableKind::MaterializedView),
            ("totals", TableKind::View),
        ]
    );
    assert_eq!((tables[0].row_estimate, tables[0].comment.as_deref()), (Some(7), Some("who buys")));
    assert_eq!((tables[2].row_estimate, tables[4].row_estimate), (None, None));
    assert_eq!(connector.tables("bare", soon()).await.unwrap(), []);
    for schema in ["hidden", "nowhere", "pg_catalog"] {
        assert_eq!(connector.tables(schema, soon()).await.unwrap_err().code(), ErrorCode::NotFound, "{schema}");
    }

    let customers = connector.table("shop", "customers", soon()).await.unwrap();
    assert_eq!(customers.primary_key, ["number", "country"]);
    let name = &customers.columns[2];
    assert_eq!((name.database_type.as_str(), name.nullable), ("character varying(80)", false));
    assert_eq!(name.default.as_deref(), Some("'nobody'::character varying"));
    assert_eq!(name.comment.as_deref(), Some("as on the bill"));
    assert!(customers.columns[3].nullable);

    let orders = connector.table("shop", "orders", soon()).await.unwrap();
    let types: Vec<_> = orders.columns.iter().map(|column| column.database_type.as_str()).collect();
    assert_eq!(types, ["bigint", "numeric(10,2)", "text[]", "integer", "character(2)"]);
    assert_eq!(
        orders.foreign_keys,
        [ForeignKey {
            columns: vec!["customer".to_owned(), "country".to_owned()],
            references_schema: Some("shop".to_owned()),
            references_table: "customers".to_owned(),
            references_columns: vec!["number".to_owned(), "country".to_owned()],
        }]
    );
    for table in ["secret", "nothing", "'; DROP TABLE shop.orders; --"] {
        assert_eq!(connector.table("shop", table, soon()).await.unwrap_err().code(), ErrorCode::NotFound);
    }
}
