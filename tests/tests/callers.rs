//! From where a deployment, and a local server, may be called.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value as Json, json};
use tests::{
    TestServer,
    lambda::{Cloud, Environment, Event},
};
use tidegate::dev::start_in_environment;
use tidegate_core::network::CallerNetworks;

const AUTH: &str = env!("CARGO_BIN_EXE_function-auth");
const MCP: &str = env!("CARGO_BIN_EXE_function-mcp");

/// A function whose environment has these settings beside the usual ones.
async fn function(cloud: &Cloud, program: &str, settings: Json) -> Environment {
    let mut config = json!({"sqlite_folder": cloud.folder.path()});
    config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let mut variables = cloud.variables_with("TIDEGATE_CONFIG", Some(&config.to_string()));
    variables.push(("TIDEGATE_URLS".to_owned(), "https://api.example.com".to_owned()));
    Environment::start(Path::new(program), &variables).await
}

fn me(cloud: &Cloud) -> Event {
    Event::new("GET", "/v1/me").key(&cloud.key)
}

fn tools(cloud: &Cloud) -> Event {
    Event::new("POST", "/t/demo/mcp/flights")
        .key(&cloud.key)
        .body(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}))
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25")
}

fn from(address: &str, event: Event) -> Event {
    event.with("/requestContext/http/sourceIp", json!(address))
}

fn environment(range: &str) -> tidegate_platform::Environment {
    let caller_networks = CallerNetworks { allow: vec![range.parse().unwrap()] };
    tidegate_platform::Environment { caller_networks, ..Default::default() }
}

#[tokio::test]
async fn a_function_answers_the_networks_of_its_environment_and_no_others() {
    let cloud = Cloud::start().await;
    let networks = json!({"caller_networks": {"allow": ["198.51.100.0/24", "2001:db8::/32"]}});
    let mut auth = function(&cloud, AUTH, networks.clone()).await;
    for address in ["198.51.100.7", "2001:db8::7", "::ffff:198.51.100.7"] {
        auth.call(&from(address, me(&cloud))).await.expect(200);
    }
    let elsewhere = from("192.0.2.1", me(&cloud));
    for event in [
        elsewhere.clone(),
        elsewhere.clone().over_url(),
        // Before anybody looks at the key, the path or the body.
        elsewhere.clone().key("tg_wrong"),
        from("192.0.2.1", Event::new("GET", "/nothing/here")),
        from("192.0.2.1", Event::new("POST", "/v1/keys").body("{")),
        from("192.0.2.1", Event::new("GET", "/health/ready")),
        // What a caller says of itself makes no difference.
        elsewhere.clone().header("x-forwarded-for", "198.51.100.7").header("forwarded", "for=198.51.100.7"),
        elsewhere.header("cloudfront-viewer-address", "198.51.100.7:443").header("x-real-ip", "198.51.100.7"),
    ] {
        let problem = auth.call(&event).await.problem(403, "forbidden");
        let told = "this deployment does not answer your address 192.0.2.1: ";
        assert!(problem["detail"].as_str().unwrap().starts_with(told), "{problem}");
    }
    let unknown = me(&cloud).with("/requestContext/http/sourceIp", Json::Null);
    auth.call(&unknown).await.problem(403, "forbidden");
    auth.call(&from("192.0.2.1", Event::new("GET", "/health"))).await.expect(200);

    let mut mcp = function(&cloud, MCP, networks).await;
    assert!(mcp.call(&from("198.51.100.7", tools(&cloud))).await.expect(200).get("result").is_some());
    let refused = mcp.call(&from("192.0.2.1", tools(&cloud))).await;
    refused.problem(403, "forbidden");
    assert_eq!(refused.json()["jsonrpc"], "2.0", "{}", refused.text);
}

#[tokio::test]
async fn a_function_that_cannot_start_does_not_tell_others_so() {
    let cloud = Cloud::start().await;
    let config = json!({"caller_networks": {"allow": ["198.51.100.0/24"]}});
    let mut variables = cloud.variables_with("TIDEGATE_CONFIG", Some(&config.to_string()));
    variables.retain(|(name, _)| name != "AWS_ENDPOINT_URL");
    variables.push(("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:1".to_owned()));
    let mut auth = Environment::start(Path::new(AUTH), &variables).await;
    auth.call(&from("192.0.2.1", me(&cloud))).await.problem(403, "forbidden");
    auth.call(&from("198.51.100.7", me(&cloud))).await.problem(503, "unavailable");
}

// What Terraform tells the functions behind a firewall: the networks of CloudFront, and the public addresses.
#[tokio::test]
async fn behind_a_firewall_cloudfront_is_answered_and_nobody_who_goes_around_it() {
    let cloud = Cloud::start().await;
    let mut mcp = function(&cloud, MCP, json!({"caller_networks": {"allow": ["130.176.0.0/17"]}})).await;
    // CloudFront calls the gateway by the gateway's own name.
    let call = tools(&cloud).header("host", "abcdefghij.execute-api.eu-west-1.amazonaws.com");
    let through = from("130.176.1.2", call.clone());
    for event in [through.clone(), through.clone().header("origin", "https://api.example.com")] {
        assert!(mcp.call(&event).await.expect(200).get("result").is_some());
    }
    mcp.call(&through.header("origin", "https://elsewhere.example.com")).await.problem(403, "forbidden");
    mcp.call(&from("192.0.2.1", call)).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_local_server_looks_at_the_other_end_of_the_connection() {
    let tidegate = TestServer::in_environment(environment("127.0.0.1/32")).await;
    let owner = tidegate.owner();
    owner.get("/v1/me").await.expect(200);
    let other = owner.from_address([127, 0, 0, 2].into());
    let claim = [("x-forwarded-for", "127.0.0.1")];
    for path in ["/v1/me", "/health/ready", "/docs", "/nothing"] {
        let problem = other.send(Method::GET, path, &claim, None).await.problem(403, "forbidden");
        assert!(problem["detail"].as_str().unwrap().contains("your address 127.0.0.2"), "{problem}");
    }
    other.get("/health").await.expect(200);
    let refused = other.mcp_legacy("/t/demo/mcp/flights", "tools/list", json!({})).await;
    refused.problem(403, "forbidden");
    assert_eq!(refused.json()["jsonrpc"], "2.0", "{}", refused.text);
}

#[tokio::test]
async fn a_local_server_that_nobody_could_call_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let failure = start_in_environment(folder.path(), environment("10.0.0.0/8")).await.err().unwrap();
    assert!(format!("{failure:?}").contains("`caller_networks.allow` leaves out this machine"), "{failure:?}");
}
