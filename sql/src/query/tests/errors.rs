use super::fixture::clinic;

#[test]
fn errors_have_postgresql_states_and_messages() {
    let fixture = clinic();
    let cases = [
        (
            "SELECT * FROM nope",
            "42P01",
            "relation \"nope\" does not exist",
        ),
        (
            "SELECT nope FROM patient",
            "42703",
            "column \"nope\" does not exist",
        ),
        (
            "SELECT p.nope FROM patient p",
            "42703",
            "column p.nope does not exist",
        ),
        (
            "SELECT q.id FROM patient p",
            "42P01",
            "missing FROM-clause entry for table \"q\"",
        ),
        (
            "SELECT id FROM patient a, patient b",
            "42702",
            "column reference \"id\" is ambiguous",
        ),
        ("SELECT nope(1)", "42883", "function nope does not exist"),
        (
            "SELECT i + 1 FROM num WHERE k = 3",
            "22003",
            "integer out of range",
        ),
        (
            "SELECT s + s FROM num WHERE k = 3",
            "22003",
            "smallint out of range",
        ),
        (
            "SELECT b * 2 FROM num WHERE k = 3",
            "22003",
            "bigint out of range",
        ),
        (
            "SELECT f * 10 FROM num WHERE k = 3",
            "22003",
            "value out of range: overflow",
        ),
        ("SELECT i / (k - 1) FROM num", "22012", "division by zero"),
        ("SELECT f / (k - 1) FROM num", "22012", "division by zero"),
        (
            "SELECT 1.5 / (k - 1)::numeric FROM num",
            "22012",
            "division by zero",
        ),
        ("SELECT 1 / 0", "22012", "division by zero"),
        (
            "SELECT * FROM patient WHERE id = 'x'",
            "22P02",
            "invalid input syntax for type integer: \"x\"",
        ),
        (
            "SELECT * FROM num WHERE u = 'x'",
            "22P02",
            "invalid input syntax for type uuid: \"x\"",
        ),
        (
            "SELECT * FROM patient WHERE id = name",
            "42883",
            "operator does not exist: integer = text",
        ),
        (
            "SELECT * FROM patient WHERE id",
            "42804",
            "argument of WHERE must be type boolean, not type integer",
        ),
        (
            "SELECT CASE WHEN true THEN 1 ELSE now() END",
            "42804",
            "CASE types integer and timestamp with time zone cannot be matched",
        ),
        (
            "SELECT (SELECT id FROM patient)",
            "21000",
            "more than one row returned by a subquery used as an expression",
        ),
        (
            "SELECT id, (SELECT cost FROM visit v WHERE v.patient = p.id) FROM patient p",
            "21000",
            "more than one row returned by a subquery used as an expression",
        ),
        (
            "SELECT 'x'::int",
            "22P02",
            "invalid input syntax for type integer: \"x\"",
        ),
        ("SELECT 40000::smallint", "22003", "smallint out of range"),
        (
            "SELECT 1::date",
            "42846",
            "cannot cast type integer to date",
        ),
        ("SELECT id FROM patient GROUP BY name", "42803", ""),
        (
            "SELECT 1 UNION SELECT 1, 2",
            "42601",
            "each UNION query must have the same number of columns",
        ),
        ("SELECT abs('a', 2)", "42883", ""),
        (
            "SELECT id FROM patient FETCH FIRST 1 ROWS WITH TIES",
            "42601",
            "",
        ),
        (
            "SELECT date '2024-02-30'",
            "22008",
            "date/time field value out of range: \"2024-02-30\"",
        ),
        (
            "SELECT current_setting('no.such')",
            "42704",
            "unrecognized configuration parameter \"no.such\"",
        ),
        (
            "SELECT name = ANY (SELECT id FROM patient) FROM patient",
            "42883",
            "operator does not exist: text = integer",
        ),
    ];
    let mut wrong = Vec::new();
    for (sql, state, message) in cases {
        match fixture.try_query(sql, Vec::new()) {
            Ok(answer) => wrong.push(format!("{sql}\n    answered {:?}", answer.rows)),
            Err(error) => {
                let same_message = message.is_empty() || error.message() == message;
                if error.sqlstate() != state || !same_message {
                    wrong.push(format!("{sql}\n    {error:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_position_of_an_unknown_column_is_told() {
    let fixture = clinic();
    let error = fixture.error("SELECT id, nope FROM patient");
    assert_eq!(error.get_position(), Some(12));
}
