//! Measures the functions as programs under a Runtime API of this process, against the function that cargo-lambda makes, and
//! prints the tables of `bench/README.md`. The first argument is the folder with the programs; others name the functions to
//! measure, which are all of them by default.

#![expect(clippy::print_stdout, reason = "the tables are the product of this program")]

use std::{
    env,
    error::Error,
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use flate2::{Compression, write::DeflateEncoder};
use serde_json::{Value as Json, json};
use tests::lambda::{Cloud, Environment, Event};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How often a start is measured; the median counts.
const STARTS: usize = 21;

/// How many calls the memory is measured over.
const MIXED_CALLS: usize = 100;

/// How many calls the cost of Lambda's layer is measured over, and how many of them warm it up.
const CALLS: usize = 6_000;
const WARM_UP: usize = 500;

/// The time that a task of `sync` is given.
const TASK: Duration = Duration::from_secs(900);

/// The most processor time of a start, in starts of the function that cargo-lambda makes.
const INIT_MARK: f64 = 2.0;

/// The most resident memory, in megabytes.
const MEMORY_MARK: f64 = 64.0;

/// The most processor time that Lambda's layer takes of a call, in microseconds.
const LAYER_MARK: f64 = 60.0;

/// The functions, with the largest size of each when compressed, in megabytes, where there is a mark.
const FUNCTIONS: [(&str, Option<f64>); 5] =
    [("auth", Some(3.5)), ("registry", None), ("execute", None), ("mcp", Some(10.0)), ("sync", None)];

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("name the folder with the programs")?);
    let names: Vec<String> = arguments.collect();
    let cloud = Cloud::start().await;

    println!(
        "\n| function | init ms | init, CPU ms | of `least`'s | of `hello`'s | mark | | zipped MB | mark | | peak MB | mark | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let (least, hello) = (init(&folder.join("least"), &[]).await?, init(&folder.join("hello"), &[]).await?);
    for (name, Init { wall_ms, cpu_ms }) in [("least", &least), ("hello", &hello)] {
        let (size, of_least, of_hello) = (zipped_mb(&folder.join(name))?, cpu_ms / least.cpu_ms, cpu_ms / hello.cpu_ms);
        println!("| `{name}` | {wall_ms:.1} | {cpu_ms:.1} | {of_least:.1} | {of_hello:.1} | | | {size:.2} | | | | | |");
    }
    for (name, size_mark) in FUNCTIONS {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let program = folder.join(name);
        let Init { wall_ms, cpu_ms } = init(&program, &variables(name, &cloud)).await?;
        let (of_least, ratio) = (cpu_ms / least.cpu_ms, cpu_ms / hello.cpu_ms);
        let (size, peak) = (zipped_mb(&program)?, peak_mb(&program, &cloud).await?);
        println!(
            "| `{name}` | {wall_ms:.1} | {cpu_ms:.1} | {of_least:.1} | {ratio:.1} | {INIT_MARK} | {} | {size:.2} | {} | {} | \
             {peak:.0} | {MEMORY_MARK} | {} |",
            met(ratio <= INIT_MARK),
            size_mark.map(|mark| mark.to_string()).unwrap_or_default(),
            size_mark.map(|mark| met(size <= mark)).unwrap_or_default(),
            met(peak <= MEMORY_MARK),
        );
    }

    let (layered, bare) = (under_lambda_us(&folder, &cloud).await?, on_socket_us(&folder, &cloud).await?);
    println!("\n| `GET /health` of `auth` | CPU µs a call |\n|---|---|");
    println!("| under the Runtime API | {layered:.0} |\n| on a socket | {bare:.0} |");
    println!("| the difference; mark {LAYER_MARK} | {:.0} {} |", layered - bare, met(layered - bare <= LAYER_MARK));
    Ok(())
}

const fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

/// What a deployment tells a function. `auth` opens no source, so it is not told of secrets.
fn variables(name: &str, cloud: &Cloud) -> Vec<(String, String)> {
    if name == "auth" { cloud.variables_with("TIDEGATE_SECRET_PREFIX", None) } else { cloud.variables() }
}

/// The medians of what it takes from the start of a process until it asks for its first event.
struct Init {
    wall_ms: f64,
    cpu_ms: f64,
}

async fn init(program: &Path, variables: &[(String, String)]) -> Outcome<Init> {
    let (mut wall, mut spent) = (Vec::with_capacity(STARTS), Vec::with_capacity(STARTS));
    for _ in 0..STARTS {
        let environment = Environment::start(program, variables).await;
        wall.push(environment.init);
        spent.push(cpu(&environment.id())?);
    }
    let median_ms = |mut times: Vec<Duration>| {
        times.sort();
        times.get(STARTS / 2).map_or(0.0, Duration::as_secs_f64) * 1e3
    };
    Ok(Init { wall_ms: median_ms(wall), cpu_ms: median_ms(spent) })
}

/// What a program comes to in an archive, which Lambda takes.
fn zipped_mb(program: &Path) -> Outcome<f64> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&fs::read(program)?)?;
    Ok(encoder.finish()?.len() as f64 / 1e6)
}

