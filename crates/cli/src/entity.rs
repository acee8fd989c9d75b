//! Sources, queries and servers in one shape, in which what is declared and what is live can be compared.

use std::{collections::HashMap, fmt};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value as Json, json};
use tidegate_core::{
    query::QuerySpec,
    server::ServerSpec,
    source::{Credentials, SourceSpec},
};
use utoipa::{
    PartialSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    client::{Client, understood},
    declaration::Declaration,
    failure::Failure,
};

/// What can be declared, in the order of dependence: a query needs its source, a server its queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Source,
    Query,
    Server,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Source, Self::Query, Self::Server];

    /// The word of its list, in the API's paths and in files.
    pub(crate) const fn list(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Query => "queries",
            Self::Server => "servers",
        }
    }

    /// The fields a caller writes, in the order of the domain type.
    fn fields(self) -> Vec<String> {
        let schema = match self {
            Self::Source => SourceSpec::schema(),
            Self::Query => QuerySpec::schema(),
            Self::Server => ServerSpec::schema(),
        };
        match schema {
            RefOr::T(Schema::Object(object)) => object.properties.into_keys().collect(),
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Query => "query",
            Self::Server => "server",
        })
    }
}

/// An entity without its secrets and without what the server adds. Two are equal when their fields are.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Every field a caller writes, the defaults spelt out, the credentials left out.
    pub(crate) fields: Map<String, Json>,
}

/// An entity that files declare.
#[derive(Debug)]
pub(crate) struct Desired {
    pub(crate) entity: Entity,
    pub(crate) credentials: Option<Credentials>,
}

/// An entity as the server has it; of a query its newest revision.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) entity: Entity,
    /// Whether this is a draft, so that something else runs, or nothing.
    pub(crate) is_draft: bool,
    pub(crate) version: u64,
    pub(crate) has_credentials: bool,
}

impl Entity {
    fn new(kind: Kind, name: &str, fields: Json) -> Self {
        let fields = match plain_numbers(fields) {
            Json::Object(fields) => fields,
            _ => Map::new(),
        };
        Self { kind, name: name.to_owned(), fields }
    }

    fn source(spec: &SourceSpec) -> Self {
        // Taken apart by name, so that a field cannot be forgotten.
        let SourceSpec {
            name,
            description,
            connection,
            credentials: _,
            tags,
            limits,
            max_estimate,
            allow_raw,
            allow_raw_writes,
        } = spec;
        let fields = json!({
            "name": name, "description": description, "connection": connection, "tags": tags, "limits": limits,
            "max_estimate": max_estimate, "allow_raw": allow_raw, "allow_raw_writes": allow_raw_writes,
        });
        Self::new(Kind::Source, name.as_str(), fields)
    }

    fn of<T: Serialize>(kind: Kind, name: &str, spec: &T) -> Result<Self, Failure> {
        let fields = serde_json::to_value(spec)
            .map_err(|error| Failure::message(format!("the {kind} `{name}` cannot be written: {error}")))?;
        Ok(Self::new(kind, name, fields))
    }
}

impl Desired {
    /// The body of a request that creates or replaces it.
    pub(crate) fn body(&self, with_credentials: bool) -> Json {
        let mut body = self.entity.fields.clone();
        if let Some(Credentials { password }) = self.credentials.as_ref().filter(|_| with_credentials) {
            body.insert("credentials".to_owned(), json!({ "password": password.expose_secret() }));
        }
        Json::Object(body)
    }
}

/// Everything that is declared, in the order of dependence.
pub(crate) fn desired(declaration: &Declaration) -> Result<Vec<Desired>, Failure> {
    let mut all = Vec::new();
    for declared in &declaration.sources {
        let credentials = declared.spec.credentials.clone();
        all.push(Desired { entity: Entity::source(&declared.spec), credentials });
    }
    for declared in &declaration.queries {
        let entity = Entity::of(Kind::Query, declared.spec.name.as_str(), &declared.spec)?;
        all.push(Desired { entity, credentials: None });
    }
    for declared in &declaration.servers {
        let entity = Entity::of(Kind::Server, declared.spec.name.as_str(), &declared.spec)?;
        all.push(Desired { entity, credentials: None });
    }
    Ok(all)
}

/// Everything the server has, in the order of dependence.
pub(crate) async fn live(client: &Client) -> Result<Vec<Live>, Failure> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        for view in client.list(kind.list()).await? {
            all.push(Live::read(kind, view)?);
        }
    }
    Ok(all)
}

/// How many of each the tenant may have, by the name of its list.
pub(crate) type Quotas = HashMap<String, usize>;

