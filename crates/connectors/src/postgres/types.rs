//! Which column type is each type of PostgreSQL?

use sqlx::{
    TypeInfo,
    postgres::{PgTypeInfo, PgTypeKind},
};
use tidegate_core::result::ColumnType;

/// How the bytes of a value are read. One variant for each binary format of the server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Boolean,
    Int2,
    Int4,
    Int8,
    /// `oid`, `xid` and `cid`.
    Unsigned4,
    Unsigned8,
    Float4,
    Float8,
    Numeric,
    Money,
    /// Everything whose bytes are its text: the text types, enums, XML.
    Text,
    /// `ltree` and its queries, `jsonpath`: a version byte, then text.
    VersionedText,
    /// The one-byte type `"char"`.
    Char,
    Bytea,
    Date,
    Time,
    Timetz,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    Inet,
    Macaddr,
    Bit,
    Point,
    Line,
    Segment,
    Box,
    Path,
    Polygon,
    Circle,
    LogPosition,
    TupleId,
    TextSearchVector,
    Hstore,
    Array(Box<Self>),
    Composite(Box<[(String, Self)]>),
    Range(Box<Self>),
}

impl Kind {
    /// The kind of a type, or `None` when its binary format has no reader here.
    pub(super) fn of(info: &PgTypeInfo) -> Option<Self> {
        if let Some(kind) = info.oid().and_then(|oid| Self::of_builtin(oid.0)) {
            return Some(kind);
        }
        match known_kind(info)? {
            PgTypeKind::Simple => Self::of_extension(info.name()),
            PgTypeKind::Enum(_) => Some(Self::Text),
            PgTypeKind::Domain(base) => Self::of(base),
            PgTypeKind::Array(element) => Some(Self::Array(Box::new(Self::of(element)?))),
            PgTypeKind::Range(bound) => Some(Self::Range(Box::new(Self::of(bound)?))),
            PgTypeKind::Composite(fields) => fields
                .iter()
                .map(|(name, field)| Some((name.clone(), Self::of(field)?)))
                .collect::<Option<_>>()
                .map(Self::Composite),
            PgTypeKind::Pseudo => None,
        }
    }

    /// Types whose object identifiers are the same in every database.
    pub(super) fn of_builtin(oid: u32) -> Option<Self> {
        Some(match oid {
            16 => Self::Boolean,
            17 => Self::Bytea,
            18 => Self::Char,
            // name, text, xml, unknown, bpchar, varchar, refcursor, void (no bytes)
            19 | 25 | 142 | 705 | 1042 | 1043 | 1790 | 2278 => Self::Text,
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            // oid, xid, cid
            26 | 28 | 29 => Self::Unsigned4,
            27 => Self::TupleId,
            114 => Self::Json,
            600 => Self::Point,
            601 => Self::Segment,
            602 => Self::Path,
            603 => Self::Box,
            604 => Self::Polygon,
            628 => Self::Line,
            718 => Self::Circle,
            // cidr, inet
            650 | 869 => Self::Inet,
            700 => Self::Float4,
            701 => Self::Float8,
            // macaddr8, macaddr
            774 | 829 => Self::Macaddr,
            790 => Self::Money,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp,
            1184 => Self::Timestamptz,
            1186 => Self::Interval,
            1266 => Self::Timetz,
            // bit, varbit
            1560 | 1562 => Self::Bit,
            1700 => Self::Numeric,
            2950 => Self::Uuid,
            3220 => Self::LogPosition,
            3614 => Self::TextSearchVector,
            3802 => Self::Jsonb,
            4072 => Self::VersionedText,
            5069 => Self::Unsigned8,
            _ => return None,
        })
    }

    /// Types of the extensions that come with PostgreSQL. They have no fixed identifier, and any schema may hold them.
    pub(super) fn of_extension(name: &str) -> Option<Self> {
        match name.rsplit('.').next()? {
            "citext" => Some(Self::Text),
            "hstore" => Some(Self::Hstore),
            "ltree" | "lquery" | "ltxtquery" => Some(Self::VersionedText),
            _ => None,
        }
    }

