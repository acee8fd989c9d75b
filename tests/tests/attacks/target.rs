//! What is attacked: a server of Tidegate with a source whose login may do everything, and an administrator beside it
//! who sees what has changed.

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row};
use tempfile::TempDir;
use test_servers::Server;
use tests::{Client, TestServer};

use crate::corpus::{Engine, Proof};

/// Within this time a change shows, and a statement that was cut off has ended.
const SETTLING: Duration = Duration::from_secs(5);

pub struct Target {
    pub owner: Client,
    /// The name of the source that cases use unless they name a login.
    pub source: &'static str,
    _server: TestServer,
    administrator: Administrator,
    /// Where the database server may write, and nothing should.
    folder: TempDir,
    /// The folder of the SQLite file.
    files: Option<(std::path::PathBuf, BTreeMap<String, u64>)>,
}

enum Administrator {
    Postgres(PgConnection),
    Mysql(MySqlConnection),
    /// The file itself is looked at.
    None,
}

impl Target {
    /// A target with a database of its own, of this name.
    pub async fn new(engine: Engine, database: &str, setup: &[String], logins: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let server = TestServer::start().await;
        let owner = server.owner();
        let (source, administrator, files) = match engine {
            Engine::Postgres => {
                let url = test_servers::postgres().admin_url();
                let mut connection = PgConnection::connect(&url).await.unwrap();
                for statement in [format!("DROP DATABASE IF EXISTS {database}"), format!("CREATE DATABASE {database}")]
                {
                    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
                }
                connection = PgConnection::connect(&within(&url, database)).await.unwrap();
                for statement in setup {
                    sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut connection).await.unwrap();
                }
                ("postgres", Administrator::Postgres(connection), None)
            }
            Engine::Mariadb | Engine::Mysql => {
                let url = mysql_server(engine).admin_url();
                let mut connection = MySqlConnection::connect(&url).await.unwrap();
                let made = format!("DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}");
                sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut connection).await.unwrap();
                connection = MySqlConnection::connect(&within(&url, database)).await.unwrap();
                for statement in setup {
                    sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut connection).await.unwrap();
                }
                ("mysql", Administrator::Mysql(connection), None)
            }
            Engine::Sqlite => {
                // A folder of its own, so that whatever is written beside the file is seen.
                let victim = server.folder.path().join("victim");
                fs::create_dir(&victim).unwrap();
                fs::copy(server.folder.path().join("flights.sqlite"), victim.join("flights.sqlite")).unwrap();
                let contents = contents(&victim);
                ("sqlite", Administrator::None, Some((victim, contents)))
            }
        };
        let mut sources = vec![(source.to_owned(), None)];
        sources.extend(logins.iter().map(|login| (login.replace('_', "-"), Some(login.as_str()))));
        for (name, login) in &sources {
            owner.register(&spec(name, engine, database, *login)).await;
        }
        let names: Vec<_> = sources.iter().map(|(name, _)| name).collect();
        let endpoint = json!({"name": "attacked", "sources": names, "builtins": ["run_sql"]});
        owner.post("/v1/servers", &endpoint).await.expect(201);
        Self { owner, source, _server: server, administrator, folder, files }
    }

    /// A statement with the folder in the place of `{folder}`.
    pub fn fill(&self, text: &str) -> String {
        text.replace("{folder}", self.folder.path().to_str().unwrap())
    }

    /// What is not as it was, if anything.
    pub async fn change(&mut self, proof: Option<&Proof>) -> Option<String> {
        if let Some(left) = fs::read_dir(self.folder.path()).unwrap().next() {
            return Some(format!("{:?} was written", left.unwrap().file_name()));
        }
        if let Some((folder, before)) = &self.files
            && contents(folder) != *before
        {
            return Some(format!("the files are {:?} and were {before:?}", contents(folder)));
        }
        let proof = proof?;
        let begun = Instant::now();
        loop {
            let value = match &mut self.administrator {
                Administrator::Postgres(connection) => {
                    let row = sqlx::raw_sql(AssertSqlSafe(proof.query.clone())).fetch_one(connection).await;
                    row.and_then(|row| row.try_get::<String, _>(0))
                }
                Administrator::Mysql(connection) => {
                    let row = sqlx::raw_sql(AssertSqlSafe(proof.query.clone())).fetch_one(connection).await;
                    row.and_then(|row| row.try_get::<String, _>(0))
                }
                Administrator::None => return Some("there is nobody to ask".to_owned()),
            };
            match value {
                Ok(value) if value == proof.value => return None,
                Ok(value) if begun.elapsed() > SETTLING => {
                    return Some(format!("`{}` gives {value} and not {}", proof.query, proof.value));
                }
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => return Some(format!("the administrator's own session broke: {error}")),
            }
        }
    }
}

/// The URL of another database of the same server.
fn within(url: &str, database: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}

/// The server of an engine that speaks MySQL's protocol.
fn mysql_server(engine: Engine) -> &'static Server {
    match engine {
        Engine::Mysql => test_servers::mysql(),
        _ => test_servers::mariadb(),
    }
}

fn spec(name: &str, engine: Engine, database: &str, login: Option<&str>) -> Json {
    let (kind, server) = match engine {
        Engine::Postgres => ("postgres", test_servers::postgres()),
        Engine::Mariadb | Engine::Mysql => ("mysql", mysql_server(engine)),
        Engine::Sqlite => {
            let connection = json!({"sqlite": {"path": "victim/flights.sqlite"}});
            return json!({"name": name, "allow_raw": true, "connection": connection});
        }
    };
    let (user, password) = login.map_or((&*server.admin_user, &*server.admin_password), |login| (login, "attack"));
    let mut connection = server.connection();
    connection[kind]["database"] = json!(database);
    connection[kind]["user"] = json!(user);
    json!({"name": name, "allow_raw": true, "connection": connection, "credentials": {"password": password}})
}

/// The files of a folder, by the hash of what is in them.
fn contents(folder: &Path) -> BTreeMap<String, u64> {
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let mut hasher = DefaultHasher::new();
        fs::read(entry.path()).unwrap().hash(&mut hasher);
        (entry.file_name().into_string().unwrap(), hasher.finish())
    });
    files.collect()
}
