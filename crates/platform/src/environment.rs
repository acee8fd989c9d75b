//! The environment file: what can be set of a deployment.

pub mod deploy;
pub(crate) mod overrides;
pub mod variables;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidegate_core::{
    budget::Budget,
    error::Fault,
    network::{AddressRange, CallerNetworks, SourceNetworks},
    ports::MAX_COUNT,
    quota::Quotas,
    rotation::RotationRules,
    tenant::SignUp,
    token::TokenClaims,
};
use utoipa::ToSchema;

use self::deploy::Deploy;

/// What is set of a deployment. What a file leaves out has its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Environment {
    /// What is logged, a level, or a list such as `warn,rmcp=error`.
    pub log: String,
    /// The limits of every execution; sources, queries and callers narrow them.
    pub budget: Budget,
    /// How many of each one tenant may have.
    pub quotas: Quotas,
    /// Who may make a tenant beside the operator: nobody, or everybody who reaches the deployment.
    pub sign_up: SignUp,
    /// How many days an execution stays in the history.
    #[schema(minimum = 1)]
    pub history_days: u16,
    /// How many days an API key that was revoked or has expired stays in the list; as many as the history, at least.
    pub keep_keys_days: u16,
    /// When credentials should be replaced.
    pub rotation: RotationRules,
    /// For how many seconds a process may rely on what it read of the registry.
    pub cache_seconds: u16,
    /// Which claims of the tokens that the gateway verified are read.
    pub token_claims: TokenClaims,
    /// The hosts whose pages the MCP endpoint and sign-up answer (`Origin`), and without a gateway those they answer to (`Host`).
    pub hosts: Vec<String>,
    /// What paths begin with behind a custom domain, such as `/tidegate`.
    pub base_paths: Vec<String>,
    /// The folder that SQLite files of a deployment are in. No other file can be a source. A relative one is in the
    /// function's package, which is where Lambda runs it.
    #[schema(value_type = String)]
    pub sqlite_folder: PathBuf,
    /// Where database servers may be. A local server, whose one user owns the machine, has no such rule unless sign-up is open.
    pub source_networks: SourceNetworks,
    /// Where callers may be.
    pub caller_networks: CallerNetworks,
    /// What Terraform builds. A function is not told of it, and a local server has no use for it.
    pub deploy: Option<Deploy>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            log: Self::DEFAULT_LOG.to_owned(),
            budget: Budget::default(),
            quotas: Quotas::default(),
            sign_up: SignUp::default(),
            history_days: 30,
            keep_keys_days: 90,
            rotation: RotationRules::default(),
            cache_seconds: 5,
            token_claims: TokenClaims::default(),
            hosts: ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec(),
            base_paths: Vec::new(),
            sqlite_folder: PathBuf::from("data"),
            source_networks: SourceNetworks::default(),
            caller_networks: CallerNetworks::default(),
            deploy: None,
        }
    }
}

impl Environment {
    /// What is logged unless something else is set.
    pub const DEFAULT_LOG: &'static str = "warn,rmcp=error";

    /// What is wrong with the values of an environment of this name, each with its key.
    pub fn faults(&self, name: &str) -> Vec<Fault> {
        let mut faults = self.faults_of_settings();
        if let Some(deploy) = &self.deploy {
            faults.extend(self.faults_beside(deploy, name));
            faults.extend(deploy.faults());
        }
        faults
    }

    /// What is wrong with what the functions read, each with its key.
    pub(crate) fn faults_of_settings(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut expect = |holds: bool, field: &str, message: &str| {
            if !holds {
                faults.push(Fault::of(field, message));
            }
        };
        let Budget { rows, bytes, cell_bytes, time_ms } = self.budget;
        let limits = [("rows", rows), ("bytes", bytes), ("cell_bytes", cell_bytes), ("time_ms", time_ms)];
        for (key, limit) in limits {
            expect(limit > 0, &format!("budget.{key}"), "at least 1");
        }
        let Quotas { sources, queries, servers, keys } = self.quotas;
        for (key, quota) in [("sources", sources), ("queries", queries), ("servers", servers), ("keys", keys)] {
            expect((1..=MAX_COUNT).contains(&quota), &format!("quotas.{key}"), &format!("1 to {MAX_COUNT}"));
        }
        expect(self.history_days > 0, "history_days", "at least 1");
        let TokenClaims { tenant, role } = &self.token_claims;
        for (key, claim) in [("tenant", tenant), ("role", role)] {
            expect(!claim.is_empty(), &format!("token_claims.{key}"), "the name of a claim");
        }
        let is_base = |path: &String| path.starts_with('/') && path.len() > 1 && !path.ends_with('/');
        expect(
            self.base_paths.iter().all(is_base),
            "base_paths",
            "paths such as /tidegate, with no slash at their end",
        );
        faults
    }

    /// What does not go together with what Terraform builds.
    fn faults_beside(&self, deploy: &Deploy, name: &str) -> Vec<Fault> {
        let is_closed = self.sign_up == SignUp::Closed;
        // AWS WAF knows no range of every address.
        let has_everywhere = self.caller_networks.allow.iter().any(AddressRange::is_everywhere);
        let rules = [
            (name != "production" || deploy.protected, "deploy.protected", "true in production"),
            (
                is_closed || deploy.gateway.jwt.is_none(),
                "sign_up",
                "closed with `deploy.gateway.jwt`: tokens name tenants, and anybody could take such a name first",
            ),
            (
                is_closed || self.source_networks.allow.is_empty(),
                "sign_up",
                "closed with `source_networks.allow`: anybody could look for what is in these networks",
            ),
            (
                deploy.firewall.is_none() || !has_everywhere,
                "caller_networks.allow",
                "without a range of /0 when there is a firewall: leave the list empty to answer every address",
            ),
        ];
        let broken = rules.into_iter().filter(|(holds, ..)| !holds);
        broken.map(|(_, field, message)| Fault::of(field, message)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_the_repository_holds_the_defaults() {
        let read: Environment =
            serde_saphyr::from_str(include_str!("../../../config/environments/local.yaml")).unwrap();
        assert_eq!(read.faults("local"), []);
        // What only the emulated deployment needs.
        let SourceNetworks { allow } = &read.source_networks;
        assert_eq!(allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.0/8", "::1/128"]);
        let Environment { source_networks, deploy, .. } = Environment::default();
        assert_eq!(Environment { source_networks, deploy, ..read }, Environment::default());
    }

    #[test]
    fn a_claim_has_a_name() {
        let read = |text: &str| serde_saphyr::from_str::<Environment>(text).unwrap();
        let faults = read("token_claims: {tenant: '', role: 'https://example.com/role'}").faults("local");
        assert_eq!(faults.into_iter().filter_map(|fault| fault.field).collect::<Vec<_>>(), ["token_claims.tenant"]);
    }

    #[test]
    fn the_page_of_environments_explains_every_setting() {
        let page = include_str!("../../../docs/operations/environments.md");
        let settings = serde_json::to_value(Environment::default()).unwrap();
        for (key, value) in settings.as_object().unwrap() {
            let inner = value.as_object().into_iter().flat_map(|fields| fields.keys());
            let inner: Vec<_> = inner.map(|field| format!("{key}.{field}")).collect();
            for key in if inner.is_empty() { vec![key.clone()] } else { inner } {
                assert!(page.contains(&format!("`{key}`")), "{key}");
            }
        }
    }
}
