//! Every input that is kept still keeps the rules, without a fuzzer.

use std::{fs, panic};

use fuzz::TARGETS;

#[test]
fn what_is_kept_breaks_no_rule() {
    let mut broken = Vec::new();
    for target in &TARGETS {
        let mut inputs: Vec<(String, Vec<u8>)> =
            (target.seeds)().into_iter().map(|seed| (String::from_utf8_lossy(&seed).into_owned(), seed)).collect();
        for folder in target.kept() {
            for file in fs::read_dir(&folder).into_iter().flatten() {
                let file = file.unwrap().path();
                inputs.push((file.display().to_string(), fs::read(&file).unwrap()));
            }
        }
        assert!(inputs.len() >= 9, "{} has {} inputs", target.name, inputs.len());
        broken.extend(inputs.into_iter().filter_map(|(name, input)| {
            panic::catch_unwind(|| target.run(&input)).err().map(|_| format!("{}: {name}", target.name))
        }));
    }
    assert!(broken.is_empty(), "{} inputs break a rule:\n{}", broken.len(), broken.join("\n"));
}
