//! Lambda as one function sees it: an environment that starts its program, the Runtime API, and a gateway's events.
//!
//! The API is the part of it that runtimes use (AWS Lambda, "Using the Lambda runtime API"), on a port of its own for each
//! environment. A call is answered, or the environment ends; nothing waits for ever.

mod cloud;
mod event;
mod runtime_api;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::Value as Json;
use tokio::{sync::mpsc, time::timeout};

use self::runtime_api::RuntimeApi;
pub use self::{
    cloud::{Cloud, MASTER_KEY},
    event::Event,
};
use crate::{Answer, memory};

/// How long a call may take by the driver's clock, whatever the function was told.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time that a call is given when nothing else is said.
const TIME: Duration = Duration::from_secs(15);

/// One environment: a function's program with its Runtime API. It is killed when this is dropped.
pub struct Environment {
    child: Child,
    api: RuntimeApi,
    log: Arc<Mutex<Vec<String>>>,
    /// From the start of the process until it asked for its first event.
    pub init: Duration,
}

/// What a function sent as the outcome of one call.
pub struct Outcome {
    /// Whether it reported that it failed.
    pub is_failure: bool,
    /// Whether it streams.
    pub is_streamed: bool,
    /// The parts of the body as they came.
    pub parts: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Environment {
    /// Starts a program with these variables and no others, and waits until it asks for its first event.
    pub async fn start(program: &Path, variables: &[(String, String)]) -> Self {
        Self::run(Command::new(program), variables).await
    }

    /// Starts a command that becomes the program.
    pub async fn run(mut command: Command, variables: &[(String, String)]) -> Self {
        let mut api = RuntimeApi::start().await;
        command
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", api.address.as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", "function"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, written) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                written.lock().unwrap().push(line);
            }
        });
        let idle = timeout(PATIENCE, api.idle()).await;
        let environment = Self { child, api, log, init: began.elapsed() };
        assert!(idle.is_ok(), "{command:?} did not ask for an event: {:#?}", environment.log());
        environment
    }

    /// Hands the function an event, with this much time. None when its process ends instead of answering.
    pub async fn invoke(&mut self, event: &Event, time: Duration) -> Option<Outcome> {
        let (child, api) = (&mut self.child, &mut self.api);
        let outcome = api.invoke(event.to_string(), time);
        let ended = async {
            while child.try_wait().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let either = async {
            tokio::select! {
                outcome = outcome => Some(outcome),
                () = ended => None,
            }
        };
        match timeout(PATIENCE, either).await {
            Ok(outcome) => outcome,
            Err(_) => panic!("no answer to {event:?}: {:#?}", self.log()),
        }
    }

    /// The answer to an event, whole, once the function is idle again.
    pub async fn call(&mut self, event: &Event) -> Answer {
        self.call_within(event, TIME).await
    }

    /// The answer to an event, when the function has this much time for it.
    pub async fn call_within(&mut self, event: &Event, time: Duration) -> Answer {
        let Some(mut outcome) = self.invoke(event, time).await else {
            panic!("the process ended: {:#?}", self.log());
        };
        let body = outcome.rest().await;
        assert!(!outcome.is_failure, "the function failed: {}", String::from_utf8_lossy(&body));
        self.idle().await;
        if outcome.is_streamed { streamed(&body) } else { whole(&body) }
    }

    /// Waits until the function asks for the next event.
    pub async fn idle(&mut self) {
        if timeout(PATIENCE, self.api.idle()).await.is_err() {
            panic!("the function does not ask for another event: {:#?}", self.log());
        }
    }

    /// Stops the process where it is, as Lambda does between calls.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Stops the process for so long, and lets it go on. What is tested is that this time passes for it at once, so there is
    /// nothing to poll.
    pub async fn frozen_for(&self, time: Duration) {
        self.freeze();
        tokio::time::sleep(time).await;
        self.thaw();
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Tells the process to end, thawed if it was frozen, and gives back how it did and how long that took.
    pub async fn terminate(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.signal("TERM");
        self.thaw();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, began.elapsed());
            }
            assert!(began.elapsed() < PATIENCE, "the process does not end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Limits the memory of the process, in bytes of address space beyond what it has.
    pub fn limit_memory(&self, more: u64) {
        let limit = memory(self.child.id(), "VmSize") + more;
        let done = Command::new("prlimit").args(["--pid", &self.id(), &format!("--as={limit}")]).status().unwrap();
        assert!(done.success());
    }

    /// The most resident memory that the process ever had, in kB.
    pub fn peak_kb(&self) -> u64 {
        memory(self.child.id(), "VmHWM") / 1024
    }

    /// What the function logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The lines of the log that hold a text, as JSON, once there is one.
    pub async fn logged(&self, text: &str) -> Vec<Json> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            let lines = log.iter().filter(|line| line.contains(text));
            let lines: Vec<Json> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
            if !lines.is_empty() {
                return lines;
            }
            assert!(Instant::now() < deadline, "nothing of `{text}` is logged: {log:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The id of the process.
    pub fn id(&self) -> String {
        self.child.id().to_string()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Outcome {
    /// All of the body that has not been read yet.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(part) = timeout(PATIENCE, self.parts.recv()).await.unwrap() {
            body.extend(part);
        }
        body
    }
}

/// An answer that came in one piece.
fn whole(body: &[u8]) -> Answer {
    let reply: Json = serde_json::from_slice(body).unwrap();
    let text = event::body(&reply["body"], reply["isBase64Encoded"] == true);
    answer(&reply, &text)
}

/// An answer that was streamed: a prelude, eight zeros, and the body.
fn streamed(body: &[u8]) -> Answer {
    let end = body.windows(8).position(|bytes| bytes == [0; 8]).unwrap();
    answer(&serde_json::from_slice(&body[..end]).unwrap(), &body[end + 8..])
}

fn answer(reply: &Json, body: &[u8]) -> Answer {
    let mut headers = reqwest::header::HeaderMap::new();
    for (name, value) in reply["headers"].as_object().unwrap() {
        let name: reqwest::header::HeaderName = name.parse().unwrap();
        headers.insert(name, value.as_str().unwrap().parse().unwrap());
    }
    let status = u16::try_from(reply["statusCode"].as_u64().unwrap()).unwrap();
    Answer { status: StatusCode::from_u16(status).unwrap(), headers, text: String::from_utf8_lossy(body).into_owned() }
}
