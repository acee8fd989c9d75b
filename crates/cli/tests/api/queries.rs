//! Running queries.

use serde_json::{Value as Json, json};

use crate::session::{GOOD, Session};

#[test]
fn a_query_runs_with_typed_arguments() {
    let session = Session::new();
    session.succeed(&["apply", "-f", GOOD, "--yes"]);
    let arguments = ["run", "flights_by_carrier", "carriers=AA,UA", "distance=1.50"];

    let ran = session.tidegate(&[&arguments[..], &["--format", "csv"]].concat());
    let said = r#"{""carriers"":[""AA"",""UA""],""distance"":1.50}"#;
    assert_eq!(ran.stdout, format!("query,said\nflights_by_carrier,\"{said}\"\n"));
    assert_eq!(
        ran.stderr,
        "cut at the limit of rows; go on with --cursor 'page-2', or take everything with --all-pages\n"
    );

    let ran = session.tidegate(&[&arguments[..], &["--all-pages"]].concat());
    insta::assert_snapshot!(ran.stdout, @r#"
    ┌────────────────────┬──────────────────────────────────────────┐
    │ query              ┆ said                                     │
    ╞════════════════════╪══════════════════════════════════════════╡
    │ flights_by_carrier ┆ {"carriers":["AA","UA"],"distance":1.50} │
    │ flights_by_carrier ┆ the second page                          │
    └────────────────────┴──────────────────────────────────────────┘
    "#);
    assert_eq!(ran.stderr, "2 rows in 3.0 ms\n");

    let json = session.succeed(&[&arguments[..], &["--format", "json", "--cursor", "page-2"]].concat());
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["rows"][0][1], &json["truncated"]), (&json!("the second page"), &Json::Null));
}

#[test]
fn a_narrowed_key_runs_a_query_it_cannot_read() {
    let session = Session::new();
    session.api.refuse(
        "GET /v1/queries/late",
        json!({
            "status": 403, "code": "forbidden", "detail": "this API key is narrowed to some servers or queries",
        }),
    );
    let ran = session.tidegate(&["run", "late", "days=10", "carrier=AA", "--format", "csv"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "query,said\nlate,\"{\"\"days\"\":10,\"\"carrier\"\":\"\"AA\"\"}\"\n")
    );
}

#[test]
fn a_wrong_argument_is_told_before_anything_is_sent() {
    let session = Session::new();
    session.succeed(&["apply", "-f", GOOD, "--yes"]);
    let ran = session.tidegate(&["run", "flights_by_carrier", "carier=AA"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.stderr, "error: the query has no parameter `carier`; did you mean `carriers`?\n");
}
