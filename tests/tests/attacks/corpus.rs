//! The corpus as it stands in `tests/attacks/*.yaml`.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;

/// The attacks on one engine.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attacks {
    pub engine: Engine,
    /// Logins that `setup` makes, with the password `attack`.
    #[serde(default)]
    pub logins: Vec<String>,
    /// What the administrator runs before the first case.
    #[serde(default)]
    pub setup: Vec<String>,
    /// What to look at after a case, by name.
    pub proofs: BTreeMap<String, Proof>,
    pub cases: Vec<Attack>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Postgres,
    Mariadb,
    Mysql,
    Sqlite,
}

/// A question of the administrator's, and the answer when nothing has changed.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    pub query: String,
    pub value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    pub name: String,
    /// SQL for the raw route, or …
    #[serde(default)]
    pub statement: Option<String>,
    /// … the template of a query, with its parameters and the arguments of a call.
    #[serde(default)]
    pub template: Option<String>,
    #[serde(default)]
    pub parameters: Option<Json>,
    #[serde(default)]
    pub arguments: Option<Json>,
    /// Where it comes from, or why it might work.
    pub why: String,
    pub expected: Layer,
    /// The rows of an attack that is answered, for it came to nothing.
    #[serde(default)]
    pub rows: Option<Json>,
    /// The name of a proof; `folder` and `files`, which are looked at after every case, need no more.
    pub then: String,
    /// Who logs in; the administrator unless it says.
    #[serde(default)]
    pub login: Option<String>,
    /// The limit of a call that would go on for long, in milliseconds.
    #[serde(default)]
    pub time_ms: Option<u64>,
}

/// What stopped an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The guard read the statement and refused it.
    Guard,
    /// It was more than one statement.
    OneStatement,
    /// The database, or what the connector has set there.
    Engine,
    /// A limit on rows, bytes, cells or time.
    Budget,
    /// The template compiler, or the check of arguments.
    Template,
    /// Nothing had to: it was answered, and did only what a query does.
    Answer,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Guard => "guard",
            Self::OneStatement => "one statement",
            Self::Engine => "engine",
            Self::Budget => "budget",
            Self::Template => "template",
            Self::Answer => "answered harmlessly",
        })
    }
}

/// Statements that analysts write, by engine. All of them have to be answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Harmless {
    /// What the administrator runs first; that of the engine of `also`, where there is one.
    #[serde(default)]
    pub setup: Vec<String>,
    pub statements: Vec<Question>,
    /// The engine whose statements this one answers too, but for those that say `only`.
    #[serde(default)]
    pub also: Option<Engine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub sql: String,
    /// No other engine knows it.
    #[serde(default)]
    pub only: bool,
    /// Why it is refused though it does no harm.
    #[serde(default)]
    pub known_refusal: Option<String>,
}

/// Reads a file of the corpus.
pub fn read<T: DeserializeOwned>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}
