//! The command of an operator.

use std::process::{Child, Command, Output, Stdio};

use emulator::Emulator;
use serde_json::{Value as Json, json};
use tests::{PATIENCE, lambda::MASTER_KEY, until};
use tokio::net::TcpListener;

use super::{at_each_write, whole::SOURCES};

/// The command, as it is built with the tests.
const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate-measured");

/// The master key that an emulator holds.
async fn master_key(emulator: &Emulator) -> Option<String> {
    if !emulator.secret_names().iter().any(|name| name == MASTER_KEY) {
        return None;
    }
    let request = reqwest::Client::new().post(emulator.url()).header("x-amz-target", "secretsmanager.GetSecretValue");
    let answer = request.body(json!({"SecretId": MASTER_KEY}).to_string()).send().await.unwrap();
    let answer: Json = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    Some(answer["SecretString"].as_str().unwrap().to_owned())
}

/// `tidegate store` for an emulator.
fn command(emulator: &Emulator, word: &str) -> Child {
    let variables = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", emulator.url()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("HOME", "/nonexistent"),
        ("TIDEGATE_CONFIG", "{}"),
        ("TIDEGATE_TABLE", "tidegate"),
        ("TIDEGATE_SECRET_PREFIX", SOURCES),
        ("TIDEGATE_MASTER_KEY_SECRET", MASTER_KEY),
    ];
    let mut command = Command::new(TIDEGATE);
    command.args(["store", word]).env_clear().envs(variables).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a command printed that succeeded.
async fn printed(mut command: Child) -> String {
    until("the end of the command", PATIENCE, async || command.try_wait().unwrap().is_some()).await;
    let Output { status, stdout, stderr } = command.wait_with_output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[tokio::test]
async fn a_store_whose_making_was_killed_is_made_by_the_next_and_keeps_its_key() {
    let writes = at_each_write(async |(write, moment)| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let emulator = Emulator::start(listener, None).unwrap();
        let reached = emulator.hold_write(write, moment);
        let mut init = command(&emulator, "init");
        let is_killed = tokio::select! {
            reached = reached => reached.is_ok(),
            () = until("the end of the command", PATIENCE, async || init.try_wait().unwrap().is_some()) => false,
        };
        // One that has ended cannot be killed.
        let _ = init.kill();
        init.wait().unwrap();
        emulator.heal();
        let key = master_key(&emulator).await;
        for _ in 0..2 {
            assert!(printed(command(&emulator, "init")).await.ends_with("is at revision 1\n"), "{write} {moment:?}");
        }
        let made = master_key(&emulator).await;
        assert!(made.is_some() && (key.is_none() || key == made), "{write} {moment:?}");
        assert!(printed(command(&emulator, "status")).await.contains("revision      1"), "{write} {moment:?}");
        is_killed
    });
    // The table, when its items expire, the master key, the version.
    assert_eq!(writes.await, 4);
}
