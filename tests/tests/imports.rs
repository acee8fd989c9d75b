//! The import rules of the architecture, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which of our crates each of our crates may import. A crate that is not listed fails the test.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("tidegate-core", &[]),
    ("tidegate-statement", &["tidegate-core"]),
    // Only the statement crate can build a statement, and only a statement reaches a connector.
    ("tidegate-connectors", &["tidegate-core", "tidegate-statement"]),
    ("tidegate-store", &["tidegate-core"]),
    ("tidegate-engine", &["tidegate-core", "tidegate-statement", "tidegate-connectors"]),
    ("tidegate-http", &["tidegate-core"]),
    // What every function stands on; the drivers only with its feature `engine`.
    (
        "tidegate-platform",
        &[
            "tidegate-core",
            "tidegate-statement",
            "tidegate-connectors",
            "tidegate-store",
            "tidegate-engine",
            "tidegate-http",
        ],
    ),
    ("tidegate-auth", &["tidegate-core", "tidegate-http", "tidegate-platform"]),
    ("tidegate-registry", &["tidegate-core", "tidegate-http", "tidegate-platform", "tidegate-engine"]),
    (
        "tidegate-execute",
        &["tidegate-core", "tidegate-connectors", "tidegate-http", "tidegate-platform", "tidegate-engine"],
    ),
    ("tidegate-mcp", &["tidegate-core", "tidegate-http", "tidegate-platform", "tidegate-engine"]),
    ("tidegate-sync", &["tidegate-core", "tidegate-http", "tidegate-platform", "tidegate-engine"]),
    (
        "tidegate",
        &[
            "tidegate-core",
            "tidegate-statement",
            "tidegate-connectors",
            "tidegate-store",
            "tidegate-engine",
            "tidegate-http",
            "tidegate-platform",
            "tidegate-auth",
            "tidegate-registry",
            "tidegate-execute",
            "tidegate-mcp",
            "tidegate-sync",
        ],
    ),
];

/// Which of our crates may import outside crates whose name begins like this. Nobody else may.
const CONFINED: &[(&str, &[&str])] = &[
    ("sqlx", &["tidegate-connectors"]),
    ("rusqlite", &["tidegate-connectors"]),
    ("aws-", &["tidegate-store"]),
    ("dynoxide", &["tidegate-store"]),
    ("minijinja", &["tidegate-statement"]),
    ("sqlparser", &["tidegate-statement"]),
    ("lambda", &["tidegate-http"]),
    ("opentelemetry", &["tidegate-http"]),
    ("tracing-opentelemetry", &["tidegate-http"]),
    (
        "axum",
        &[
            "tidegate-http",
            "tidegate-platform",
            "tidegate-auth",
            "tidegate-registry",
            "tidegate-execute",
            "tidegate-mcp",
            "tidegate",
        ],
    ),
    ("rmcp", &["tidegate-mcp"]),
    ("clap", &["tidegate"]),
];

/// What the domain may not know: runtimes, networks, databases.
const FOREIGN_TO_CORE: &[&str] = &["tokio", "hyper", "http", "axum", "reqwest", "sqlx", "rusqlite", "aws-"];

fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    metadata
        .workspace_packages()
        .iter()
        .filter(|package| package.name.starts_with("tidegate"))
        .map(|package| {
            let normal =
                package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
            (package.name.to_string(), normal.map(|dependency| dependency.name.clone()).collect())
        })
        .collect()
}

#[test]
fn our_crates_import_one_way() {
    for (name, imports) in imports() {
        let (_, allowed) = MAY_IMPORT.iter().find(|(known, _)| *known == name).unwrap_or_else(|| {
            panic!("{name} has no line in MAY_IMPORT");
        });
        for import in imports.iter().filter(|import| import.starts_with("tidegate")) {
            assert!(allowed.contains(&import.as_str()), "{name} must not import {import}");
        }
    }
}

#[test]
fn drivers_and_clients_stay_where_they_belong() {
    for (name, imports) in imports() {
        for import in &imports {
            for (prefix, holders) in CONFINED {
                let confined = import == prefix
                    || (prefix.ends_with('-') && import.starts_with(prefix))
                    || import.starts_with(&format!("{prefix}-"))
                    || import.starts_with(&format!("{prefix}_"));
                assert!(!confined || holders.contains(&name.as_str()), "{name} must not import {import}");
            }
        }
    }
}

#[test]
fn auth_links_no_database_driver() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let packages = metadata.workspace_packages();
    let auth = packages.iter().find(|package| *package.name == "tidegate-auth").unwrap();
    let platform = auth.dependencies.iter().find(|import| import.name == "tidegate-platform").unwrap();
    assert!(platform.features.is_empty(), "the feature `engine` brings the drivers: {:?}", platform.features);
    let platform = packages.iter().find(|package| *package.name == "tidegate-platform").unwrap();
    assert!(!platform.features.contains_key("default"));
}

#[test]
fn nobody_who_does_not_ask_for_it_links_what_exports_spans() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    for package in metadata.workspace_packages().iter().filter(|package| package.name.starts_with("tidegate")) {
        for import in &package.dependencies {
            let is_exporter = import.name.contains("opentelemetry");
            assert!(!is_exporter || import.optional, "{} always links {}", package.name, import.name);
            assert!(!import.features.iter().any(|it| it == "otlp"), "{} asks {} for it", package.name, import.name);
        }
        let default = package.features.get("default").into_iter().flatten();
        assert_eq!(default.filter(|feature| feature.contains("otlp")).count(), 0, "{}", package.name);
    }
}

#[test]
fn the_domain_knows_no_runtime_and_no_network() {
    let imports = imports();
    for import in &imports["tidegate-core"] {
        assert!(
            !FOREIGN_TO_CORE.iter().any(|foreign| import.starts_with(foreign)),
            "tidegate-core must not import {import}"
        );
    }
}
