//! What does the connector tell about a file?

use tidegate_connectors::Connector;
use tidegate_core::{
    ErrorCode,
    catalog::{ForeignKey, TableKind},
};

use crate::fixture::{Fixture, soon};

const SCHEMA: &str = "
    CREATE TABLE carrier (code TEXT PRIMARY KEY NOT NULL, name);
    CREATE TABLE flight (
        id INTEGER PRIMARY KEY,
        carrier TEXT NOT NULL DEFAULT 'AA' REFERENCES carrier,
        day DATE,
        number INTEGER,
        late INTEGER GENERATED ALWAYS AS (number > 5),
        FOREIGN KEY (day, number) REFERENCES slot (day, number)
    );
    CREATE TABLE slot (number INTEGER, day DATE, PRIMARY KEY (day, number)) WITHOUT ROWID;
    CREATE VIEW today AS SELECT id, day FROM flight;
    CREATE VIEW broken AS SELECT absent FROM nowhere;
    CREATE VIRTUAL TABLE notes USING fts5 (body);
    CREATE INDEX by_day ON flight (day);
    INSERT INTO carrier VALUES ('AA', 'American'), ('B6', 'JetBlue');
    ANALYZE;";

#[tokio::test]
async fn tables_and_views_are_listed_by_name_with_their_estimates() {
    let fixture = Fixture::new(SCHEMA);
    assert_eq!(fixture.connector.schemas(soon()).await.unwrap()[0].name, "main");
    let tables = fixture.connector.tables("main", soon()).await.unwrap();
    let seen: Vec<_> = tables.iter().map(|table| (table.name.as_str(), table.kind, table.row_estimate)).collect();
    assert_eq!(
        seen,
        [
            ("broken", TableKind::View, None),
            ("carrier", TableKind::Table, Some(2)),
            ("flight", TableKind::Table, None),
            ("notes", TableKind::Table, None),
            ("slot", TableKind::Table, None),
            ("today", TableKind::View, None),
        ]
    );
    let error = fixture.connector.tables("other", soon()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_table_has_its_columns_and_keys() {
    let fixture = Fixture::new(SCHEMA);
    let flight = fixture.connector.table("main", "Flight", soon()).await.unwrap();
    let columns: Vec<_> = flight
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.database_type.as_str(), column.nullable, column.default.as_deref()))
        .collect();
    assert_eq!(
        columns,
        [
            ("id", "INTEGER", false, None),
            ("carrier", "TEXT", false, Some("'AA'")),
            ("day", "DATE", true, None),
            ("number", "INTEGER", true, None),
            ("late", "INTEGER", true, None),
        ]
    );
    assert_eq!(flight.table.name, "flight");
    assert_eq!(flight.primary_key, ["id"]);
    let key = |columns: &[&str], table: &str, references: &[&str]| ForeignKey {
        columns: columns.iter().map(|&name| name.into()).collect(),
        references_schema: Some("main".into()),
        references_table: table.into(),
        references_columns: references.iter().map(|&name| name.into()).collect(),
    };
    assert_eq!(
        flight.foreign_keys,
        [key(&["carrier"], "carrier", &["code"]), key(&["day", "number"], "slot", &["day", "number"]),]
    );

    let slot = fixture.connector.table("main", "slot", soon()).await.unwrap();
    assert_eq!(slot.primary_key, ["day", "number"]);
    assert!(slot.columns.iter().all(|column| !column.nullable));
}

#[tokio::test]
async fn views_have_columns_and_what_is_not_there_is_not_found() {
    let fixture = Fixture::new(SCHEMA);
    let view = fixture.connector.table("main", "today", soon()).await.unwrap();
    assert_eq!(view.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["id", "day"]);
    for (schema, table) in [("main", "absent"), ("main", "sqlite_schema"), ("main", "notes_data"), ("x", "flight")] {
        let error = fixture.connector.table(schema, table, soon()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{schema}.{table}");
    }
}
