//! Makes the demo's clinics: patients, their encounters, and what was measured.
//!
//! `clinic-data FOLDER [SEED]` writes `clinic_a` and `clinic_b` into FOLDER,
//! each with patients.csv, encounters.csv and observations.csv: 200,000 rows in
//! all. The same seed gives the same bytes on every machine and for ever: the
//! generator below is written out, because a library's may change with its
//! version.

use std::fs::{File, create_dir_all};
use std::io::{BufWriter, Write};
use std::path::Path;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not including, `end`. The bias is far below what
    /// made-up patients deserve.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len() as u64) as usize]
    }

    /// Roughly bell-shaped around `middle`, in steps of one.
    fn around(&mut self, middle: i64, spread: u64) -> i64 {
        let sum: u64 = (0..4).map(|_| self.below(spread + 1)).sum();
        middle + sum as i64 - 2 * spread as i64
    }
}

const FAMILY: [&str; 16] = [
    "Abara",
    "Berg",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Fontana",
    "Gupta",
    "Haddad",
    "Ito",
    "Jensen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
    "Petrov",
];
const GIVEN: [&str; 16] = [
    "Ada", "Bruno", "Chloé", "Dara", "Emil", "Fatima", "Goran", "Hana", "Ivo", "Jana", "Kenji",
    "Lena", "Milo", "Nora", "Omar", "Priya",
];
const WARDS: [&str; 6] = [
    "Cardiology",
    "Emergency",
    "Oncology",
    "Paediatrics",
    "Surgery",
    "Outpatient",
];
const KINDS: [&str; 4] = ["visit", "admission", "follow-up", "phone"];

/// What is measured: code, unit, middle, spread, decimals.
const MEASURES: [(&str, &str, i64, u64, u32); 6] = [
    ("bp-systolic", "mmHg", 128, 28, 0),
    ("bp-diastolic", "mmHg", 79, 16, 0),
    ("heart-rate", "/min", 74, 18, 0),
    ("temperature", "°C", 368, 9, 1),
    ("glucose", "mmol/L", 58, 22, 1),
    ("spo2", "%", 97, 2, 0),
];

struct Clinic {
    name: &'static str,
    patients: u64,
    first_mrn: u64,
}

const CLINICS: [Clinic; 2] = [
    Clinic {
        name: "clinic_a",
        patients: 12_000,
        first_mrn: 100_000,
    },
    Clinic {
        name: "clinic_b",
        patients: 8_000,
        first_mrn: 500_000,
    },
];
const ENCOUNTERS_PER_PATIENT: u64 = 3;
const OBSERVATIONS_PER_ENCOUNTER: u64 = 2;

/// Days before the month, in a year that is not a leap year.
const MONTHS: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// A day of 2023 as `2023-MM-DD`, counted from 0.
fn day_of_2023(day: u64) -> String {
    let month = MONTHS.iter().rposition(|start| *start <= day).unwrap_or(0);
    format!("2023-{:02}-{:02}", month + 1, day - MONTHS[month] + 1)
}

fn csv(folder: &Path, name: &str, header: &str) -> std::io::Result<BufWriter<File>> {
    let mut file = BufWriter::new(File::create(folder.join(name))?);
    writeln!(file, "{header}")?;
    Ok(file)
}

fn write_clinic(folder: &Path, clinic: &Clinic, random: &mut Random) -> std::io::Result<u64> {
    let folder = folder.join(clinic.name);
    create_dir_all(&folder)?;
    let mut patients = csv(
        &folder,
        "patients.csv",
        "id,mrn,family,given,sex,born,active",
    )?;
    let mut encounters = csv(
        &folder,
        "encounters.csv",
        "id,patient_id,kind,ward,started,minutes,charge",
    )?;
    let mut observations = csv(
        &folder,
        "observations.csv",
        "id,encounter_id,code,value,unit,taken,detail",
    )?;
    let (mut encounter, mut observation) = (0, 0);
    for patient in 1..=clinic.patients {
        let born = (
            1930 + random.below(93),
            1 + random.below(12),
            1 + random.below(28),
        );
        writeln!(
            patients,
            "{patient},MRN-{},{},{},{},{}-{:02}-{:02},{}",
            clinic.first_mrn + patient,
            random.of(&FAMILY),
            random.of(&GIVEN),
            random.of(&["f", "m", "x"]),
            born.0,
            born.1,
            born.2,
            random.below(20) != 0,
        )?;
        for _ in 0..ENCOUNTERS_PER_PATIENT {
            encounter += 1;
            let day = day_of_2023(random.below(365));
            let (hour, minute) = (random.below(24), random.below(60));
            writeln!(
                encounters,
                "{encounter},{patient},{},{},{day} {hour:02}:{minute:02}:00+00,{},{}.{:02}",
                random.of(&KINDS),
                random.of(&WARDS),
                5 + random.below(240),
                20 + random.below(900),
                random.below(100),
            )?;
            for _ in 0..OBSERVATIONS_PER_ENCOUNTER {
                observation += 1;
                write_observation(&mut observations, random, (observation, encounter), &day)?;
            }
        }
    }
    for mut file in [patients, encounters, observations] {
        file.flush()?;
    }
    Ok(clinic.patients + encounter + observation)
}

fn write_observation(
    file: &mut impl Write,
    random: &mut Random,
    (id, encounter): (u64, u64),
    day: &str,
) -> std::io::Result<()> {
    let (code, unit, middle, spread, decimals) = MEASURES[random.below(6) as usize];
    let raw = random.around(middle, spread).max(1);
    let value = match decimals {
        0 => raw.to_string(),
        _ => format!("{}.{}", raw / 10, raw % 10),
    };
    let detail = match random.below(4) {
        0 => format!(
            r#""{{""device"": ""m{}"", ""repeat"": {}}}""#,
            random.below(40),
            random.below(3)
        ),
        1 => r#""{""note"": ""patient at rest""}""#.to_owned(),
        _ => String::new(),
    };
    let (hour, minute) = (random.below(24), random.below(60));
    writeln!(
        file,
        "{id},{encounter},{code},{value},{unit},{day} {hour:02}:{minute:02}:00+00,{detail}"
    )
}

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, seed) = match arguments.as_slice() {
        [folder] => (folder, Some(7)),
        [folder, seed] => (folder, seed.parse().ok()),
        _ => (&String::new(), None),
    };
    let Some(seed) = seed else {
        eprintln!("usage: clinic-data FOLDER [SEED]");
        return std::process::ExitCode::from(2);
    };
    let mut random = Random(seed);
    for clinic in &CLINICS {
        match write_clinic(Path::new(folder), clinic, &mut random) {
            Ok(rows) => println!("{} {rows} rows", clinic.name),
            Err(error) => {
                eprintln!("clinic-data: {folder}: {error}");
                return std::process::ExitCode::from(1);
            }
        }
    }
    std::process::ExitCode::SUCCESS
}
