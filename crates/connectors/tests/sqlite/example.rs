//! The example of the flights: every query compiles and runs on the data that ships with it.

use std::{collections::HashSet, fs, io::Read, path::Path, sync::Arc};

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use tidegate_connectors::Connector;
use tidegate_core::{parameter::ParameterType, query::QuerySpec, server::ServerSpec, source::SourceSpec};
use tidegate_statement::{Class, Dialect, Template};

use crate::fixture::{Recorder, connector, soon};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    sources: Vec<SourceSpec>,
    queries: Vec<QuerySpec>,
    servers: Vec<ServerSpec>,
}

#[tokio::test]
async fn every_query_of_the_example_runs_with_every_choice() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/examples");
    let example: Example = serde_saphyr::from_str(&fs::read_to_string(examples.join("flights.yaml")).unwrap()).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let mut unpacked = Vec::new();
    let packed = fs::read(examples.join("flights/flights.sqlite.gz")).unwrap();
    GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
    fs::write(folder.path().join("flights.sqlite"), unpacked).unwrap();
    let flights = connector(&folder, "flights.sqlite", 1);

    for query in &example.queries {
        let template = Template::compile(&query.statement, &query.parameters, Dialect::Sqlite)
            .unwrap_or_else(|error| panic!("{}: {error:?}", query.name));
        for choice in choices(query) {
            let arguments = template.arguments(&choice).unwrap();
            let statement = Arc::new(template.bind(&arguments).unwrap());
            assert_eq!(statement.class(), Class::Read, "{}", query.name);
            let (recorder, result) = flights.run(statement, soon(), Recorder::default()).await;
            result.unwrap_or_else(|error| panic!("{} {choice:?}: {error:?}", query.name));
            assert!(!recorder.rows.is_empty(), "{} {choice:?}", query.name);
        }
    }

    let names: HashSet<_> = example.queries.iter().map(|query| &query.name).collect();
    assert_eq!(example.servers[0].queries.iter().collect::<HashSet<_>>(), names);
    assert_eq!(example.servers[0].sources, [example.sources[0].name.clone()]);
}

/// The examples of all parameters, those of the required ones, and those with each value of each enum.
fn choices(query: &QuerySpec) -> Vec<Map<String, Json>> {
    let examples = |only_required: bool| -> Map<String, Json> {
        let parameters = query.parameters.iter().filter(|parameter| !only_required || parameter.is_required());
        parameters.map(|parameter| (parameter.name.clone(), parameter.example.clone().unwrap())).collect()
    };
    let mut choices = vec![examples(false), examples(true)];
    for parameter in query.parameters.iter().filter(|parameter| parameter.kind == ParameterType::Enum) {
        for value in &parameter.values {
            let mut choice = examples(true);
            choice.insert(parameter.name.clone(), value.as_str().into());
            choices.push(choice);
        }
    }
    choices
}
