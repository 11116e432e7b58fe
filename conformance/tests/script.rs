//! How psql scripts are cut apart.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kimberlite_conformance::script::{Item, Script, Variables, arguments};

/// Statements as they are, commands with a backslash and their arguments cut.
fn pieces(text: &str) -> Vec<String> {
    let mut variables = Variables::default();
    let mut script = Script::new(text);
    let mut found = Vec::new();
    while let Some(item) = script.next(&variables) {
        found.push(match item {
            Item::Statement(statement) => match statement.sent_by {
                Some((name, written)) => format!("{} \\{name}{written}", statement.text),
                None => statement.text,
            },
            Item::Command(_, name, written) => {
                let words = arguments(&written, &variables);
                if let ("set", [variable, values @ ..]) = (name.as_str(), words.as_slice()) {
                    variables.set(variable, &values.concat());
                }
                format!("\\{name} {}", words.join("|"))
            }
        });
    }
    found
}

#[test]
fn semicolons_end_statements_unless_something_holds_them() {
    let text = "\
-- leading
SELECT 1; SELECT ';', \";\", $$;$$, $a$ $$; $a$ /* ; /* ; */ ; */ -- ;
  , (SELECT 2; 3);
select e'\\';', 'x\\';
create rule r as on insert to t do (select 1; select 2);
INSERT INTO t VALUES (1) \\; SELECT 2;
last";
    assert_eq!(
        pieces(text),
        [
            "SELECT 1;",
            "SELECT ';', \";\", $$;$$, $a$ $$; $a$ /* ; /* ; */ ; */ -- ;\n  , (SELECT 2; 3);",
            "select e'\\';', 'x\\';",
            "create rule r as on insert to t do (select 1; select 2);",
            "INSERT INTO t VALUES (1) ; SELECT 2;",
            "last",
        ]
    );
}

#[test]
fn bodies_of_routines_stay_whole() {
    let text = "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; \
                SELECT 2; END; SELECT begin; ";
    let found = pieces(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].ends_with("SELECT 2; END;"));
}

#[test]
fn variables_are_written_in_and_read_again() {
    let text = "\
\\set two 'SELECT ' 1 '; SELECT 2'
\\set name it's
:two;
SELECT :'name', :\"name\", a::int, b[1:2], ':name', :unset, :{?two};
\\echo :two
";
    // An unclosed quote in a command runs to the line's end.
    assert_eq!(
        pieces(text),
        [
            "\\set two|SELECT |1|; SELECT 2",
            "\\set name|its",
            "SELECT 1;",
            "SELECT 2;",
            "SELECT 'its', \"its\", a::int, b[1:2], ':name', :unset, TRUE;",
            "\\echo SELECT 1; SELECT 2",
        ]
    );
}

#[test]
fn commands_may_send_or_stand_inside_a_statement() {
    let text = "SELECT 1 \\gset p_\nSELECT 'DROP' \\gexec\nSELECT\n\\echo in between\n2;\n\\d a \\\\ SELECT 3;";
    assert_eq!(
        pieces(text),
        [
            "SELECT 1 \\gsetp_",
            "SELECT 'DROP' \\gexec",
            "\\echo in|between",
            "SELECT\n\n2;",
            "\\d a",
            "SELECT 3;",
        ]
    );
}

#[test]
fn copy_data_is_taken_only_when_asked_for() {
    let variables = Variables::default();
    let text = "COPY t FROM stdin;\n1\tx;y\n\\\\.\n\\.\nSELECT 1;";
    let mut script = Script::new(text);
    let first = script.next(&variables).unwrap();
    assert!(matches!(first, Item::Statement(s) if s.line == 1));
    assert_eq!(script.copy_data(), "1\tx;y\n\\\\.\n");
    let second = script.next(&variables).unwrap();
    assert!(matches!(second, Item::Statement(s) if s.line == 5 && s.text == "SELECT 1;"));
    assert_eq!(script.next(&variables), None);
}
