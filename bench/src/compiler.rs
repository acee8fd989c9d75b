//! What the compiler of templates and the guard cost by themselves.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use serde_json::{Map, Value as Json, json};
use tidegate_core::parameter::Parameter;
use tidegate_statement::{Dialect, Statement, Template, Window};

use crate::Outcome;

/// A template of 2 KB with five parameters, two of them optional.
const TEMPLATE: &str = include_str!("report.sql");

/// How often each is measured; the median counts.
const ROUNDS: usize = 301;

/// Warm calls are too short for the clock, so that as many are measured at once.
const WARM_CALLS: u32 = 100;

/// Microseconds.
pub(crate) struct Cost {
    /// A call of a query whose template is compiled and whose statement the guard has seen.
    pub(crate) warm_us: f64,
    /// The first call of a query.
    pub(crate) cold_us: f64,
    /// The guard on raw SQL of the same length.
    pub(crate) raw_us: f64,
    /// The length of the template in bytes.
    pub(crate) length: usize,
}

/// Measures on one thread.
pub(crate) fn measure() -> Outcome<Cost> {
    let parameters: Vec<Parameter> = serde_json::from_value(json!([
        {"name": "from", "type": "date", "example": "2013-01-01"},
        {"name": "to", "type": "date", "example": "2013-12-31"},
        {"name": "origins", "type": "list", "items": {"type": "string"}, "example": ["JFK", "LGA"]},
        {"name": "carrier", "type": "string", "required": false, "example": "UA"},
        {"name": "min_delay", "type": "integer", "required": false, "example": 15},
    ]))?;
    let given = json!({"from": "2013-02-01", "to": "2013-02-28", "origins": ["JFK", "LGA", "EWR"], "carrier": "UA"});
    let Json::Object(given) = given else { return Err("arguments are an object".into()) };
    // What is known of a text is shared by all templates, so that no two of them may become the same text.
    let mut rounds = 0_u32;
    let mut compile = || {
        rounds += 1;
        Template::recompile(&format!("{TEMPLATE}-- {rounds}"), &parameters, Dialect::Postgres)
    };

    let template = compile()?;
    let raw = bind(&template, &given)?.text().replace('$', "");
    Ok(Cost {
        warm_us: median(|| {
            let began = Instant::now();
            for _ in 0..WARM_CALLS {
                black_box(bind(&template, &given)?);
            }
            Ok(began.elapsed() / WARM_CALLS)
        })?,
        cold_us: median(|| {
            let began = Instant::now();
            black_box(bind(&compile()?, &given)?);
            Ok(began.elapsed())
        })?,
        raw_us: median(|| {
            let began = Instant::now();
            black_box(Statement::raw(&raw, Dialect::Postgres)?);
            Ok(began.elapsed())
        })?,
        length: TEMPLATE.len(),
    })
}

/// What a call does between its arguments and the database.
fn bind(template: &Template, given: &Map<String, Json>) -> Outcome<Statement> {
    let statement = template.bind(&template.arguments(given)?)?;
    Ok(statement.page(Window { rows: 1_001, from: None, order: &[] })?.statement)
}

fn median(mut round: impl FnMut() -> Outcome<Duration>) -> Outcome<f64> {
    let mut times = (0..ROUNDS).map(|_| round()).collect::<Outcome<Vec<_>>>()?;
    times.sort();
    Ok(times.get(ROUNDS / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6))
}
