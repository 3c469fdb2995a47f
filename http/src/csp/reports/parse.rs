//! Reads the two formats of reports. Browsers differ in what they send, so every member may be missing, null or of
//! another type, and unknown ones are passed over.

use serde::Deserialize;
use serde_json::Value;

/// How many reports one body may hold.
const MOST: usize = 50;
/// How deep a body may be nested.
const DEPTH: usize = 8;

/// How reports are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/csp-report`: one object, sent by `report-uri`.
    Old,
    /// `application/reports+json`: a list, sent by `report-to`.
    List,
    /// `application/json`: whichever of the two it is.
    Either,
}

impl Format {
    /// The format of that media type.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        [
            ("application/csp-report", Self::Old),
            ("application/reports+json", Self::List),
            ("application/json", Self::Either),
        ]
        .into_iter()
        .find_map(|(known, format)| known.eq_ignore_ascii_case(essence).then_some(format))
    }
}

/// One report as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Raw {
    pub(crate) document: String,
    pub(crate) directive: String,
    pub(crate) blocked: String,
    pub(crate) source: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) sample: String,
    pub(crate) policy: String,
    pub(crate) disposition: String,
    pub(crate) status: u16,
    pub(crate) user_agent: String,
}

/// The reports of a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Parsed {
    pub(crate) violations: Vec<Raw>,
    /// Those of other kinds, such as `csp-hash` and `deprecation`.
    pub(crate) others: usize,
}

/// Why a body holds no reports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the body is no JSON")]
    Json,
    #[error("the body is nested deeper than {DEPTH} levels")]
    Depth,
    #[error("the body holds more than {MOST} reports")]
    Many,
    #[error("the body is no report: {0}")]
    Form(&'static str),
}

/// One entry of a list.
#[derive(Deserialize)]
struct Entry {
    #[serde(default, rename = "type")]
    kind: Value,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    user_agent: Value,
    #[serde(default)]
    url: Value,
}

pub(crate) fn parse(format: Format, body: &[u8]) -> Result<Parsed, Unreadable> {
    if depth(body) > DEPTH {
        return Err(Unreadable::Depth);
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| Unreadable::Json)?;
    match (format, value) {
        (Format::Old | Format::Either, Value::Object(mut object)) => match object.remove("csp-report") {
            Some(Value::Object(report)) => Ok(Parsed { violations: vec![old(&report)], others: 0 }),
            _ => Err(Unreadable::Form("there must be an object under \"csp-report\"")),
        },
        (Format::List | Format::Either, Value::Array(list)) if list.len() <= MOST => {
            let mut parsed = Parsed::default();
            for entry in list {
                let odd = Unreadable::Form("each must be an object");
                // A list would pass for an object whose members come in order.
                let entry = entry.is_object().then(|| serde_json::from_value::<Entry>(entry).ok()).flatten();
                let entry = entry.ok_or(odd)?;
                match (entry.kind.as_str(), &entry.body) {
                    (Some("csp-violation"), Value::Object(report)) => parsed.violations.push(new(report, &entry)),
                    _ => parsed.others += 1,
                }
            }
            Ok(parsed)
        }
        (Format::List | Format::Either, Value::Array(_)) => Err(Unreadable::Many),
        (Format::Old, _) => Err(Unreadable::Form("it must be an object")),
        (Format::List, _) => Err(Unreadable::Form("it must be a list")),
        (Format::Either, _) => Err(Unreadable::Form("it must be an object or a list")),
    }
}

type Object = serde_json::Map<String, Value>;

fn old(report: &Object) -> Raw {
    let text = |name| text(report.get(name));
    // Old browsers put the whole directive there, with its values.
    let directive = Some(text("effective-directive")).filter(|name| !name.is_empty());
    Raw {
        document: text("document-uri"),
        directive: directive.unwrap_or_else(|| text("violated-directive")),
        blocked: text("blocked-uri"),
        source: text("source-file"),
        line: number(report.get("line-number")),
        column: number(report.get("column-number")),
        sample: text("script-sample"),
        policy: text("original-policy"),
        disposition: text("disposition"),
        status: number(report.get("status-code")),
        user_agent: String::new(),
    }
}

fn new(report: &Object, entry: &Entry) -> Raw {
    let text_of = |name| text(report.get(name));
    let document = Some(text_of("documentURL")).filter(|document| !document.is_empty());
    Raw {
        document: document.unwrap_or_else(|| text(Some(&entry.url))),
        directive: text_of("effectiveDirective"),
        blocked: text_of("blockedURL"),
        source: text_of("sourceFile"),
        line: number(report.get("lineNumber")),
        column: number(report.get("columnNumber")),
        sample: text_of("sample"),
        policy: text_of("originalPolicy"),
        disposition: text_of("disposition"),
        status: number(report.get("statusCode")),
        user_agent: text(Some(&entry.user_agent)),
    }
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A number; zero if it is none, or none that fits.
fn number<N: TryFrom<u64> + Default>(value: Option<&Value>) -> N {
    value.and_then(Value::as_u64).and_then(|number| N::try_from(number).ok()).unwrap_or_default()
}

/// How deep brackets are nested outside of texts, found before anything is made of them.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut inside, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b'{' | b'[' if !inside => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !inside => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
