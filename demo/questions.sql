-- What a clinic would ask. The answers in answers.txt are PostgreSQL 15's.
\pset footer off
SET TIME ZONE 'UTC';

\echo Which wards are busiest, and how long do people stay?
SELECT ward, count(*) AS encounters, round(avg(minutes)) AS avg_minutes, sum(charge) AS charged
FROM encounters GROUP BY ward ORDER BY encounters DESC, ward;

\echo Whose blood pressure was alarming, most recent first?
SELECT p.mrn, p.family || ', ' || p.given AS patient, o.value, o.unit, o.taken
FROM observations AS o
JOIN encounters AS e ON e.id = o.encounter_id
JOIN patients AS p ON p.id = e.patient_id
WHERE o.code = 'bp-systolic' AND o.value > 176
ORDER BY o.taken DESC, o.id LIMIT 5;

\echo What happened to patient MRN-100042?
SELECT e.started, e.kind, e.ward, o.code, o.value, o.unit
FROM patients AS p
JOIN encounters AS e ON e.patient_id = p.id
LEFT JOIN observations AS o ON o.encounter_id = e.id
WHERE p.mrn = 'MRN-100042'
ORDER BY e.started, o.id;

\echo How did charges develop over the year?
SELECT extract(month FROM started)::int AS month, count(*) AS encounters, sum(charge) AS charged,
       sum(sum(charge)) OVER (ORDER BY extract(month FROM started)::int) AS so_far
FROM encounters GROUP BY extract(month FROM started)::int ORDER BY month;

\echo How many active patients never had their blood pressure taken?
SELECT count(*) AS patients
FROM patients AS p
WHERE p.active AND NOT EXISTS (
    SELECT 1 FROM encounters AS e
    JOIN observations AS o ON o.encounter_id = e.id
    WHERE e.patient_id = p.id AND o.code LIKE 'bp-%');
