-- One clinic. Each clinic is a database of its own: a tenant with its own keys.
CREATE TABLE patients (
    id     int PRIMARY KEY,
    mrn    text NOT NULL UNIQUE,
    family text NOT NULL,
    given  text NOT NULL,
    sex    char(1),
    born   date NOT NULL,
    active boolean NOT NULL DEFAULT true
);
CREATE TABLE encounters (
    id         bigint PRIMARY KEY,
    patient_id int NOT NULL,
    kind       varchar(16) NOT NULL,
    ward       text NOT NULL,
    started    timestamptz NOT NULL,
    minutes    int NOT NULL,
    charge     numeric(10,2) NOT NULL
);
CREATE TABLE observations (
    id           bigint PRIMARY KEY,
    encounter_id bigint NOT NULL,
    code         varchar(16) NOT NULL,
    value        numeric(8,2) NOT NULL,
    unit         text NOT NULL,
    taken        timestamptz NOT NULL,
    detail       jsonb
);
CREATE INDEX encounters_patient ON encounters (patient_id);
CREATE INDEX observations_encounter ON observations (encounter_id);
