//! Files of sources, queries and servers: planned, applied, exported.

use serde_json::{Value as Json, json};

use crate::session::{GOOD, Session};

const SOURCE: &str = "\
sources:
  - name: bookings
    connection:
      postgres:
        host: db.example.com
        database: bookings
        user: reader
    credentials:
      password: ${file:password}
";

#[test]
fn a_second_apply_changes_nothing() {
    let session = Session::new();
    let planned = session.succeed(&["plan", "-f", GOOD]);
    assert!(planned.ends_with("6 to create, 0 to replace, 0 to delete, 0 unchanged\n"), "{planned}");
    assert_eq!(session.api.changed(), [""; 0], "a plan sends nothing");

    let applied = session.succeed(&["apply", "-f", GOOD, "--yes"]);
    assert_eq!(applied, planned + "applied\n");
    let in_order = [
        "POST /v1/sources",
        "POST /v1/sources",
        "POST /v1/queries",
        "POST /v1/queries",
        "POST /v1/queries",
        "POST /v1/servers",
    ];
    assert_eq!(session.api.changed(), in_order);

    assert_eq!(session.succeed(&["apply", "-f", GOOD, "--yes"]), "no changes: 6 as declared\n");
    assert_eq!(session.api.changed(), [""; 0]);
}

#[test]
fn what_is_beyond_a_quota_is_told_before_anything_is_made() {
    let session = Session::new();
    session.api.put("queries", json!({"name": "other", "description": "d", "source": "s", "statement": "SELECT 1"}));
    session.api.put("servers", json!({"name": "other"}));
    for (list, most) in [("sources", 2), ("queries", 3), ("servers", 1)] {
        session.api.limit(list, most);
    }
    for command in
        [&["plan", "-f", GOOD][..], &["apply", "-f", GOOD, "--yes"], &["apply", "-f", GOOD, "--yes", "--prune"]]
    {
        let ran = session.tidegate(command);
        assert_eq!(ran.code, 1, "{command:?}");
        assert!(ran.stdout.contains("6 to create"), "{}", ran.stdout);
        let expected = "error: there would be 4 queries and this tenant may have 3; delete some first, or ask the operator \
                        to raise `quotas.queries`; there would be 2 servers and this tenant may have 1; delete some first, \
                        or ask the operator to raise `quotas.servers`\n";
        assert_eq!(ran.stderr, expected);
        assert_eq!(session.api.changed(), [""; 0]);
    }

    session.api.limit("queries", 4);
    session.api.limit("servers", 2);
    session.succeed(&["apply", "-f", GOOD, "--yes"]);
    // Less than there is stops no change of it.
    session.api.limit("queries", 1);
    session.succeed(&["plan", "-f", GOOD]);
}

