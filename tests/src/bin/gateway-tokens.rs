//! Takes tokens through a deployment whose gateway checks them.
//!
//!   gateway-tokens URL PORT
//!
//! It is the issuer that the gateway asks for keys: `http://127.0.0.1:PORT`. The deployment holds the demo.

use std::{
    env,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Json as Body, Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use getrandom::SysRng;
use rsa::{
    RsaPrivateKey,
    pkcs1v15::SigningKey,
    rand_core::UnwrapErr,
    sha2::Sha256,
    signature::{SignatureEncoding, Signer},
    traits::PublicKeyParts,
};
use serde_json::{Value as Json, json};
use tests::Client;
use tokio::net::TcpListener;

/// Whom the tokens are for, as the environment's file says.
const AUDIENCE: &str = "tidegate";

/// What makes tokens.
struct Issuer {
    url: String,
    key: RsaPrivateKey,
}

impl Issuer {
    fn new(url: &str) -> Self {
        let key = RsaPrivateKey::new(&mut UnwrapErr(SysRng), 2048).unwrap();
        Self { url: url.to_owned(), key }
    }

    /// Serves what a gateway asks an issuer for (OpenID Connect Discovery 1.0, RFC 7517).
    async fn serve(&self, port: u16) {
        let about = json!({"issuer": self.url, "jwks_uri": format!("{}/keys", self.url)});
        let [n, e] = [self.key.n_bytes(), self.key.e_bytes()].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let keys = json!({"keys": [{"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", "n": n, "e": e}]});
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async || Body(about)))
            .route("/keys", get(async || Body(keys)));
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    }

    /// A token with these claims (RFC 7515, RS256).
    fn sign(&self, claims: &Json) -> String {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": "1"});
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = SigningKey::<Sha256>::new(self.key.clone()).sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// The claims of a token that is right.
    fn claims(&self, tenant: &str, role: &str) -> Json {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        json!({"iss": self.url, "aud": [AUDIENCE, "other"], "sub": "auth0|1", "tidegate_tenant": tenant,
               "tidegate_role": role, "exp": (now + Duration::from_secs(600)).as_secs()})
    }

    /// The same claims with one replaced.
    fn claims_with(&self, claim: &str, value: Json) -> Json {
        let mut claims = self.claims("demo", "owner");
        claims[claim] = value;
        claims
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [url, port] = arguments.as_slice() else { panic!("gateway-tokens URL PORT") };
    let issuer = Issuer::new(&format!("http://127.0.0.1:{port}"));
    issuer.serve(port.parse().unwrap()).await;
    let nobody = Client::at(url, "");
    let with = |claims: &Json| nobody.with_key(&issuer.sign(claims));

    nobody.get("/health/ready").await.expect(200);

    for role in ["viewer", "owner"] {
        let me = with(&issuer.claims("demo", role)).get("/v1/me").await.expect(200);
        let expected = [json!("demo"), json!(role), json!("token:auth0|1")];
        assert_eq!([&me["tenant"], &me["role"], &me["caller"]], expected.each_ref(), "{me}");
    }
    let runner = with(&issuer.claims("demo", "runner"));
    runner.run("list_airlines", json!({})).await.expect(200);
    let history = runner.get("/v1/executions?principal=token:auth0%7C1&limit=1").await.expect(200);
    assert_eq!(history["items"][0]["principal"], json!({"id": "token:auth0|1"}), "{history}");
    runner.get("/v1/sources/flights").await.expect(200);
    runner.delete("/v1/sources/flights", 1).await.problem(403, "forbidden");
    let tools = runner.mcp_legacy("/t/demo/mcp/flights", "tools/list", json!({})).await.expect(200);
    assert!(tools.to_string().contains("list_airlines"), "{tools}");
    with(&issuer.claims("demo", "viewer")).run("list_airlines", json!({})).await.problem(403, "forbidden");

    // What the gateway lets in and the function does not.
    for (claim, value) in [
        ("tidegate_tenant", Json::Null),
        ("tidegate_tenant", json!("nobody")),
        ("tidegate_role", json!(["owner", "viewer"])),
        ("sub", json!("x".repeat(257))),
    ] {
        let refused = with(&issuer.claims_with(claim, value)).get("/v1/me").await.problem(401, "unauthenticated");
        assert!(refused["detail"].as_str().unwrap().contains(&format!("`{claim}`")), "{refused}");
    }

    // What the gateway does not let in. A function would explain itself.
    let impostor = Issuer::new(&issuer.url);
    for (what, caller) in [
        ("nobody", nobody.clone()),
        ("an API key", nobody.with_key("tg_0")),
        ("a token for another audience", with(&issuer.claims_with("aud", json!("other")))),
        ("an expired token", with(&issuer.claims_with("exp", json!(1_700_000_000)))),
        ("a token of another issuer", with(&issuer.claims_with("iss", json!("https://id.example.com/")))),
        ("a token with another key", nobody.with_key(&impostor.sign(&issuer.claims("demo", "owner")))),
    ] {
        for path in ["/v1/me", "/v1/executions", "/v1/sources"] {
            let answer = caller.get(path).await;
            let refused = answer.expect(401);
            assert_eq!(refused["code"], Json::Null, "{what} reaches the function of {path}: {refused}");
        }
    }
    println!("tokens: the gateway and the functions take and refuse what they should");
}