    /// How the cells of such a column are read in an answer.
    pub(super) fn column_type(&self) -> ColumnType {
        match self {
            Self::Boolean => ColumnType::Boolean,
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Unsigned4 | Self::Unsigned8 => ColumnType::Integer,
            Self::Float4 | Self::Float8 => ColumnType::Float,
            Self::Numeric | Self::Money => ColumnType::Decimal,
            Self::Bytea => ColumnType::Binary,
            Self::Date => ColumnType::Date,
            Self::Time | Self::Timetz => ColumnType::Time,
            Self::Timestamp | Self::Timestamptz => ColumnType::Timestamp,
            Self::Uuid => ColumnType::Uuid,
            Self::Json | Self::Jsonb | Self::Hstore | Self::Array(_) | Self::Composite(_) => ColumnType::Json,
            Self::Text
            | Self::VersionedText
            | Self::Char
            | Self::Interval
            | Self::Inet
            | Self::Macaddr
            | Self::Bit
            | Self::Point
            | Self::Line
            | Self::Segment
            | Self::Box
            | Self::Path
            | Self::Polygon
            | Self::Circle
            | Self::LogPosition
            | Self::TupleId
            | Self::TextSearchVector
            | Self::Range(_) => ColumnType::String,
        }
    }
}

/// Whether values of the type consist of others, which JSON keeps apart.
pub(super) fn is_nested(info: &PgTypeInfo) -> bool {
    const RECORD: u32 = 2249;
    info.oid().is_some_and(|oid| oid.0 == RECORD)
        || matches!(known_kind(info), Some(PgTypeKind::Array(_) | PgTypeKind::Composite(_)))
}

/// The driver's description of a type; `None` when the catalog would not tell it, where the driver's own method panics.
fn known_kind(info: &PgTypeInfo) -> Option<&PgTypeKind> {
    (info.name() != "?").then(|| info.kind())
}

/// The name of a type as PostgreSQL's `format_type` writes it, without a length or precision.
pub(super) fn database_type(info: &PgTypeInfo) -> String {
    let name = info.name();
    match name.strip_suffix("[]") {
        Some(element) => format!("{}[]", standard_name(element)),
        None => standard_name(name),
    }
}

/// The driver names types as SQL's authors abbreviate them, in capitals; PostgreSQL prefers the long names.
fn standard_name(name: &str) -> String {
    match name {
        "BOOL" => "boolean",
        "INT2" => "smallint",
        "INT4" => "integer",
        "INT8" => "bigint",
        "FLOAT4" => "real",
        "FLOAT8" => "double precision",
        "CHAR" => "character",
        "VARCHAR" => "character varying",
        "VARBIT" => "bit varying",
        "TIME" => "time without time zone",
        "TIMETZ" => "time with time zone",
        "TIMESTAMP" => "timestamp without time zone",
        "TIMESTAMPTZ" => "timestamp with time zone",
        // A type of the user's own, which may well have capitals in its name, comes as PostgreSQL quotes it.
        other if other.contains('"') && other != "\"CHAR\"" => other,
        other => return other.to_ascii_lowercase(),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::types::Oid;

    use super::*;

    #[test]
    fn types_have_the_names_postgresql_gives_them() {
        let name = |name| database_type(&PgTypeInfo::with_name(name));
        assert_eq!(name("INT4"), "integer");
        assert_eq!(name("TIMESTAMPTZ[]"), "timestamp with time zone[]");
        assert_eq!(name("\"CHAR\""), "\"char\"");
        assert_eq!(name("JSONB"), "jsonb");
        assert_eq!(name("app.\"Mood\""), "app.\"Mood\"");
    }

    #[test]
    fn a_type_the_catalog_does_not_tell_has_no_kind() {
        let unknown = PgTypeInfo::with_oid(Oid(99_999));
        assert_eq!(Kind::of(&unknown), None);
        assert!(!is_nested(&unknown));
    }
}