#[test]
fn a_replacement_shows_the_fields_that_change_and_sends_the_version() {
    let session = Session::new();
    session.api.put(
        "queries",
        json!({
            "name": "late", "description": "Flights.", "source": "flights", "limits": {"rows": 5},
            "statement": "SELECT\n  a,\n  b,\n  c,\n  d,\n  e\nFROM flights\n", "parameters": [], "mode": "read",
        }),
    );
    session.file(
        "late.yaml",
        "\
queries:
  - name: late
    description: Flights.
    source: flights
    statement: |
      SELECT
        a,
        b,
        c,
        d,
        e
      FROM late_flights
    tags: [travel]
",
    );
    let ran = session.tidegate(&["apply", "-f", "late.yaml", "--yes"]);
    insta::assert_snapshot!(ran.stdout, @"
    ~ replace query late
        statement: …
            c,
            d,
            e
      -   FROM flights
      +   FROM late_flights
      + tags:
      + - travel
      - limits:
      -   rows: 5

    0 to create, 1 to replace, 0 to delete, 0 unchanged
    applied
    ");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let changed = session.api.entity("queries", "late").unwrap();
    assert_eq!((&changed["version"], &changed["limits"]), (&json!(2), &json!({})));
    assert_eq!(session.api.changed(), ["PUT /v1/queries/late"]);
}

#[test]
fn a_draft_that_is_as_declared_is_published_and_exported() {
    let session = Session::new();
    let query = |statement: &str| json!({"name": "late", "description": "Flights.", "source": "flights", "statement": statement});
    let mut live = query("SELECT 1");
    live["draft"] = query("SELECT 2");
    session.api.put("queries", live);
    let exported = session.succeed(&["export"]);
    assert!(exported.contains("SELECT 2") && !exported.contains("SELECT 1"), "{exported}");
    session.file("late.yaml", &exported);
    let ran = session.tidegate(&["apply", "-f", "late.yaml", "--yes"]);
    insta::assert_snapshot!(ran.stdout, @"
    ^ publish query late

    0 to create, 0 to replace, 1 to publish, 0 to delete, 0 unchanged
    applied
    ");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(session.api.changed(), ["POST /v1/queries/late/publish"]);
    assert!(session.succeed(&["plan", "-f", "late.yaml"]).starts_with("no changes"));
}

#[test]
fn what_the_server_says_of_a_saved_query_is_told() {
    let session = Session::new();
    session.api.warn(json!({"warnings": ["revision 1 is a draft"], "draft": {"name": "late"}}));
    session.file(
        "late.yaml",
        "queries: [{name: late, description: Flights., source: flights, statement: SELECT 1, deprecated: use flights}]",
    );
    let ran = session.tidegate(&["apply", "-f", "late.yaml", "--yes"]);
    insta::assert_snapshot!(ran.stderr, @"
    warning: query late: revision 1 is a draft
    warning: query late: it is saved as a draft; apply again when its source is back
    ");
    assert_eq!(session.api.entity("queries", "late").unwrap()["deprecated"], "use flights");
}

#[test]
fn pruning_deletes_what_needs_something_before_what_it_needs() {
    let session = Session::new();
    session.succeed(&["apply", "-f", GOOD, "--yes"]);
    session.api.changes();
    session.file(
        "rest.yaml",
        "sources:\n  - name: flights\n    description: Every flight of 2025.\n    tags: [travel]\n    \
                               connection: {sqlite: {path: flights.sqlite}}\n",
    );

    let left_alone =
        "no changes: 1 as declared; 5 not declared and left alone (--prune deletes what is not declared)\n";
    assert_eq!(session.succeed(&["plan", "-f", "rest.yaml"]), left_alone);
    let pruned = session.succeed(&["apply", "-f", "rest.yaml", "--prune", "--yes"]);
    assert!(pruned.contains("0 to create, 0 to replace, 5 to delete, 1 unchanged\n"), "{pruned}");
    let in_order = [
        "DELETE /v1/servers/desk",
        "DELETE /v1/queries/one_booking",
        "DELETE /v1/queries/late",
        "DELETE /v1/queries/flights_by_carrier",
        "DELETE /v1/sources/bookings",
    ];
    assert_eq!(session.api.changed(), in_order);
}

#[test]
fn credentials_are_sent_when_they_are_needed_and_never_shown() {
    let session = Session::new();
    session.file("source.yaml", SOURCE);
    session.file("password", "hunter2\n");
    let sent = |arguments: &[&str]| {
        let output = session.succeed(&[&["apply", "-f", "source.yaml", "--yes"], arguments].concat());
        assert!(!output.contains("hunter2"), "{output}");
        let changes = session.api.changes();
        changes.into_iter().map(|(_, body)| body.get("credentials").cloned()).collect::<Vec<_>>()
    };
    let secret = [Some(json!({"password": "hunter2"}))];
    assert_eq!(sent(&[]), secret, "made with them");
    assert_eq!(sent(&[]), [None; 0], "they cannot be compared");
    assert_eq!(sent(&["--update-credentials"]), secret, "asked for");

    session.file("source.yaml", &SOURCE.replace("    credentials", "    description: x\n    credentials"));
    assert_eq!(sent(&[]), [None], "the stored ones are kept");
    session.file("source.yaml", &SOURCE.replace("db.example.com", "db2.example.com"));
    assert_eq!(sent(&[]), secret, "the server drops them with the connection they were for");
    assert_eq!(sent(&[]), [None; 0]);
    let shown = session.succeed(&["plan", "-f", "source.yaml", "--update-credentials"]);
    insta::assert_snapshot!(shown, @"
    ~ replace source bookings
      + credentials: (secret)

    0 to create, 1 to replace, 0 to delete, 0 unchanged
    ");
}

#[test]
fn an_export_is_a_file_that_plan_finds_unchanged() {
    let session = Session::new();
    session.succeed(&["apply", "-f", GOOD, "--yes"]);
    session.api.put(
        "sources",
        json!({"name": "with-secret", "credentials": {"password": "x"}, "description": "yes",
        "connection": {"mysql": {"host": "::1", "port": 3306, "database": "0x10", "user": "null"}}}),
    );
    let number: Json = serde_json::from_str("12.50").unwrap();
    session.api.put("queries", json!({
        "name": "awkward", "description": " - leading: 'quotes' \"and\" # hash\ttab ", "source": "flights",
        "statement": "\n  SELECT '${not a placeholder}'  \n\n FROM x WHERE {{ n }} = {{ d }} OR {{ j }}\n\n\n", "title": "1e3",
        "parameters": [
            {"name": "n", "type": "number", "default": number, "minimum": 0, "maximum": 1e21},
            {"name": "d", "type": "date", "example": "2020-01-01", "description": "ünïcödé\u{2028}\r\nlines"},
            {"name": "j", "type": "json", "default": {"a": [1, -2.5, null, true, "~"], "": {}}},
        ],
    }));
    let exported = session.succeed(&["export"]);
    assert!(exported.contains("  # credentials:\n  #   password: ${WITH_SECRET_PASSWORD}\n"), "{exported}");
    session.file("exported.yaml", &exported);
    assert_eq!(session.succeed(&["plan", "-f", "exported.yaml"]), "no changes: 8 as declared\n", "{exported}");
    assert_eq!(session.succeed(&["export"]), exported);
}

#[test]
fn a_refusal_is_shown_at_its_place_in_the_file() {
    let session = Session::new();
    session.file(
        "all.yaml",
        "\
sources:
  - name: flights
    connection: {sqlite: {path: a.sqlite}}
queries:
  - name: q
    description: one
    source: flights
    statement: |
      SELECT 1
      FROM no_such_table
",
    );
    session.api.refuse(
        "POST /v1/queries",
        json!({
            "status": 422, "code": "invalid_statement", "detail": "the source refuses the statement",
            "request_id": "0198c5f2-bbbb-7000-8000-000000000000",
            "errors": [{"message": "no such table: no_such_table", "line": 2, "column": 6}],
        }),
    );
    let ran = session.tidegate(&["apply", "-f", "all.yaml", "--yes"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stderr, @"
    1 of 2 changes were made; the query `q` was refused
    all.yaml:10:12: no such table: no_such_table
    error: the source refuses the statement
      (code invalid_statement, request 0198c5f2-bbbb-7000-8000-000000000000)
    ");
    assert_eq!(session.api.changed(), ["POST /v1/sources"], "what went before stays");
    let next = session.succeed(&["apply", "-f", "all.yaml", "--yes"]);
    assert!(next.contains("1 to create, 0 to replace, 0 to delete, 1 unchanged\n"), "{next}");
}

#[test]
fn nothing_is_changed_where_nobody_can_be_asked() {
    let session = Session::new();
    let ran = session.tidegate(&["apply", "-f", GOOD]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr, "error: nothing was changed: nobody can be asked here, so say --yes\n");
    assert_eq!(session.api.changed(), [""; 0]);
}