/// The most resident memory over calls of every kind that the function has.
async fn peak_mb(program: &Path, cloud: &Cloud) -> Outcome<f64> {
    let mut function = Environment::start(program, &cloud.variables()).await;
    if program.ends_with("sync") {
        let tasks = ["source_health", "catalog_snapshots", "purge", "key_rotation"];
        for task in tasks.into_iter().cycle().take(MIXED_CALLS) {
            perform(&mut function, task).await?;
        }
    } else {
        for event in mixed(program, &cloud.key).iter().cycle().take(MIXED_CALLS) {
            let answer = function.call(event).await;
            assert!(answer.status.is_success(), "{event:?}: {}", answer.text);
        }
    }
    Ok(function.peak_kb() as f64 / 1024.0)
}

/// Has `sync` do a task, whose answer is no answer to a request.
async fn perform(function: &mut Environment, task: &str) -> Outcome<()> {
    let outcome = function.invoke(&json!({"task": task}).into(), TASK).await;
    let mut outcome = outcome.ok_or("the process ended instead of doing its task")?;
    let told = outcome.rest().await;
    assert!(!outcome.is_failure, "{task}: {}", String::from_utf8_lossy(&told));
    function.idle().await;
    Ok(())
}

fn mixed(program: &Path, key: &str) -> Vec<Event> {
    let get = |path: &str| Event::new("GET", path).key(key);
    let post = |path: &str, body: Json| Event::new("POST", path).key(key).body(body);
    let rpc = |method: &str, params: Json| {
        post("/t/demo/mcp/flights", json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
    };
    // Rounds of `registry` leave what they found, so that they can begin again.
    let at = |event: Event, version: u32| event.header("if-match", &format!("\"{version}\""));
    let spare = json!({"name": "spare", "description": "spare", "source": "spare", "statement": "SELECT 1 AS one"});
    let all = "SELECT * FROM flights LIMIT 1000";
    match program.file_name().and_then(|name| name.to_str()) {
        Some("auth") => {
            let round = |number: usize| {
                [
                    get("/v1/me"),
                    post("/v1/keys", json!({"name": format!("spare-{number}"), "role": "runner"})),
                    get("/v1/keys"),
                    get("/health/ready"),
                ]
            };
            (0..MIXED_CALLS / 4).flat_map(round).collect()
        }
        Some("registry") => vec![
            post("/v1/sources", json!({"name": "spare", "connection": {"sqlite": {"path": "flights.sqlite"}}})),
            post("/v1/queries/check", spare.clone()),
            post("/v1/queries", spare.clone()),
            at(Event::new("PUT", "/v1/queries/spare").key(key).body(spare), 1),
            get("/v1/queries/spare/revisions"),
            get("/v1/queries"),
            get("/v1/servers"),
            at(Event::new("DELETE", "/v1/queries/spare").key(key), 2),
            at(Event::new("DELETE", "/v1/sources/spare").key(key), 1),
            get("/v1/sources"),
        ],
        Some("execute") => vec![
            post("/v1/execute/list_airlines", json!({})),
            post("/v1/execute/raw", json!({"source": "flights", "sql": all})),
            post("/v1/execute/raw?format=csv", json!({"source": "flights", "sql": all})),
            post("/v1/execute/list_airlines/explain", json!({})),
            post("/v1/sources/flights/test", json!({})),
            get("/v1/sources/flights/schemas"),
            get("/v1/executions"),
        ],
        _ => vec![
            rpc("tools/list", json!({})),
            rpc("tools/call", json!({"name": "list_airlines", "arguments": {}})),
            rpc("tools/call", json!({"name": "run_sql", "arguments": {"sql": all}})),
        ],
    }
}

async fn under_lambda_us(folder: &Path, cloud: &Cloud) -> Outcome<f64> {
    let mut function = Environment::start(&folder.join("auth"), &cloud.variables()).await;
    let event = Event::new("GET", "/health");
    let mut before = Duration::ZERO;
    for call in 0..WARM_UP + CALLS {
        if call == WARM_UP {
            before = cpu(&function.id())?;
        }
        function.call(&event).await.expect(200);
    }
    Ok((cpu(&function.id())? - before).as_secs_f64() * 1e6 / CALLS as f64)
}

async fn on_socket_us(folder: &Path, cloud: &Cloud) -> Outcome<f64> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut child = Command::new(folder.join("auth"))
        .env_clear()
        .envs(cloud.variables())
        .env("TIDEGATE_LISTEN", address.to_string())
        .stderr(Stdio::null())
        .spawn()?;
    let (http, url) = (reqwest::Client::new(), format!("http://{address}/health"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while http.get(&url).send().await.is_err() {
        if Instant::now() > deadline {
            return Err("the function does not listen".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let id = child.id().to_string();
    let mut before = Duration::ZERO;
    for call in 0..WARM_UP + CALLS {
        if call == WARM_UP {
            before = cpu(&id)?;
        }
        http.get(&url).send().await?.error_for_status()?.bytes().await?;
    }
    let spent = cpu(&id)? - before;
    child.kill()?;
    child.wait()?;
    Ok(spent.as_secs_f64() * 1e6 / CALLS as f64)
}

/// The time that all threads of a process have been on a processor, to the nanosecond.
fn cpu(id: &str) -> Outcome<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        // The first number of this file is the time on a processor in nanoseconds (Documentation/scheduler/sched-stats).
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}
