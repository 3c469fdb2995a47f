//! Durations and backoffs as options write them: `"1h30m"`, `"2s..10m"`.
//!
//! The grammar is that of `parse_duration` and `Backoff::parse` in the contract crate, which a macro cannot
//! call: the crate depends on the macro. This file depends on the standard library alone, and the tests of that
//! crate include it and hold the two against each other.

use std::time::Duration;

/// The pause between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backoff {
    /// The one of a bare `#[task]`.
    Default,
    /// The same each time.
    Fixed(Duration),
    /// From `first`, doubling, up to `most`.
    Doubling {
        /// The first pause.
        first: Duration,
        /// The longest.
        most: Duration,
    },
    /// From `first`, growing by a factor, up to `most`, each with a jitter.
    Exponential {
        /// The first pause.
        first: Duration,
        /// By how much it grows, in percent.
        factor_percent: u32,
        /// The longest.
        most: Duration,
        /// By how much one may differ, in percent.
        jitter_percent: u8,
    },
}

/// A number with at most two decimals, from `least` to `most`, in hundredths.
fn percent(text: &str, unit: &str, least: u32, most: u32) -> Option<u32> {
    let (whole, part) = text.strip_suffix(unit)?.split_once('.').unwrap_or((text.strip_suffix(unit)?, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || part.len() > 2 || !is_number(whole) || !is_number(part) {
        return None;
    }
    let hundredths = whole.parse::<u32>().ok()? * 100 + format!("{part:0<2}").parse::<u32>().ok()?;
    (least * 100..=most * 100).contains(&hundredths).then_some(hundredths)
}

impl Backoff {
    /// Reads `"30s"`, `"2s..10m"`, `"2s*1.5..10m~25%"` or `"default"`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "default" {
            return Ok(Self::Default);
        }
        let wrong = || {
            format!(
                "{text:?} is not a backoff; write \"30s\", \"2s..10m\", \"2s*1.5..10m\", one of them with a jitter \
                     (\"2s..10m~25%\"), or \"default\""
            )
        };
        let read = |part: &str| parse_duration(part).map_err(|_| wrong());
        let (pauses, jitter) = match text.split_once('~') {
            None => (text, None),
            Some((pauses, jitter)) => {
                let whole = percent(jitter.trim(), "%", 0, 100).filter(|jitter| jitter % 100 == 0);
                (pauses, Some(whole.ok_or_else(wrong)?))
            }
        };
        let (first, factor, most) = match pauses.split_once("..") {
            None => (pauses, None, None),
            Some((start, most)) => match start.split_once('*') {
                None => (start, None, Some(most)),
                Some((first, factor)) => {
                    (first, Some(percent(factor.trim(), "", 1, 100).ok_or_else(wrong)?), Some(most))
                }
            },
        };
        let first = read(first)?;
        let most = most.map_or(Ok(first), read)?;
        if most < first {
            return Err(format!("{text:?} is not a backoff: its cap is shorter than its first pause"));
        }
        let is_fixed = !pauses.contains("..");
        Ok(match (factor, jitter) {
            (None, None) if is_fixed => Self::Fixed(first),
            (None, None) => Self::Doubling { first, most },
            (factor, jitter) => Self::Exponential {
                first,
                factor_percent: factor.unwrap_or(if is_fixed { 100 } else { 200 }),
                most,
                jitter_percent: jitter.map_or(10, |jitter| (jitter / 100) as u8),
            },
        })
    }
}

/// Reads whole numbers, each with its unit, the larger units first.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 6] =
        [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let form =
        || format!("{text:?} is not a duration: write numbers with their units w, d, h, m, s, ms, as in \"1h30m\"");
    let too_long = || format!("{text:?} is too long a duration");
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    if rest.is_empty() {
        return Err(form());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(|| format!("{text:?} is a duration without a unit; write \"{rest}s\" for seconds"))?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(form)?;
        if number.is_empty() {
            return Err(form());
        }
        // What is left is digits: only their number can be too large.
        let number: u64 = number.parse().map_err(|_| too_long())?;
        if *ms >= smallest {
            return Err(format!("{text:?} is not a duration: its units must go from large to small"));
        }
        smallest = *ms;
        let part = number.checked_mul(*ms).ok_or_else(too_long)?;
        total = total.checked_add(part).ok_or_else(too_long)?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}
