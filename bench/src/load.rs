//! Load over HTTP: many clients, each on a connection of its own that stays open.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;

use crate::{Outcome, process::Process};

/// One kind of call.
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// How many clients call at once.
    pub(crate) clients: u32,
    /// How many calls they make together.
    pub(crate) calls: u32,
}

/// What was seen of it.
pub(crate) struct Measure {
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    /// The bytes of the last answer.
    pub(crate) bytes: usize,
    pub(crate) errors: usize,
}

impl Request {
    async fn send(&self, http: &reqwest::Client) -> Outcome<String> {
        let request = http.post(&self.url).headers(self.headers.clone()).body(self.body.clone());
        let answer = request.send().await?.error_for_status()?.text().await?;
        // An error would be fast and mean nothing. It stands at the end of an answer, where rows do not.
        let end = answer.get(answer.floor_char_boundary(answer.len().saturating_sub(64))..).unwrap_or_default();
        let failed = end.contains("\"isError\":true") || answer.starts_with("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\"");
        if failed { Err(format!("{}: {answer}", self.name).into()) } else { Ok(answer) }
    }
}

/// Calls from many clients, after a warm-up, and tells what each call cost.
pub(crate) async fn measure(request: &Request, process: &Process) -> Outcome<Measure> {
    let client = || reqwest::Client::builder().pool_max_idle_per_host(1).build();
    let first = client()?;
    for _ in 0..(request.calls / 20).max(1) {
        request.send(&first).await?;
    }
    let clients: Vec<_> = (0..request.clients).map(|_| client()).collect::<Result<_, _>>()?;
    let each = request.calls / request.clients;
    let (cpu_before, began) = (process.cpu()?, Instant::now());
    let run = async |http: reqwest::Client| {
        let (mut times, mut bytes, mut errors) = (Vec::with_capacity(each as usize), 0, 0);
        for _ in 0..each {
            let sent = Instant::now();
            match request.send(&http).await {
                Ok(answer) => bytes = answer.len(),
                Err(error) => {
                    if errors == 0 {
                        eprintln!("{error}");
                    }
                    errors += 1;
                }
            }
            times.push(sent.elapsed());
        }
        (times, bytes, errors)
    };
    let finished = futures::future::join_all(clients.into_iter().map(run)).await;
    let (elapsed, cpu) = (began.elapsed(), process.cpu()? - cpu_before);
    let mut times: Vec<Duration> = finished.iter().flat_map(|(times, ..)| times).copied().collect();
    times.sort();
    let at = |part: usize| times.get(times.len() * part / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let count = times.len() as f64;
    Ok(Measure {
        cpu_us: cpu.as_secs_f64() * 1e6 / count,
        per_second: count / elapsed.as_secs_f64(),
        p50_ms: at(50),
        p95_ms: at(95),
        p99_ms: at(99),
        bytes: finished.last().map_or(0, |(_, bytes, _)| *bytes),
        errors: finished.iter().map(|(.., errors)| errors).sum(),
    })
}
