//! The attack corpus: every case of `tests/attacks/` goes the whole way, over HTTP and MCP, to a real database whose login
//! may do everything. It has to be stopped by the layer that the case names, and to leave nothing changed.

mod corpus;
mod layer;
mod target;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    corpus::{Attack, Attacks, Engine, Harmless, Layer, read},
    layer::shortened,
    target::Target,
};

/// What a call may take beyond the limit that its case sets, on a busy machine.
const GRACE: Duration = Duration::from_secs(3);

/// Runs one case by every route. Gives back what stopped it on the first, or what went wrong.
async fn attack(target: &mut Target, number: usize, case: &Attack) -> Result<Layer, String> {
    let source = case.login.as_ref().map_or(target.source.to_owned(), |login| login.replace('_', "-"));
    let limits = case.time_ms.map_or(json!({}), |time| json!({"time_ms": time}));
    let begun = Instant::now();
    let answer = match (&case.statement, &case.template) {
        (Some(statement), None) => {
            let body = json!({"source": source, "sql": target.fill(statement), "limits": limits});
            target.owner.post("/v1/execute/raw", &body).await
        }
        (None, Some(template)) => {
            let query = json!({"name": format!("attack-{number}"), "description": "d", "source": source,
                               "statement": template, "parameters": case.parameters.clone().unwrap_or(json!([]))});
            let saved = target.owner.post("/v1/queries", &query).await;
            match saved.status.as_u16() {
                201 => {
                    let body = json!({"arguments": case.arguments.clone().unwrap_or(json!({})), "limits": limits});
                    target.owner.post(&format!("/v1/execute/attack-{number}"), &body).await
                }
                _ => saved,
            }
        }
        _ => return Err("a case has either a statement or a template".to_owned()),
    };
    let took = begun.elapsed();
    let layer = layer::of_call(&answer)?;
    if layer != case.expected {
        return Err(format!("{layer} instead of {}: {}", case.expected, shortened(&answer.text)));
    }
    if let Some(rows) = &case.rows
        && answer.json()["rows"] != *rows
    {
        return Err(format!("it answers {}", shortened(&answer.text)));
    }
    if let Some(limit) = case.time_ms
        && took > Duration::from_millis(limit) + GRACE
    {
        return Err(format!("it took {took:?}"));
    }
    if let Some(statement) = &case.statement
        && !matches!(layer, Layer::Budget | Layer::Answer)
    {
        by_other_routes(target, number, &source, &target.fill(statement), layer).await?;
    }
    Ok(layer)
}

/// What a layer refuses as raw SQL it refuses as a tool call, and as a query, saved or run.
async fn by_other_routes(target: &Target, number: usize, source: &str, sql: &str, raw: Layer) -> Result<(), String> {
    let call = json!({"name": "run_sql", "arguments": {"source": source, "sql": sql}});
    let answer = target.owner.mcp_legacy("/t/demo/mcp/attacked", "tools/call", call).await;
    let by_tool = layer::of_tool(&answer)?;
    let name = format!("attack-{number}");
    let query = json!({"name": name, "description": "d", "source": source, "statement": sql});
    let mut answer = target.owner.post("/v1/queries", &query).await;
    if answer.status == 201 {
        answer = target.owner.run(&name, json!({})).await;
    }
    let by_query = layer::of_call(&answer)?;
    // The compiler reads a query before the guard does, and refuses placeholders of the attacker's and control characters.
    let is_the_same = by_query == raw || (raw, by_query) == (Layer::Guard, Layer::Template);
    if by_tool != raw || !is_the_same {
        return Err(format!("{raw}, but {by_tool} over MCP and {by_query} as a query: {}", shortened(&answer.text)));
    }
    Ok(())
}

