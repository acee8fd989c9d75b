//! Every input that is kept still keeps the rules, without a fuzzer.

use std::{
    fs, io, panic,
    path::{Path, PathBuf},
};

use fuzz::TARGETS;

#[test]
fn what_is_kept_breaks_no_rule() {
    let mut broken = Vec::new();
    for target in &TARGETS {
        let mut inputs: Vec<(String, Vec<u8>)> =
            (target.seeds)().into_iter().map(|seed| (String::from_utf8_lossy(&seed).into_owned(), seed)).collect();
        let [corpus, regressions] = target.kept();
        let kept = files(&corpus);
        assert!(
            !kept.is_empty(),
            "{} has no input that is kept: {} is empty or not there",
            target.name,
            corpus.display()
        );
        for file in kept.into_iter().chain(files(&regressions)) {
            inputs.push((file.display().to_string(), fs::read(&file).unwrap()));
        }
        broken.extend(inputs.into_iter().filter_map(|(name, input)| {
            panic::catch_unwind(|| target.run(&input)).err().map(|_| format!("{}: {name}", target.name))
        }));
    }
    assert!(broken.is_empty(), "{} inputs break a rule:\n{}", broken.len(), broken.join("\n"));
}

/// The files of a folder; none when there is no such folder, which git does not keep empty.
fn files(folder: &Path) -> Vec<PathBuf> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("{}: {error}", folder.display()),
    }
}
