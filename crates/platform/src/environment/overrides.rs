//! Environment variables that go before the environment file.

use std::{fmt::Display, num::ParseIntError, str::FromStr};

use serde::de::{self, DeserializeOwned, IntoDeserializer};
use tidegate_core::{Error, ErrorCode, Result};

use super::{
    Environment,
    variables::{overriding, set},
};

impl Environment {
    /// What holds when the variables of this process that go before the file ([`overriding`]) are looked at too. A list
    /// is separated by commas.
    ///
    /// `InvalidRequest`, with the name of the variable, when one cannot be read or its value is not allowed.
    pub fn overridden(self) -> Result<Self> {
        self.overridden_by(set)
    }

    fn overridden_by(mut self, read: impl Fn(&str) -> Option<String>) -> Result<Self> {
        for (name, key) in overriding() {
            if let Some(text) = read(name) {
                self.put(key, &text).map_err(|reason| wrong(name, reason))?;
                if let Some(fault) = self.faults_of_settings().iter().find(|fault| fault.field.as_deref() == Some(key))
                {
                    return Err(wrong(name, format_args!("it must be {}", fault.message)));
                }
            }
        }
        Ok(self)
    }

    fn put(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "log" => self.log = text.to_owned(),
            "budget.rows" => self.budget.rows = number(text)?,
            "budget.bytes" => self.budget.bytes = number(text)?,
            "budget.cell_bytes" => self.budget.cell_bytes = number(text)?,
            "budget.time_ms" => self.budget.time_ms = number(text)?,
            "quotas.sources" => self.quotas.sources = number(text)?,
            "quotas.queries" => self.quotas.queries = number(text)?,
            "quotas.servers" => self.quotas.servers = number(text)?,
            "quotas.keys" => self.quotas.keys = number(text)?,
            "sign_up" => self.sign_up = variant(text)?,
            "history_days" => self.history_days = number(text)?,
            "keep_keys_days" => self.keep_keys_days = number(text)?,
            "rotation.max_age_days" => self.rotation.max_age_days = number(text)?,
            "rotation.notice_days" => self.rotation.notice_days = number(text)?,
            "cache_seconds" => self.cache_seconds = number(text)?,
            "token_claims.tenant" => self.token_claims.tenant = text.to_owned(),
            "token_claims.role" => self.token_claims.role = text.to_owned(),
            "hosts" => self.hosts = list(text)?,
            "base_paths" => self.base_paths = list(text)?,
            "sqlite_folder" => self.sqlite_folder = text.into(),
            "source_networks.allow" => self.source_networks.allow = list(text)?,
            "caller_networks.allow" => self.caller_networks.allow = list(text)?,
            _ => return Err(format!("there is no setting `{key}`")),
        }
        Ok(())
    }
}

fn number<T: FromStr<Err = ParseIntError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("it must be a whole number, not negative, and `{text}` is not: {error}"))
}

fn variant<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(text.into_deserializer()).map_err(|error: de::value::Error| error.to_string())
}

fn list<T: FromStr<Err: Display>>(text: &str) -> Result<Vec<T>, String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| item.parse().map_err(|error: T::Err| error.to_string())).collect()
}

/// What is said of an environment variable with a wrong value.
pub(crate) fn wrong(name: &str, reason: impl Display) -> Error {
    Error::new(ErrorCode::InvalidRequest, format!("the environment variable {name} is wrong: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overridden(variables: &[(&str, &str)]) -> Result<Environment> {
        let find = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, text)| (*text).to_owned());
        Environment { history_days: 14, ..Environment::default() }.overridden_by(find)
    }

    #[test]
    fn a_variable_goes_before_the_file() {
        let environment = overridden(&[
            ("TIDEGATE_LOG", "info"),
            ("TIDEGATE_BUDGET_ROWS", "5"),
            ("TIDEGATE_SIGN_UP", "open"),
            ("TIDEGATE_HOSTS", "a.example.com, b.example.com"),
            ("TIDEGATE_SOURCE_NETWORKS_ALLOW", "10.0.0.0/8,fd00::/8"),
            ("TIDEGATE_TOKEN_CLAIMS_ROLE", "7"),
        ])
        .unwrap();
        let settings = serde_json::to_value(&environment).unwrap();
        assert_eq!(environment.log, "info");
        assert_eq!(environment.budget.rows, 5);
        assert_eq!(settings["sign_up"], "open");
        assert_eq!(environment.hosts, ["a.example.com", "b.example.com"]);
        assert_eq!(settings["source_networks"]["allow"], serde_json::json!(["10.0.0.0/8", "fd00::/8"]));
        assert_eq!(environment.token_claims.role, "7");
        // What no variable names is as the file has it.
        assert_eq!((environment.history_days, environment.budget.bytes), (14, Environment::default().budget.bytes));
    }

    #[test]
    fn every_setting_can_be_put() {
        for (name, key) in overriding() {
            let mut environment = Environment::default();
            let before = serde_json::to_value(&environment).unwrap();
            let put = ["7", "open", "10.0.0.0/8"].iter().find(|text| environment.put(key, text).is_ok());
            assert!(put.is_some(), "{name}");
            assert_ne!(serde_json::to_value(&environment).unwrap(), before, "{name}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_by_the_name_of_its_variable() {
        for (name, text, reason) in [
            ("TIDEGATE_BUDGET_ROWS", "many", "it must be a whole number, not negative, and `many` is not: "),
            ("TIDEGATE_BUDGET_ROWS", "0", "it must be at least 1"),
            ("TIDEGATE_QUOTAS_KEYS", "5001", "it must be 1 to 5000"),
            ("TIDEGATE_HISTORY_DAYS", "-1", "it must be a whole number, not negative, and `-1` is not: "),
            ("TIDEGATE_SIGN_UP", "opne", "unknown variant `opne`, expected `closed` or `open`"),
            ("TIDEGATE_BASE_PATHS", "/a,b", "it must be paths such as /tidegate"),
            ("TIDEGATE_CALLER_NETWORKS_ALLOW", "office", "`office` is no range of addresses"),
        ] {
            let error = overridden(&[(name, text)]).unwrap_err();
            let start = format!("the environment variable {name} is wrong: {reason}");
            assert!(error.message().starts_with(&start), "{text}: {}", error.message());
        }
    }
}
