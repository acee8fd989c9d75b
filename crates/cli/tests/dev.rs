//! `tidegate dev` as a person starts it: the built command in a folder of its own.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value as Json, json};

/// A running `tidegate dev`, killed when it is dropped.
struct Dev {
    child: Child,
    record: Json,
    greeting: String,
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(["dev", "--port", "0", "--data-dir"]).arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Dev {
    fn start(folder: &Path) -> Self {
        let mut child = command(folder).spawn().unwrap();
        let mut greeting = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            greeting.push_str(&line);
            greeting.push('\n');
            if line.starts_with("Stop it") {
                break;
            }
        }
        if !greeting.contains("Stop it") {
            let mut error = String::new();
            child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            panic!("it did not start: {error}");
        }
        let record = serde_json::from_slice(&fs::read(folder.join("dev.json")).unwrap()).unwrap();
        Self { child, record, greeting }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.record["base_url"].as_str().unwrap())
    }

    async fn post(&self, path: &str, body: &Json) -> reqwest::Result<Json> {
        let key = self.record["api_key"].as_str().unwrap();
        reqwest::Client::new()
            .post(self.url(path))
            .bearer_auth(key)
            .json(body)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await
    }

    async fn get(&self, path: &str) -> Json {
        let key = self.record["api_key"].as_str().unwrap();
        let response = reqwest::Client::new().get(self.url(path)).bearer_auth(key).send().await.unwrap();
        response.json().await.unwrap()
    }
}

fn fails(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = command(folder).args(arguments).output().unwrap();
    let error = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{error}");
    assert_eq!(error.trim().lines().count(), 1, "one clear line, not: {error}");
    error
}

fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test]
async fn what_it_prints_works_when_pasted() {
    install_tls();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("data");
    let first = Dev::start(&folder);
    let key = first.record["api_key"].as_str().unwrap().to_owned();
    assert!(first.greeting.contains(&key));
    let curl = first.greeting.lines().find(|line| line.starts_with("curl ")).unwrap();
    let answer = Command::new("sh").args(["-c", curl]).output().unwrap();
    let table = String::from_utf8(answer.stdout).unwrap();
    assert!(table.starts_with("| ") && table.lines().count() > 5, "{table}");
    let snippet = &first.greeting[first.greeting.find('{').unwrap_or_default()..];
    let snippet = &first.greeting[first.greeting.find("\n{").unwrap_or(first.greeting.len() - snippet.len())..];
    let snippet: Json = serde_json::Deserializer::from_str(snippet).into_iter().next().unwrap().unwrap();
    let entry = &snippet["mcpServers"]["tidegate"];
    assert_eq!(
        (&entry["url"], &entry["headers"]["Authorization"]),
        (&first.record["mcp_url"], &json!(format!("Bearer {key}")))
    );

    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("dev.json"), mode("master.key")), (0o700, 0o600, 0o600));
    assert_eq!(first.record["pid"], first.child.id());
    drop(first);

    let second = Dev::start(&folder);
    assert_eq!(second.record["api_key"], key.as_str());
    assert!(!second.greeting.contains(&key), "the key is shown once");
    let curl = second.greeting.lines().find(|line| line.starts_with("curl ")).unwrap();
    let answer = Command::new("sh").args(["-c", curl]).output().unwrap();
    assert_eq!(String::from_utf8(answer.stdout).unwrap(), table);
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_it_is_killed() {
    install_tls();
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let dev = Dev::start(folder.path());
        let pid = dev.record["pid"].to_string();
        let killer = tokio::task::spawn_blocking(move || {
            // The kill comes while writes are under way, a little later each round.
            Command::new("sh").arg("-c").arg(format!("sleep 0.{}; kill -9 {pid}", 2 + round)).status().unwrap()
        });
        for number in 0.. {
            let name = format!("q_{round}_{number}");
            let query = json!({"name": name, "description": "d", "source": "flights", "statement": "SELECT 1 AS one"});
            match dev.post("/v1/queries", &query).await {
                Ok(made) => acknowledged.push((name, made["id"].clone())),
                Err(_) => break,
            }
        }
        killer.await.unwrap();
    }
    assert!(acknowledged.len() > 8, "only {} writes", acknowledged.len());
    let dev = Dev::start(folder.path());
    for (name, id) in &acknowledged {
        let found = dev.get(&format!("/v1/queries/{name}")).await;
        assert_eq!(&found["id"], id, "{name}: {found}");
    }
}

#[test]
fn what_keeps_it_from_starting_is_one_line_that_says_how_to_mend_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = Dev::start(&data);
    let port = running.record["base_url"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();

    let taken = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["dev", "--port", &port, "--data-dir"])
        .arg(folder.path().join("other"))
        .output()
        .unwrap();
    let error = String::from_utf8(taken.stderr).unwrap();
    assert!(error.contains(&port) && error.contains("--port") && error.trim().lines().count() == 1, "{error}");

    let error = fails(&data, &[]);
    assert!(error.contains(&running.record["pid"].to_string()), "{error}");
    drop(running);

    fs::write(data.join("master.key"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
    let error = fails(&data, &[]);
    assert!(error.contains("key"), "{error}");

    let file = folder.path().join("a-file");
    fs::write(&file, "").unwrap();
    let error = fails(&file.join("below"), &[]);
    assert!(error.contains("a-file"), "{error}");
    let error = fails(&folder.path().join("x"), &["--config", "/no/such.yaml"]);
    assert!(error.contains("/no/such.yaml"), "{error}");
}
