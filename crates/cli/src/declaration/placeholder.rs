//! `${VARIABLE}` and `${file:path}`: where secrets come from. Only credentials may hold them.

use std::{env, fs, path::Path};

use super::node::{Content, Node, Place};

/// Fills the placeholders of an item in, and adds what is wrong to `faults`. Inside `credentials` they are replaced;
/// a `statement` may hold the characters `${` for its own use; anywhere else they are a fault.
pub(crate) fn fill(item: &mut Node, folder: &Path, faults: &mut Vec<(Place, String)>) {
    let Content::Mapping(entries) = &mut item.content else { return };
    for entry in entries {
        match entry.key.as_str() {
            "credentials" => each_text(&mut entry.value, &mut |text, place| match replaced(text, folder) {
                Ok(secret) => *text = secret,
                Err(message) => faults.push((place, message)),
            }),
            "statement" => {}
            _ => each_text(&mut entry.value, &mut |text, place| {
                if text.contains("${") {
                    let message = "`${…}` is for secrets and is replaced in `credentials` only; write the value here";
                    faults.push((place, message.to_owned()));
                }
            }),
        }
    }
}

fn each_text(node: &mut Node, visit: &mut impl FnMut(&mut String, Place)) {
    match &mut node.content {
        Content::Text(text) => visit(text, node.place),
        Content::Sequence(items) => items.iter_mut().for_each(|item| each_text(item, visit)),
        Content::Mapping(entries) => entries.iter_mut().for_each(|entry| each_text(&mut entry.value, visit)),
        _ => {}
    }
}

fn replaced(text: &str, folder: &Path) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("a `${` has no `}`")?;
        result.push_str(before);
        result.push_str(&value_of(name, folder)?);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

fn value_of(name: &str, folder: &Path) -> Result<String, String> {
    if let Some(path) = name.strip_prefix("file:") {
        let content = fs::read_to_string(folder.join(path))
            .map_err(|error| format!("the file `{path}` that `${{{name}}}` names cannot be read: {error}"))?;
        // An editor ends the last line; a secret does not.
        return Ok(content.trim_end_matches(['\n', '\r']).to_owned());
    }
    let is_variable = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if !is_variable {
        return Err("write `${VARIABLE}` for an environment variable or `${file:path}` for a file".to_owned());
    }
    env::var(name).map_err(|error| match error {
        env::VarError::NotPresent => format!("the environment variable `{name}` is not set"),
        env::VarError::NotUnicode(_) => format!("the environment variable `{name}` is not UTF-8"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_beside_the_declaration_without_their_last_line_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("password"), "s3cret\n").unwrap();
        assert_eq!(replaced("<${file:password}>", folder.path()).unwrap(), "<s3cret>");
        assert!(replaced("${file:other}", folder.path()).unwrap_err().contains("`other`"));
    }

    #[test]
    fn what_is_no_placeholder_is_named() {
        let here = Path::new(".");
        assert_eq!(replaced("no $ {placeholder}", here).unwrap(), "no $ {placeholder}");
        assert_eq!(replaced("${open", here).unwrap_err(), "a `${` has no `}`");
        for bad in ["${}", "${a-b}", "${a b}"] {
            assert!(replaced(bad, here).unwrap_err().starts_with("write `${VARIABLE}`"), "{bad}");
        }
        let missing = replaced("${TIDEGATE_TEST_NOT_SET}", here).unwrap_err();
        assert_eq!(missing, "the environment variable `TIDEGATE_TEST_NOT_SET` is not set");
    }
}
