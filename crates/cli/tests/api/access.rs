//! API keys, and which server a command talks to.

use std::fs;

use serde_json::json;

use crate::{
    session::{Session, run},
    stand_in::KEY,
};

#[test]
fn keys_are_made_listed_and_revoked() {
    let session = Session::new();
    let more = ["--query", "late", "--max-rows", "50", "--max-time-ms", "900", "--expires-at", "2999-01-01T00:00:00Z"];
    let ran = session.tidegate(&[&["keys", "create", "ci", "--role", "editor"][..], &more].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "tg_shown_once\n"), "the key alone, for scripts");
    let (_, body) = session.api.changes().remove(0);
    let scope = json!({"queries": ["late"]});
    let limits = json!({"rows": 50, "time_ms": 900});
    let expected =
        json!({"name": "ci", "role": "editor", "scope": scope, "limits": limits, "expires_at": "2999-01-01T00:00:00Z"});
    assert_eq!(body, expected);
    assert_eq!(session.tidegate(&["keys", "create", "none", "--max-rows", "0"]).code, 2);

    insta::assert_snapshot!(session.succeed(&["keys", "list"]), @"
    NAME  ROLE    SCOPE       LIMITS                STATE
    ci    editor  query late  rows 50, time_ms 900  until 2999-01-01T00:00:00Z
    ");
    assert_eq!(session.succeed(&["keys", "revoke", "ci"]), "revoked: ci\n");
    let ran = session.tidegate(&["keys", "revoke", "ci"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stderr, @"
    error: it is gone
      (code not_found, request 0198c5f2-aaaa-7000-8000-000000000000)
    ");
}

#[test]
fn the_local_server_is_found_and_its_key_stays_with_it() {
    let session = Session::new();
    let url = format!("http://{}", session.api.address);
    fs::create_dir(session.folder.path().join(".tidegate")).unwrap();
    session.file(".tidegate/dev.json", &json!({"base_url": url, "api_key": KEY}).to_string());
    let ran = |arguments: &[&str]| run(session.folder.path(), arguments, |_| ());

    assert_eq!(ran(&["export"]).code, 0);
    assert_eq!(ran(&["export", "--url", &url]).code, 0);
    let elsewhere = ran(&["export", "--url", "http://localhost:1"]);
    assert_eq!(elsewhere.code, 1);
    assert_eq!(
        elsewhere.stderr,
        "error: there is no API key for http://localhost:1/: give --key or set TIDEGATE_API_KEY\n"
    );
    let none = ran(&["export", "--data-dir", "nowhere"]);
    assert_eq!((none.code, none.stderr.lines().count()), (1, 1), "{}", none.stderr);
    assert!(none.stderr.starts_with("error: no server: start `tidegate dev`"), "{}", none.stderr);
}

#[test]
fn what_the_server_says_is_passed_on() {
    let session = Session::new();
    let wrong_key = run(session.folder.path(), &["export"], |command| {
        command.env("TIDEGATE_URL", format!("http://{}", session.api.address)).env("TIDEGATE_API_KEY", "wrong");
    });
    assert_eq!(wrong_key.code, 1);
    assert!(wrong_key.stderr.contains("this API key is unknown or revoked\n  (code unauthenticated, request 0198c5f2"));
    assert!(!wrong_key.stderr.contains("wrong\""));

    // A port that was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = run(session.folder.path(), &["export"], |command| {
        command.env("TIDEGATE_URL", format!("http://{closed}")).env("TIDEGATE_API_KEY", KEY);
    });
    assert_eq!(closed.code, 1);
    assert!(closed.stderr.contains("cannot be reached: "), "{}", closed.stderr);
}
