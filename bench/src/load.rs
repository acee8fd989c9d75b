//! Load over HTTP: many clients, each on a connection of its own that stays open.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use crate::{Outcome, process::Process};

/// How many clients call at once.
const CLIENTS: u32 = 16;

/// One kind of call.
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Json,
    pub(crate) calls: u32,
}

/// What was seen of it.
pub(crate) struct Measure {
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) bytes: usize,
}

impl Request {
    async fn send(&self, http: &reqwest::Client) -> Outcome<usize> {
        let request = http.post(&self.url).headers(self.headers.clone()).body(self.body.to_string());
        let response = request.send().await?.error_for_status()?;
        Ok(response.bytes().await?.len())
    }

    /// Makes sure that the answer is no error, which would be fast and mean nothing.
    async fn checked(&self, http: &reqwest::Client) -> Outcome<()> {
        let request = http.post(&self.url).headers(self.headers.clone()).body(self.body.to_string());
        let text = request.send().await?.text().await?;
        let failed = text.contains("\"isError\":true") || text.contains("\"error\":");
        if failed { Err(format!("{}: {text}", self.name).into()) } else { Ok(()) }
    }
}

/// Calls from many clients, after a warm-up, and tells what each call cost.
pub(crate) async fn measure(request: &Request, process: &Process) -> Outcome<Measure> {
    let client = || reqwest::Client::builder().pool_max_idle_per_host(1).build();
    let first = client()?;
    request.checked(&first).await?;
    for _ in 0..request.calls / 20 {
        request.send(&first).await?;
    }
    let (cpu_before, began) = (process.cpu()?, Instant::now());
    let each = request.calls / CLIENTS;
    let mut running = Vec::new();
    for _ in 0..CLIENTS {
        let http = client()?;
        running.push(async move {
            let mut times = Vec::new();
            let mut bytes = 0;
            for _ in 0..each {
                let sent = Instant::now();
                bytes = request.send(&http).await?;
                times.push(sent.elapsed());
            }
            Outcome::Ok((times, bytes))
        });
    }
    let mut times: Vec<Duration> = Vec::new();
    let mut bytes = 0;
    for finished in futures::future::try_join_all(running).await? {
        times.extend(finished.0);
        bytes = finished.1;
    }
    let (elapsed, cpu) = (began.elapsed(), process.cpu()? - cpu_before);
    times.sort();
    let at = |part: usize| times.get(times.len() * part / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let count = times.len() as f64;
    Ok(Measure {
        cpu_us: cpu.as_secs_f64() * 1e6 / count,
        per_second: count / elapsed.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        bytes,
    })
}
