//! Reads a cron line, and says which of its fields is wrong and what to write instead.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// The fields with what may stand in them, seconds first.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31, L for the last one, 15W for the weekday nearest to the 15th"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "0-7 or SUN-SAT (0 and 7 are Sunday), MON#2 for the second Monday, FRI#L for the last Friday"),
];

/// What may be written in place of a line.
const NAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * SUN"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Reads a line of 5 or 6 fields.
pub(super) fn read(line: &str) -> Result<Cron, String> {
    let shown = line.trim();
    if shown.starts_with('@') {
        let Some((_, meaning)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(shown)) else {
            let known = NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(format!("{shown:?} is not known; there are {known}, or write the fields"));
        };
        return read(meaning);
    }
    let fields: Vec<&str> = shown.split_whitespace().collect();
    if !matches!(fields.len(), 5 | 6) {
        return Err(format!(
            "{shown:?} has {}; write 5, minute hour day-of-month month day-of-week (\"0 9 * * *\" is daily at nine), \
             or 6 with seconds in front",
            match fields.len() {
                0 => "no fields".to_owned(),
                1 => "1 field".to_owned(),
                n => format!("{n} fields"),
            }
        ));
    }
    let cron = parse(shown).map_err(|problem| {
        fault(&fields).unwrap_or_else(|| format!("{shown:?} cannot be read ({problem}); write \"0 9 * * *\""))
    })?;
    if let Some(fault) = fault(&fields) {
        return Err(fault);
    }
    if cron.find_next_occurrence(&super::long_ago(), false).is_err() {
        return Err(format!("{shown:?} never fires: no day fits both its day of the month and its month; mend one"));
    }
    Ok(cron)
}

fn parse(line: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    parser.parse(line).map_err(|error| error.to_string())
}

/// The first field that is wrong by itself.
fn fault(fields: &[&str]) -> Option<String> {
    let kinds = &FIELDS[FIELDS.len() - fields.len()..];
    fields.iter().zip(kinds).enumerate().find_map(|(n, (field, (name, range)))| {
        let alone: Vec<&str> = (0..fields.len()).map(|at| if at == n { *field } else { "*" }).collect();
        let wrong = match parse(&alone.join(" ")) {
            Err(_) => true,
            // Nothing but commas is read as no value at all.
            Ok(_) => field.split(',').any(|part| part.trim().is_empty()),
        };
        wrong.then(|| {
            format!("has {field:?} as its {name}; write *, or {range}: single, with commas, from-to, or */step")
        })
    })
}
