//! When a cron line fires: pure functions of the line, the time zone and the time.
//!
//! Which local times fit the line is croner's to say; what becomes of local times that do not exist or come twice is
//! said here, because croner lets times in a list (`0 2,14 * * *`) fall into the gap.

mod line;
mod missed;

use std::fmt;

use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

use crate::near_names;

pub use self::missed::{Due, Missed};

/// A cron line in a time zone: the ticks of a schedule.
///
/// **When the clocks change.** A line that names hours (`30 2 * * *`, `0 9-17 * * *`, `0 */6 * * *`) fires once for
/// each local time: one that does not exist because the clocks go forward fires at the first instant after the gap
/// (several of them together, once), one that comes twice because the clocks go back fires the first time. A line for
/// every hour (`*` in its place) fires by real time: whenever the clock on the wall shows a time that fits, so in both
/// of the hours that look alike, and never in one that does not exist.
///
/// ```
/// use callboard_tasks::{Calendar, Timestamp};
///
/// let nine = Calendar::new("0 9 * * MON-FRI", "Europe/Berlin").unwrap();
/// let friday: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
/// assert_eq!(nine.next_after(friday).unwrap().to_string(), "2026-11-30T08:00:00Z");
/// ```
#[derive(Clone)]
pub struct Calendar {
    text: String,
    cron: Cron,
    zone: TimeZone,
    zone_name: String,
    every_hour: bool,
}

impl Calendar {
    /// The zone of a schedule that names none.
    pub const UTC: &'static str = "UTC";

    /// A cron line of 5 fields (minute, hour, day of the month, month, day of the week), of 6 with seconds in front,
    /// or one of `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`, in a zone of the IANA's database.
    ///
    /// # Errors
    ///
    /// The field, `"cron"` or `"timezone"`, with what is wrong with it and the fix.
    pub fn new(line: &str, timezone: &str) -> Result<Self, (&'static str, String)> {
        let cron = line::read(line).map_err(|problem| ("cron", problem))?;
        let (zone, zone_name) = zone(timezone).map_err(|problem| ("timezone", problem))?;
        let every_hour = cron.pattern.hours.values().len() == 24;
        Ok(Self { text: line.trim().to_owned(), cron, zone, zone_name, every_hour })
    }

    /// The same line in another zone.
    ///
    /// # Errors
    ///
    /// What is wrong with the name, and the fix.
    pub fn in_zone(mut self, timezone: &str) -> Result<Self, String> {
        (self.zone, self.zone_name) = zone(timezone)?;
        Ok(self)
    }

    /// The cron line, as it was written.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.text
    }

    /// The name of the time zone.
    #[must_use]
    pub fn timezone(&self) -> &str {
        &self.zone_name
    }

    /// What the line says, in English.
    #[must_use]
    pub fn description(&self) -> String {
        self.cron.describe()
    }

    /// The first tick later than `after`; `None` if there is none before the year 5000.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.every_hour { self.next_by_real_time(after) } else { self.next_by_local_time(after) }
    }

    /// The ticks later than `after`, in order.
    pub fn ticks_after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.next_after(after), |tick| self.next_after(*tick))
    }

    /// The last tick later than `after` and not later than `until`; `None` if there is none. It takes some thirty
    /// looks, however many ticks there are between.
    #[must_use]
    pub fn last_until(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let next = |second: i64| {
            let from = Timestamp::from_second(second).ok()?;
            self.next_after(from).filter(|tick| *tick <= until)
        };
        let mut found = self.next_after(after).filter(|tick| *tick <= until)?;
        // A tick later than `low` may be there, none is later than `high`.
        let (mut low, mut high) = (found.as_second(), until.as_second());
        while low < high {
            let middle = low + (high - low) / 2;
            match next(middle) {
                Some(tick) => {
                    found = tick;
                    low = tick.as_second();
                }
                None => high = middle,
            }
        }
        Some(found)
    }

    /// Each local time that fits fires once. The instants of local times never go back, so the first one later than
    /// `after` is found by going on from where the clock stood then.
    fn next_by_local_time(&self, after: Timestamp) -> Option<Timestamp> {
        let mut local = self.fitting(self.zone.to_datetime(after), true)?;
        loop {
            let instant = self.instant_of(local)?;
            if instant > after {
                return Some(instant);
            }
            local = self.fitting(local, false)?;
        }
    }

    /// Each instant whose local time fits is a tick: looked for between one change of the clocks and the next.
    fn next_by_real_time(&self, after: Timestamp) -> Option<Timestamp> {
        let mut changes = self.zone.following(after);
        let mut offset = self.zone.to_offset(after);
        let mut local = self.fitting(offset.to_datetime(after), false)?;
        loop {
            let tick = offset.to_timestamp(local).ok()?;
            match changes.next() {
                Some(change) if change.timestamp() <= tick => {
                    offset = change.offset();
                    local = self.fitting(offset.to_datetime(change.timestamp()), true)?;
                }
                _ => return Some(tick),
            }
        }
    }

    /// The first local time from `from` on, or later than it, that fits the line.
    fn fitting(&self, from: DateTime, or_itself: bool) -> Option<DateTime> {
        self.cron.find_next_occurrence(&from, or_itself).ok()
    }

    /// When a local time is: the first time that it comes, or the end of the gap that it falls into.
    fn instant_of(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // By the offset that comes after it, this is before the change.
                let before = after.to_timestamp(local).ok()?;
                let change = self.zone.following(before).find(|change| change.offset() == after)?;
                Some(change.timestamp())
            }
        }
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calendar({:?} {})", self.text, self.zone_name)
    }
}

/// Two calendars are the same if they are written the same.
impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, &self.zone_name) == (&other.text, &other.zone_name)
    }
}

impl Eq for Calendar {}

/// A time zone by name: of this machine's database, which is kept up to date with it, else of the one that is built in.
fn zone(name: &str) -> Result<(TimeZone, String), String> {
    let name = name.trim();
    let found = jiff::tz::db().get(name).or_else(|_| TimeZoneDatabase::bundled().get(name));
    match found {
        Ok(zone) => {
            let name = zone.iana_name().unwrap_or(name).to_owned();
            Ok((zone, name))
        }
        Err(_) => {
            let known: Vec<_> = TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
            let near = near_zone(name, &known).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            Err(format!("{name:?} is no time zone of the IANA's database (\"UTC\", \"Europe/Berlin\"){near}"))
        }
    }
}

/// The zone that somebody may have meant who wrote only its city, or almost its name.
fn near_zone<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let city = |zone: &str| zone.rsplit('/').next().unwrap_or(zone).to_ascii_lowercase();
    let asked = city(&name.replace(' ', "_"));
    let same = known.iter().find(|zone| city(zone) == asked);
    let near = || {
        let near = near_names(name, known.iter().map(String::as_str));
        let first = near.first()?.clone();
        known.iter().find(|zone| **zone == first)
    };
    same.or_else(near).map(String::as_str)
}

/// Where the search begins that finds out whether a line fires at all.
fn long_ago() -> DateTime {
    jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0) - 1.second()
}
