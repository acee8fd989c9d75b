//! What may the login do beyond reading?

use tidegate_core::Result;

use super::{decode, lease::Lease};

/// The privileges that only read (MySQL manual, "Privileges Provided by MySQL").
const HARMLESS: [&str; 5] = ["USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES", "REFERENCES"];

/// A sentence for each grant of more, with the statement that takes it away.
pub(super) async fn warnings(lease: &mut Lease) -> Result<Vec<String>> {
    let rows = sqlx::query("SHOW GRANTS").fetch_all(lease.connection()).await.map_err(|error| lease.fail(error))?;
    lease.settle();
    let grants = rows.iter().filter_map(|row| decode::bytes(row, 0).and_then(|bytes| std::str::from_utf8(bytes).ok()));
    Ok(grants.filter_map(of_grant).collect())
}

/// `GRANT privileges ON object TO login …`; a line of another shape grants a role, whose own grants are listed too.
fn of_grant(grant: &str) -> Option<String> {
    let (privileges, rest) = grant.strip_prefix("GRANT ")?.split_once(" ON ")?;
    let (object, login) = rest.split_once(" TO ")?;
    let login = login.split([' ']).next().unwrap_or(login);
    let more: Vec<&str> = columns_apart(privileges)
        .into_iter()
        // A function is granted by itself; a procedure cannot be called by what only reads.
        .filter(|privilege| !(*privilege == "EXECUTE" && object.starts_with("FUNCTION ")))
        .filter(|privilege| !HARMLESS.contains(&privilege.split(" (").next().unwrap_or(privilege)))
        .collect();
    if more.is_empty() {
        return None;
    }
    let more = more.join(", ");
    let what = match more.as_str() {
        "ALL PRIVILEGES" => "may do everything".to_owned(),
        more if object == "*.*" && more.contains("FILE") => format!("may read and write files ({more})"),
        more => format!("has {more}"),
    };
    Some(format!("the login {what} on {object}: REVOKE {more} ON {object} FROM {login}"))
}

/// Splits at commas that are not inside the parentheses of a list of columns.
fn columns_apart(privileges: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let parts = privileges.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_of_more_than_reading_are_told_with_their_revocation() {
        let told = |grant: &str| of_grant(grant).unwrap_or_default();
        assert_eq!(told("GRANT USAGE ON *.* TO `r`@`%` IDENTIFIED BY PASSWORD '*AB'"), "");
        assert_eq!(told("GRANT SELECT, SHOW VIEW ON `shop`.* TO `r`@`%`"), "");
        assert_eq!(
            told("GRANT SELECT, INSERT, UPDATE (`a`, `b`) ON `shop`.`t` TO `w`@`%`"),
            "the login has INSERT, UPDATE (`a`, `b`) on `shop`.`t`: \
             REVOKE INSERT, UPDATE (`a`, `b`) ON `shop`.`t` FROM `w`@`%`"
        );
        assert_eq!(
            told("GRANT ALL PRIVILEGES ON `shop`.* TO `w`@`%` WITH GRANT OPTION"),
            "the login may do everything on `shop`.*: REVOKE ALL PRIVILEGES ON `shop`.* FROM `w`@`%`"
        );
        assert!(told("GRANT SELECT, FILE ON *.* TO `f`@`%`").starts_with("the login may read and write files (FILE)"));
        assert_eq!(told("GRANT `reader`@`%` TO `w`@`%`"), "");
        assert_eq!(told("GRANT EXECUTE ON FUNCTION `shop`.`gross` TO `r`@`%`"), "");
        assert!(told("GRANT EXECUTE ON `shop`.* TO `r`@`%`").contains("REVOKE EXECUTE ON `shop`.*"));
    }
}
