//! Sessions of a database that end while an environment stands still between two calls.

use std::path::Path;

use serde_json::{Value as Json, json};
use sqlx::{Connection as _, PgConnection};
use test_servers::Server;
use tests::{
    PATIENCE,
    lambda::{Cloud, Environment, Event},
    proxy::Proxy,
    until,
};

use crate::{EXECUTE, REGISTRY};

/// What becomes of the sessions.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The server ends them.
    Killed,
    /// The network breaks them.
    Closed,
    /// The network forgets them and tells nobody.
    Forgotten,
    /// The server is started anew.
    Restarted,
}

impl End {
    async fn of(self, database: &mut Server, proxy: &mut Proxy) {
        match self {
            Self::Killed => kill(database).await,
            Self::Closed => {
                proxy.down().await;
                proxy.up().await;
            }
            Self::Forgotten => proxy.forget(),
            Self::Restarted => {
                database.stop();
                database.start_again();
            }
        }
    }
}

/// Ends every session of Tidegate, and waits until the last is gone.
async fn kill(database: &Server) {
    let mut admin = PgConnection::connect(&database.admin_url()).await.unwrap();
    let killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'tidegate'";
    assert!(sqlx::query_scalar::<_, i64>(killed).fetch_one(&mut admin).await.unwrap() > 0, "there is nothing to kill");
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate'";
    let are_gone = async || sqlx::query_scalar::<_, i64>(left).fetch_one(&mut admin).await.unwrap() == 0;
    until("killed sessions end", PATIENCE, are_gone).await;
}

#[tokio::test]
async fn sessions_that_end_while_an_environment_is_frozen_cost_its_next_call_one_connection() {
    let mut database = test_servers::own_postgres();
    let mut admin = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE calls (id serial PRIMARY KEY)").execute(&mut admin).await.unwrap();
    drop(admin);
    let mut proxy = Proxy::before(&database.host, database.port).await;
    let cloud = Cloud::start().await;
    let config = json!({"sqlite_folder": cloud.folder.path(), "source_networks": {"allow": ["127.0.0.0/8"]}});
    let variables = cloud.variables_with("TIDEGATE_CONFIG", Some(&config.to_string()));
    let post = |path: &str, body: &Json| Event::new("POST", path).key(&cloud.key).body(body);

    let mut source = database.source("db");
    source["connection"] = database.connection_at("127.0.0.1", proxy.port);
    source["allow_raw"] = json!(true);
    source["allow_raw_writes"] = json!(true);
    let mut registry = Environment::start(Path::new(REGISTRY), &variables).await;
    registry.call(&post("/v1/sources", &source)).await.expect(201);
    let mut function = Environment::start(Path::new(EXECUTE), &variables).await;
    let read = post("/v1/execute/raw", &json!({"source": "db", "sql": "SELECT count(*) FROM calls"}));
    let insert = "INSERT INTO calls DEFAULT VALUES";
    let write = post("/v1/execute/raw", &json!({"source": "db", "mode": "write", "sql": insert}));
    assert_eq!(function.call(&read).await.expect(200)["rows"], json!([[0]]));

    let mut written = 0;
    for end in [End::Killed, End::Closed, End::Forgotten, End::Restarted] {
        for (event, writes) in [(&read, 0), (&write, 1)] {
            let before = proxy.connections();
            function.freeze();
            end.of(&mut database, &mut proxy).await;
            function.thaw();
            let answer = function.call(event).await;
            assert_eq!(answer.status, 200, "{end:?}: {}", answer.text);
            assert_eq!(proxy.connections() - before, 1, "{end:?}: connections of the call");
            written += writes;
            assert_eq!(function.call(&read).await.expect(200)["rows"], json!([[written]]), "{end:?}");
            assert_eq!(proxy.connections() - before, 1, "{end:?}: the session that was opened is kept");
        }
    }
}