/// Runs the attacks of a file and prints what stopped them.
async fn withstand(file: &str) {
    let begun = Instant::now();
    let corpus: Attacks = read(file);
    let database = format!("attacked_{}", file.trim_end_matches(".yaml"));
    let mut target = Target::new(corpus.engine, &database, &corpus.setup, &corpus.logins).await;
    let mut stopped: BTreeMap<Layer, usize> = BTreeMap::new();
    let (mut failures, mut unchanged) = (Vec::new(), 0);
    for (number, case) in corpus.cases.iter().enumerate() {
        match attack(&mut target, number, case).await {
            Ok(layer) => *stopped.entry(layer).or_default() += 1,
            Err(wrong) => failures.push(format!("{}: {wrong} ({})", case.name, case.why)),
        }
        let proof = corpus.proofs.get(&case.then);
        if proof.is_none() && !["folder", "files"].contains(&case.then.as_str()) {
            failures.push(format!("{}: there is no proof `{}`", case.name, case.then));
        }
        match target.change(proof).await {
            None => unchanged += 1,
            Some(change) => failures.push(format!("{}: {change} ({})", case.name, case.why)),
        }
    }
    for (name, proof) in &corpus.proofs {
        if let Some(change) = target.change(Some(proof)).await {
            failures.push(format!("at the end, {name}: {change}"));
        }
    }
    let layers: Vec<_> = stopped.iter().map(|(layer, count)| format!("{layer} {count}")).collect();
    println!(
        "{file:<15} {:>3} cases; stopped by: {}; nothing changed: {unchanged}; {:.1} s",
        corpus.cases.len(),
        layers.join(", "),
        begun.elapsed().as_secs_f64(),
    );
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn attacks_leave_postgres_unchanged() {
    withstand("postgres.yaml").await;
}

#[tokio::test]
async fn attacks_leave_mariadb_unchanged() {
    withstand("mariadb.yaml").await;
}

#[tokio::test]
async fn attacks_leave_mysql_unchanged() {
    withstand("mysql.yaml").await;
}

#[tokio::test]
async fn attacks_leave_sqlite_unchanged() {
    withstand("sqlite.yaml").await;
}

#[tokio::test]
async fn attacks_through_templates_change_nothing() {
    withstand("templates.yaml").await;
}

/// The share of harmless statements that may be refused, as one of so many.
const ONE_REFUSAL_OF: usize = 100;

#[tokio::test]
async fn attacks_are_not_seen_in_what_analysts_write() {
    let begun = Instant::now();
    let corpus: BTreeMap<Engine, Harmless> = read("harmless.yaml");
    let (mut count, mut refused, mut failures) = (0, Vec::new(), Vec::new());
    for (engine, harmless) in &corpus {
        let also = harmless.also.map(|engine| &corpus[&engine]);
        let setup = also.map_or(&harmless.setup, |also| &also.setup);
        let shared = also.into_iter().flat_map(|also| &also.statements).filter(|question| !question.only);
        let target = Target::new(*engine, "analysed", setup, &[]).await;
        for question in harmless.statements.iter().chain(shared) {
            count += 1;
            let body = json!({"source": target.source, "sql": question.sql});
            let answer = target.owner.post("/v1/execute/raw", &body).await;
            match (&question.known_refusal, answer.status == 200) {
                (None, true) => {}
                (Some(reason), false) => refused.push(format!("{}: {reason}", question.sql)),
                (Some(_), true) => failures.push(format!("{engine:?} answers after all: {}", question.sql)),
                (None, false) => failures.push(format!("{engine:?}: {}: {}", question.sql, shortened(&answer.text))),
            }
        }
    }
    println!(
        "harmless.yaml   {count} statements; false refusals: {} ({:.2} %); {:.1} s",
        refused.len(),
        100.0 * refused.len() as f64 / count as f64,
        begun.elapsed().as_secs_f64(),
    );
    for refusal in &refused {
        println!("  {refusal}");
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    assert!(refused.len() * ONE_REFUSAL_OF <= count, "too much that is harmless is refused: {refused:#?}");
}
