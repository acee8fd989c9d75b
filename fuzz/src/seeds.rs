//! The inputs that fuzzing begins with: the attacks and harmless statements of the tests.

use serde_json::Value as Json;

const ATTACKS: [(u8, &str); 3] = [
    (b'p', include_str!("../../tests/attacks/postgres.yaml")),
    (b'm', include_str!("../../tests/attacks/mariadb.yaml")),
    (b's', include_str!("../../tests/attacks/sqlite.yaml")),
];
const TEMPLATES: &str = include_str!("../../tests/attacks/templates.yaml");
const HARMLESS: &str = include_str!("../../tests/attacks/harmless.yaml");
const GUARD: [&str; 2] = [
    include_str!("../../crates/statement/tests/guard/refused.txt"),
    include_str!("../../crates/statement/tests/guard/accepted.txt"),
];

fn yaml(text: &str) -> Json {
    serde_saphyr::from_str(text).expect("the tests read it as well")
}

/// The texts under a key, however deep.
fn texts_under<'a>(json: &'a Json, key: &str) -> Vec<&'a str> {
    let inside = |json: &'a Json| texts_under(json, key);
    match json {
        Json::Array(items) => items.iter().flat_map(inside).collect(),
        Json::Object(members) => {
            let own = members.get(key).and_then(Json::as_str);
            own.into_iter().chain(members.values().flat_map(inside)).collect()
        }
        _ => Vec::new(),
    }
}

fn input(dialect: u8, text: &str) -> Vec<u8> {
    [&[dialect], text.as_bytes()].concat()
}

pub(crate) fn statements() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (dialect, text) in ATTACKS {
        seeds.extend(texts_under(&yaml(text), "statement").into_iter().map(|text| input(dialect, text)));
    }
    let harmless = yaml(HARMLESS);
    for (engine, dialect) in [("postgres", b'p'), ("mariadb", b'm'), ("sqlite", b's')] {
        seeds.extend(texts_under(&harmless[engine], "sql").into_iter().map(|text| input(dialect, text)));
    }
    for line in GUARD.iter().flat_map(|text| text.lines()) {
        // `postgres write     SELECT …`, or without the class.
        if let Some((dialect, text)) = line.split_once(' ').filter(|_| line.starts_with(['p', 'm', 's'])) {
            seeds.push(input(dialect.as_bytes()[0], text.trim_start()));
        }
    }
    seeds
}

pub(crate) fn templates() -> Vec<Vec<u8>> {
    let templates = yaml(TEMPLATES);
    let features = [
        "SELECT {{ name }}, {{ opt ~ '%' }}, {{ name | upper | trim }}, {{ n + 1 }}, {{ x }}, {{ day }}, {{ at }} FROM t",
        "SELECT a FROM t WHERE a IN ({{ ids | inlist }}) {% for id in names %} OR b = {{ id | lower }}{% endfor %}",
        "SELECT a FROM t {% if opt is not none %}WHERE d = {{ opt }}{% elif flag %}WHERE e{% else %}{% endif %}",
        "SELECT a FROM t ORDER BY {{ sort | ident }}{% if flag %} DESC{% endif %}",
        "SELECT {{ doc }}, {{ doc.a }}, {{ doc.b[0] }}{% set y = name ~ n %}, {{ y | default('z') }} {# c #}",
        "{% with y = n * 2 %}SELECT {{ y }}{% endwith %} {% raw %}'{{1,2}}'{% endraw %}",
        "SELECT {{ [name, 'x'] | join(', ') }}, {{ name | replace('a', 'b') }}, {{ ids | first }}, {{ ids | length }}",
    ];
    let attacks = texts_under(&templates, "template").into_iter().map(|text| input(b's', text));
    attacks.chain(features.map(|text| input(b'p', text))).collect()
}

pub(crate) fn cursors() -> Vec<Vec<u8>> {
    // An edit, an offset, then a column and a cell.
    let cells: [&[u8]; 8] = [
        b"\x00\x00\x01",
        b"\x01\x01\x80\0\0\0\0\0\0\0",
        b"\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x02\x03\x7f\xef\xff\xff\xff\xff\xff\xff",
        b"\x03\x04\0\0\0\0\0\0\0\x0b\x02",
        b"\x04\x05\x04text",
        b"\x05\x05\x0a2024-02-29",
        b"\x07\x05\x192024-02-29T01:02:03+02:00",
    ];
    let mut seeds: Vec<_> = cells.iter().map(|cell| [b"\x01\x23\0\0\0\0\0\0\0\x14", *cell].concat()).collect();
    seeds.push([b"\x01\x23\0\0\0\0\0\0\0\x14".as_slice(), &cells.concat()].concat());
    seeds
}

pub(crate) fn values() -> Vec<Vec<u8>> {
    let scalar = |kind: u8| [0, 4, 8, 12, 16, 24].map(|length| [vec![kind], vec![0; length]].concat());
    let mut seeds: Vec<_> = (0..35).flat_map(scalar).collect();
    let words = |kind: &[u8], words: &[i32]| {
        kind.iter().copied().chain(words.iter().flat_map(|word| word.to_be_bytes())).collect::<Vec<_>>()
    };
    seeds.extend([
        // `{1,NULL}` and `{{1},{2}}` of int4, `{1e4}` of numeric, `(1,NULL)`, `"a" => NULL`.
        words(&[35, 2], &[1, 1, 23, 2, 1, 4, 1, -1]),
        words(&[35, 2], &[2, 0, 23, 2, 1, 1, 1, 4, 1, 4, 2]),
        words(&[35, 8], &[1, 0, 1700, 1, 1, 10, 0x0001_0001, 0, 0x0001_0000]),
        words(&[122, 2, 10], &[2, 23, 4, 1, 25, -1]),
        words(&[34], &[1, 1, 0x61_FF_FF_FF]),
    ]);
    // `[1,2)` of int4.
    seeds.push([&[80, 2, 2][..], &words(&[], &[4, 1, 4, 2])].concat());
    seeds
}
