//! Where the sources of a deployment may be.

use std::path::Path;

use serde_json::json;
use test_servers::{mysql, postgres};
use tests::lambda::{Cloud, Environment, Event};

const REGISTRY: &str = env!("CARGO_BIN_EXE_function-registry");
const EXECUTE: &str = env!("CARGO_BIN_EXE_function-execute");

#[tokio::test]
async fn a_source_on_this_machine_is_refused_unless_the_environment_allows_its_network() {
    let cloud = Cloud::start().await;
    let mut registry = cloud.function(REGISTRY).await;
    let sources = [
        ("named", postgres(), "localhost"),
        ("decimal", postgres(), "2130706433"),
        ("mapped", postgres(), "::ffff:127.0.0.1"),
        ("hexadecimal", mysql(), "0x7f.1"),
    ];
    for (name, server, host) in sources {
        let mut source = server.source(name);
        source["connection"] = server.connection_at(host, server.port);
        registry.call(&Event::new("POST", "/v1/sources").key(&cloud.key).body(source)).await.expect(201);
    }
    let test = |name: &str| Event::new("POST", &format!("/v1/sources/{name}/test")).key(&cloud.key);

    let mut refusing = cloud.function(EXECUTE).await;
    for (name, ..) in sources {
        let problem = refusing.call(&test(name)).await.problem(502, "source_unavailable");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("`source_networks.allow`"), "{name}: {detail}");
        assert_eq!(detail.contains("127.0.0.1"), name == "mapped", "{detail}");
    }

    let config =
        json!({"sqlite_folder": cloud.folder.path(), "source_networks": {"allow": ["127.0.0.0/8", "::1/128"]}});
    let variables = cloud.variables_with("TIDEGATE_CONFIG", Some(&config.to_string()));
    let mut allowing = Environment::start(Path::new(EXECUTE), &variables).await;
    for (name, ..) in sources {
        allowing.call(&test(name)).await.expect(200);
    }
}
