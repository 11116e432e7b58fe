//! Names that objects get when a statement gives them none, as PostgreSQL makes
//! them: `table_columns_label`, cut to 63 bytes, with a number when taken.

/// Longest name in bytes.
const MAX_NAME: usize = 63;

/// Names of columns as one: `a_b_c`; one that comes again gets a number.
pub(crate) fn joined<'n>(columns: impl IntoIterator<Item = &'n String>) -> String {
    let mut names: Vec<String> = Vec::new();
    for column in columns {
        let mut name = column.clone();
        let mut number = 1_u32;
        while names.contains(&name) {
            name = format!("{column}{number}");
            number += 1;
        }
        names.push(name);
    }
    names.join("_")
}

/// The first name made of `first`, `second` and `label` that is free.
pub(crate) fn free_name(
    first: &str,
    second: &str,
    label: &str,
    free: impl Fn(&str) -> bool,
) -> String {
    let plain = made_of(first, second, label);
    if free(&plain) {
        return plain;
    }
    (1_u32..)
        .map(|n| made_of(first, second, &format!("{label}{n}")))
        .find(|name| free(name))
        .unwrap_or(plain)
}

/// `first_second_label`; the longer of the first two is cut until all fits.
fn made_of(first: &str, second: &str, label: &str) -> String {
    let separators = usize::from(!second.is_empty()) + usize::from(!label.is_empty());
    let room = MAX_NAME.saturating_sub(label.len() + separators);
    let (mut a, mut b) = (first.len(), second.len());
    while a + b > room {
        if a > b {
            a -= 1;
        } else {
            b -= 1;
        }
    }
    let mut name = cut(first, a).to_owned();
    for part in [cut(second, b), label] {
        if !part.is_empty() {
            name.push('_');
            name.push_str(part);
        }
    }
    name
}

/// At most `bytes` bytes of whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn names_fit_and_are_free() {
        assert_eq!(free_name("t", "a_b", "key", |_| true), "t_a_b_key");
        assert_eq!(free_name("t", "", "pkey", |n| n != "t_pkey"), "t_pkey1");
        let long = "x".repeat(60);
        let made = free_name(&long, &"y".repeat(40), "fkey", |_| true);
        assert_eq!(made.len(), 63);
        assert!(made.starts_with("xxxx") && made.ends_with("y_fkey"));
        assert_eq!(made_of(&"é".repeat(40), "", "pkey").len(), 4 + 1 + 58);
        let columns = ["a", "a", "b"].map(str::to_owned);
        assert_eq!(joined(&columns), "a_a1_b");
    }
}
