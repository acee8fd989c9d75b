//! What a source contains.

use rstest::rstest;
use tidegate_connectors::Connector;
use tidegate_core::{
    ErrorCode,
    catalog::{ForeignKey, TableColumn, TableKind},
};

use crate::source::{
    Product::{self, MariaDb, MySql},
    deadline,
};

/// Every test has a schema of its own.
async fn make_schema(on: Product, name: &str) {
    on.set_up(&format!("CREATE DATABASE {name}; USE {name}; {TABLES}")).await;
}

const TABLES: &str = "\
    CREATE TABLE airlines (code char(2) NOT NULL, region int NOT NULL, PRIMARY KEY (region, code)); \
    CREATE TABLE flights ( \
       id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, \
       carrier char(2) COMMENT 'the airline', \
       region int, \
       fare decimal(10,2) NOT NULL DEFAULT 1.50, \
       `odd ``name` varchar(9) DEFAULT 'x', \
       KEY (region, carrier), \
       CONSTRAINT flown_by FOREIGN KEY (region, carrier) REFERENCES airlines (region, code) \
    ) COMMENT 'every flight'; \
    INSERT INTO airlines VALUES ('tg', 1), ('tx', 1), ('ty', 2); ANALYZE TABLE airlines; \
    CREATE VIEW recent AS SELECT id, fare FROM flights";

#[rstest]
#[tokio::test]
async fn a_source_lists_its_schemas_and_their_tables(#[values(MariaDb, MySql)] on: Product) {
    const SCHEMA: &str = "tidegate_listed";
    make_schema(on, SCHEMA).await;
    let connector = on.connector();
    let schemas: Vec<_> = connector.schemas(deadline()).await.unwrap().into_iter().map(|schema| schema.name).collect();
    assert!(schemas.contains(&"tidegate".to_owned()) && schemas.contains(&SCHEMA.to_owned()), "{schemas:?}");
    assert!(!schemas.contains(&"information_schema".to_owned()), "{schemas:?}");

    let tables = connector.tables(SCHEMA, deadline()).await.unwrap();
    let listed: Vec<_> = tables.iter().map(|table| (table.name.as_str(), table.kind)).collect();
    assert_eq!(listed, [("airlines", TableKind::Table), ("flights", TableKind::Table), ("recent", TableKind::View)]);
    assert_eq!((tables[0].row_estimate, tables[2].row_estimate), (Some(3), None));
    assert_eq!((tables[1].comment.as_deref(), tables[2].comment.as_deref()), (Some("every flight"), None));
}

#[rstest]
#[tokio::test]
async fn a_table_has_its_columns_and_keys(#[values(MariaDb, MySql)] on: Product) {
    const SCHEMA: &str = "tidegate_detailed";
    make_schema(on, SCHEMA).await;
    let detail = on.connector().table(SCHEMA, "flights", deadline()).await.unwrap();
    let column =
        |name: &str, database_type: &str, nullable, default: Option<&str>, comment: Option<&str>| TableColumn {
            name: name.to_owned(),
            database_type: database_type.to_owned(),
            nullable,
            default: default.map(str::to_owned),
            comment: comment.map(str::to_owned),
        };
    // MySQL leaves out display widths and writes the value of a default rather than its expression.
    let (id, region, odd_default) = match on {
        MariaDb => ("bigint(20) unsigned", "int(11)", "'x'"),
        MySql => ("bigint unsigned", "int", "x"),
    };
    assert_eq!(
        detail.columns,
        [
            column("id", id, false, None, None),
            column("carrier", "char(2)", true, None, Some("the airline")),
            column("region", region, true, None, None),
            column("fare", "decimal(10,2)", false, Some("1.50"), None),
            column("odd `name", "varchar(9)", true, Some(odd_default), None),
        ]
    );
    assert_eq!((detail.schema.as_str(), detail.table.comment.as_deref()), (SCHEMA, Some("every flight")));
    assert_eq!(detail.primary_key, ["id"]);
    assert_eq!(
        detail.foreign_keys,
        [ForeignKey {
            columns: vec!["region".to_owned(), "carrier".to_owned()],
            references_schema: Some(SCHEMA.to_owned()),
            references_table: "airlines".to_owned(),
            references_columns: vec!["region".to_owned(), "code".to_owned()],
        }]
    );
    assert_eq!(on.connector().table(SCHEMA, "airlines", deadline()).await.unwrap().primary_key, ["region", "code"]);
}

#[rstest]
#[tokio::test]
async fn what_is_not_there_is_not_found_and_names_are_values(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    for schema in ["nowhere", "mysql", "' OR 1=1 -- "] {
        assert_eq!(connector.tables(schema, deadline()).await.unwrap_err().code(), ErrorCode::NotFound, "{schema}");
    }
    for table in ["nothing", "x' OR '1'='1"] {
        let error = connector.table("tidegate", table, deadline()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{table}");
    }
}