/// How many of each the tenant may have.
pub(crate) async fn quotas(client: &Client) -> Result<Quotas, Failure> {
    #[derive(Deserialize)]
    struct Me {
        quotas: Quotas,
    }
    let Me { quotas } = understood(client.get(&["me"]).await?)?;
    Ok(quotas)
}

/// What the server adds to what was written.
#[derive(Deserialize)]
struct Added {
    version: u64,
    #[serde(default)]
    has_credentials: bool,
    #[serde(default)]
    draft: Option<Json>,
}

impl Live {
    fn read(kind: Kind, view: Json) -> Result<Self, Failure> {
        let Added { version, has_credentials, draft } = understood(view.clone())?;
        let is_draft = draft.is_some();
        let mut spec = Map::new();
        if let Json::Object(mut view) = draft.unwrap_or(view) {
            let written = kind.fields().into_iter().filter_map(|field| view.remove_entry(&field));
            spec.extend(written);
        }
        let spec = Json::Object(spec);
        // Through the domain type, so that defaults are spelt out on both sides.
        let entity = match kind {
            Kind::Source => Entity::source(&understood(spec)?),
            Kind::Query => {
                let spec: QuerySpec = understood(spec)?;
                Entity::of(kind, spec.name.as_str(), &spec)?
            }
            Kind::Server => {
                let spec: ServerSpec = understood(spec)?;
                Entity::of(kind, spec.name.as_str(), &spec)?
            }
        };
        Ok(Self { entity, is_draft, version, has_credentials })
    }
}

/// Numbers in one notation: `1.0`, `1.00` and `1` are the same value, and files and the API write them differently.
fn plain_numbers(value: Json) -> Json {
    match value {
        Json::Number(number) => Json::Number(plain_number(number)),
        Json::Array(items) => items.into_iter().map(plain_numbers).collect(),
        Json::Object(fields) => fields.into_iter().map(|(key, value)| (key, plain_numbers(value))).collect(),
        other => other,
    }
}

fn plain_number(number: Number) -> Number {
    if number.is_i64() || number.is_u64() {
        return number;
    }
    let Some(float) = number.as_f64() else { return number };
    // Below 2^53 every whole number is exact.
    if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and smaller than 2^53")]
        return Number::from(float as i64);
    }
    Number::from_f64(float).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_notation() {
        for (given, plain) in [("1", "1"), ("1.0", "1"), ("1e2", "100"), ("2.50", "2.5"), ("-0.1", "-0.1")] {
            let value: Json = serde_json::from_str(given).unwrap();
            assert_eq!(plain_numbers(value).to_string(), plain);
        }
        assert_eq!(plain_numbers(json!(u64::MAX)), json!(u64::MAX));
    }

    #[test]
    fn every_kind_has_its_fields() {
        assert_eq!(
            Kind::Source.fields(),
            [
                "name",
                "description",
                "connection",
                "credentials",
                "tags",
                "limits",
                "max_estimate",
                "allow_raw",
                "allow_raw_writes"
            ]
        );
        assert!(Kind::Query.fields().contains(&"statement".to_owned()));
        assert!(Kind::Server.fields().contains(&"query_tags".to_owned()));
    }

    #[test]
    fn the_newest_revision_of_a_query_is_read() {
        let spec = json!({"name": "late", "description": "d", "source": "s", "statement": "SELECT 1"});
        let mut view = spec.clone();
        (view["version"], view["draft"]) = (json!(4), Json::Null);
        let live = Live::read(Kind::Query, view.clone()).unwrap();
        assert_eq!((live.is_draft, &live.entity.fields["statement"]), (false, &json!("SELECT 1")));
        view["draft"] = spec;
        view["draft"]["statement"] = json!("SELECT 2");
        let live = Live::read(Kind::Query, view).unwrap();
        assert_eq!((live.is_draft, live.version, &live.entity.fields["statement"]), (true, 4, &json!("SELECT 2")));
    }

    #[test]
    fn a_view_with_more_than_the_spec_is_read() {
        let view = json!({
            "id": "x", "version": 3, "kind": "sqlite", "has_credentials": false, "name": "flights",
            "connection": {"sqlite": {"path": "a.sqlite"}}, "made_by": "a later server",
        });
        let live = Live::read(Kind::Source, view).unwrap();
        assert_eq!((live.version, live.entity.name.as_str()), (3, "flights"));
        assert_eq!(live.entity.fields["allow_raw"], json!(false));
        assert_eq!(live.entity.fields["connection"]["sqlite"]["max_sessions"], json!(10));
    }
}
