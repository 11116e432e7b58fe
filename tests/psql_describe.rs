//! psql's commands that describe what there is, against `kimberlite dev`.
//!
//! What psql prints is compared with what it prints for PostgreSQL 15, which the
//! expected texts were taken from.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use support::Server;

const TABLES: &str = "\
    CREATE TABLE patient (
        id integer PRIMARY KEY,
        name varchar(20) NOT NULL,
        weight numeric(6,2),
        mail text UNIQUE,
        seen timestamptz DEFAULT now());
    CREATE INDEX patient_name ON patient (name);
    CREATE TABLE visit (patient integer NOT NULL, day date NOT NULL, note text,
        PRIMARY KEY (patient, day));";

fn with_tables() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let made = support::psql(&server.url, TABLES);
    assert!(made.status.success(), "{made:?}");
    (dir, server)
}

/// What psql prints for a command, without the blanks that pad lines and centre
/// the title.
fn describe(server: &Server, command: &str) -> String {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "--set", "ON_ERROR_STOP=1"])
        .args(["--command", command])
        .arg(&server.url)
        .env_remove("PGPASSWORD")
        .env_remove("PGSSLMODE")
        .output()
        .expect("psql is installed (see scripts/setup)");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command}: {error}");
    // psql says there that it found nothing.
    let text = String::from_utf8(output.stdout).unwrap() + &error;
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

#[test]
fn a_table_is_described() {
    let (_dir, server) = with_tables();
    assert_eq!(
        describe(&server, "\\d patient"),
        "\
                       Table \"public.patient\"
 Column |           Type           | Collation | Nullable | Default
--------+--------------------------+-----------+----------+---------
 id     | integer                  |           | not null |
 name   | character varying(20)    |           | not null |
 weight | numeric(6,2)             |           |          |
 mail   | text                     |           |          |
 seen   | timestamp with time zone |           |          | now()
Indexes:
    \"patient_pkey\" PRIMARY KEY, btree (id)
    \"patient_mail_key\" UNIQUE CONSTRAINT, btree (mail)
    \"patient_name\" btree (name)"
    );
    assert_eq!(
        describe(&server, "\\d patient_name"),
        "\
           Index \"public.patient_name\"
 Column |         Type          | Key? | Definition
--------+-----------------------+------+------------
 name   | character varying(20) | yes  | name
btree, for table \"public.patient\""
    );
    assert_eq!(
        describe(&server, "\\d+ visit"),
        "\
                                         Table \"public.visit\"
 Column  |  Type   | Collation | Nullable | Default | Storage  | Compression | Stats target | Description
---------+---------+-----------+----------+---------+----------+-------------+--------------+-------------
 patient | integer |           | not null |         | plain    |             |              |
 day     | date    |           | not null |         | plain    |             |              |
 note    | text    |           |          |         | extended |             |              |
Indexes:
    \"visit_pkey\" PRIMARY KEY, btree (patient, day)
Access method: heap"
    );
}

#[test]
fn relations_are_listed() {
    let (_dir, server) = with_tables();
    let tables = "\
           List of relations
 Schema |  Name   | Type  |   Owner
--------+---------+-------+------------
 public | patient | table | kimberlite
 public | visit   | table | kimberlite
(2 rows)";
    assert_eq!(describe(&server, "\\dt"), tables);
    assert_eq!(describe(&server, "\\d"), tables);
    assert_eq!(
        describe(&server, "\\di"),
        "\
                     List of relations
 Schema |       Name       | Type  |   Owner    |  Table
--------+------------------+-------+------------+---------
 public | patient_mail_key | index | kimberlite | patient
 public | patient_name     | index | kimberlite | patient
 public | patient_pkey     | index | kimberlite | patient
 public | visit_pkey       | index | kimberlite | visit
(4 rows)"
    );
}

#[test]
fn databases_schemas_and_roles_are_listed() {
    let (_dir, server) = with_tables();
    let databases = describe(&server, "\\l");
    assert!(
        databases.contains("| kimberlite | UTF8     | C.UTF-8 | C.UTF-8 |"),
        "{databases}"
    );
    assert!(databases.ends_with("(1 row)"), "{databases}");
    assert_eq!(
        describe(&server, "\\dn"),
        "\
   List of schemas
  Name  |   Owner
--------+------------
 public | kimberlite
(1 row)"
    );
    let roles = describe(&server, "\\du");
    assert!(
        roles.contains("| Superuser, Create role, Create DB, Replication, Bypass RLS | {}"),
        "{roles}"
    );
}

#[test]
fn every_describing_command_about_what_there_is_works() {
    let (_dir, server) = with_tables();
    for command in [
        "\\dt+",
        "\\di+",
        "\\dn+",
        "\\dp",
        "\\db",
        "\\dT",
        "\\dx",
        "\\df",
        "\\dv",
        "\\dm",
        "\\ds",
        "\\dE",
        "\\dRp",
        "\\dew",
        "\\des",
        "\\ddp",
        "\\dy",
        "\\dD",
        "\\dO",
        "\\dA",
        "\\drds",
        "\\dS pg_class",
        "\\d pg_catalog.pg_am",
        "\\dt public.*",
    ] {
        let text = describe(&server, command);
        let listed = text.contains(" row") || text.contains(" Column ");
        let nothing = text.starts_with("Did not find any ");
        assert!(listed || nothing, "{command}: {text}");
        assert!(!text.contains("ERROR"), "{command}: {text}");
    }
}
