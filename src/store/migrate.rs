//! The schema of a durable store, as steps that are taken once each and in order.
//!
//! The ledger in the database has a row for each step taken: its number, its name, the checksum of its text, and when.
//! What is still to do is a pure function of the ledger and the steps in this program.

use callboard_actors::SchemaStep;
use callboard_tasks::Timestamp;
use sha2::{Digest, Sha256};

use super::OpenError;

/// One step of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number, counted from 1 without gaps.
    pub version: u32,
    /// What it does, in a few words.
    pub name: &'static str,
    /// Its statements; `{schema}` stands for the name of the schema, where the database has schemas.
    pub sql: &'static str,
}

impl Migration {
    /// The SHA-256 of its text, in hexadecimal: a step that was taken must never change.
    #[must_use]
    pub fn checksum(&self) -> String {
        Sha256::digest(self.sql).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A step that was taken, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub version: u32,
    /// The checksum of its text when it was taken.
    pub checksum: String,
    /// When it was taken.
    pub applied_at: Timestamp,
}

/// The steps of `all` with when each was taken.
#[must_use]
pub fn steps(all: &[Migration], applied: &[Applied]) -> Vec<SchemaStep> {
    let taken = |step: &Migration| applied.iter().find(|taken| taken.version == step.version);
    all.iter()
        .map(|step| SchemaStep {
            version: step.version,
            name: step.name.to_owned(),
            applied_at: taken(step).map(|taken| taken.applied_at),
        })
        .collect()
}

/// The steps of `all` that a database still needs whose ledger says `applied` (in any order).
///
/// # Errors
///
/// [`OpenError::Newer`] if the database has a step that is not among `all`, [`OpenError::Altered`] if one was taken
/// with another text.
pub fn pending<'a>(place: &str, all: &'a [Migration], applied: &[Applied]) -> Result<Vec<&'a Migration>, OpenError> {
    let known = all.last().map_or(0, |last| last.version);
    if let Some(found) = applied.iter().map(|step| step.version).filter(|version| *version > known).max() {
        return Err(OpenError::Newer { place: place.to_owned(), found, known });
    }
    let mut pending = Vec::new();
    for step in all {
        match applied.iter().find(|taken| taken.version == step.version) {
            None => pending.push(step),
            Some(taken) if taken.checksum == step.checksum() => {}
            Some(_) => {
                return Err(OpenError::Altered { place: place.to_owned(), version: step.version, name: step.name });
            }
        }
    }
    Ok(pending)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const STEPS: [Migration; 2] = [
        Migration { version: 1, name: "tables", sql: "CREATE TABLE a ();" },
        Migration { version: 2, name: "more tables", sql: "CREATE TABLE b ();" },
    ];

    fn taken(step: &Migration) -> Applied {
        Applied { version: step.version, checksum: step.checksum(), applied_at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_fresh_database_needs_all_steps_in_order() {
        assert_eq!(pending("db", &STEPS, &[]).unwrap(), [&STEPS[0], &STEPS[1]]);
    }

    #[test]
    fn a_step_that_was_taken_is_not_taken_again() {
        assert_eq!(pending("db", &STEPS, &[taken(&STEPS[0])]).unwrap(), [&STEPS[1]]);
        assert!(pending("db", &STEPS, &[taken(&STEPS[1]), taken(&STEPS[0])]).unwrap().is_empty());
    }

    #[test]
    fn a_status_says_of_each_step_when_it_was_taken() {
        let steps = steps(&STEPS, &[taken(&STEPS[0])]);
        let taken: Vec<_> = steps.iter().map(|step| (step.version, step.applied_at)).collect();
        assert_eq!(taken, [(1, Some(Timestamp::UNIX_EPOCH)), (2, None)]);
    }

    #[test]
    fn a_newer_schema_is_refused_by_its_number() {
        let newer = Applied { version: 7, ..taken(&STEPS[0]) };
        let error = pending("jobs.db", &STEPS, &[taken(&STEPS[0]), newer]).unwrap_err();
        assert!(matches!(error, OpenError::Newer { found: 7, known: 2, .. }), "{error:?}");
        assert!(error.to_string().starts_with("jobs.db has schema version 7"), "{error}");
    }

    #[test]
    fn a_step_with_another_text_is_refused_by_its_name() {
        let other = Applied { checksum: "0".repeat(64), ..taken(&STEPS[0]) };
        let error = pending("jobs.db", &STEPS, &[other]).unwrap_err();
        assert!(matches!(error, OpenError::Altered { version: 1, name: "tables", .. }), "{error:?}");
    }
}
