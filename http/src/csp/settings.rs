//! Policies as settings: a map of directives in the shape of Django's `SECURE_CSP`.

use std::collections::BTreeSet;

use callboard_tasks::near_names;

use super::builder::PolicyBuilder;
use super::directive::{Directive, Takes};
use super::host::injection;
use super::policy::{Policy, Value};
use super::problem::{PolicyError, PolicyProblem};
use super::source::{Source, Sources};
use super::words::Allow;

/// What stands after a directive in settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    /// Nothing, or false: the directive is left out.
    Off,
    /// True: a directive that takes no value.
    On,
    /// Values, in their order. None at all: the directive is left out, as Django does.
    Values(Vec<String>),
}

macro_rules! setting_value {
    ($($from:ty: $value:ident => $into:expr;)*) => {$(
        impl From<$from> for SettingValue {
            fn from($value: $from) -> Self {
                $into
            }
        }
    )*};
}

setting_value! {
    bool: on => if on { Self::On } else { Self::Off };
    &str: text => Self::Values(vec![text.to_owned()]);
    String: text => Self::Values(vec![text]);
    Vec<String>: values => Self::Values(values);
    Vec<&str>: values => Self::Values(values.into_iter().map(str::to_owned).collect());
    &[&str]: values => Self::Values(values.iter().map(|value| (*value).to_owned()).collect());
    BTreeSet<String>: values => Self::Values(values.into_iter().collect());
    BTreeSet<&str>: values => Self::Values(values.into_iter().map(str::to_owned).collect());
}

impl<const N: usize> From<[&str; N]> for SettingValue {
    fn from(values: [&str; N]) -> Self {
        Self::Values(values.iter().map(|value| (*value).to_owned()).collect())
    }
}

impl<T: Into<SettingValue>> From<Option<T>> for SettingValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Off, Into::into)
    }
}

/// Directives that browsers have forgotten.
const FORGOTTEN: [(&str, &str); 6] = [
    ("prefetch-src", "is obsolete; default-src holds for what is prefetched"),
    ("plugin-types", "is obsolete; write object-src = [\"'none'\"]"),
    ("navigate-to", "never came to browsers; remove it"),
    ("referrer", "is obsolete; send the header Referrer-Policy"),
    ("reflected-xss", "is obsolete; remove it"),
    ("require-sri-for", "is obsolete; give integrity to scripts and styles"),
];

impl Policy {
    /// The policy that settings describe, in the shape of Django's `SECURE_CSP`: a map of directives, each with a
    /// value, a list, `true` or `false`. A `BTreeMap<String, Vec<String>>` will do. `None` if it says nothing.
    ///
    /// `"nonce"` is the place of the nonce; keywords stand in single quotes, as in a header.
    ///
    /// ```
    /// use callboard_http::csp::Policy;
    ///
    /// let policy = Policy::from_settings([("default-src", vec!["'self'"]), ("script-src", vec!["'self'", "nonce"])])?;
    /// assert_eq!(policy.unwrap().to_string(), "default-src 'self'; script-src 'self' 'nonce'");
    ///
    /// let error = Policy::from_settings([("script-scr", vec!["self"])]).unwrap_err();
    /// assert_eq!(error.to_string(), "the policy has a problem: script-scr is no directive; did you mean script-src?");
    /// # Ok::<(), callboard_http::csp::PolicyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with everything that is wrong, each with its directive, its value and the fix.
    pub fn from_settings<K, V>(settings: impl IntoIterator<Item = (K, V)>) -> Result<Option<Self>, PolicyError>
    where
        K: Into<String>,
        V: Into<SettingValue>,
    {
        let mut builder = PolicyBuilder::default();
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for (key, value) in settings {
            let (key, value) = (key.into(), value.into());
            let directive = match known(&key) {
                Ok(directive) => directive,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            if !seen.insert(directive) {
                problems.push(PolicyProblem::new(
                    key,
                    "is given twice, and browsers heed the first one alone; give all its values at once",
                ));
                continue;
            }
            match read(directive, &value) {
                Ok(None) => {}
                Ok(Some(value)) => builder = builder.with(directive, value),
                Err(found) => problems.extend(found),
            }
        }
        let says_nothing = problems.is_empty() && builder.is_empty();
        match builder.build() {
            _ if says_nothing => Ok(None),
            Ok(policy) if problems.is_empty() => Ok(Some(policy)),
            // A policy of what is left says nothing new.
            Ok(_) => Err(PolicyError { problems }),
            Err(more) => {
                problems.extend(more.problems.into_iter().filter(|problem| !problem.directive.is_empty()));
                Err(PolicyError { problems })
            }
        }
    }
}

fn known(key: &str) -> Result<Directive, PolicyProblem> {
    if let Some(directive) = Directive::of_name(key) {
        return Ok(directive);
    }
    let name = key.to_ascii_lowercase();
    if let Some((_, detail)) = FORGOTTEN.iter().find(|(forgotten, _)| *forgotten == name) {
        return Err(PolicyProblem::new(key, *detail));
    }
    let near = near_names(&name.replace('_', "-"), Directive::ALL.iter().map(|directive| directive.name()));
    let hint = near.first().map_or_else(
        || "remove it, or write a directive such as script-src".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    Err(PolicyProblem::new(key, format!("is no directive; {hint}")))
}

/// The value of a directive; `None` if it is left out.
fn read(directive: Directive, value: &SettingValue) -> Result<Option<Value>, Vec<PolicyProblem>> {
    let name = directive.name();
    let takes = directive.takes();
    let values = match value {
        SettingValue::Off => return Ok(None),
        SettingValue::Values(values) if values.is_empty() => return Ok(None),
        SettingValue::On if matches!(takes, Takes::Nothing | Takes::Sandbox) => {
            return Ok(Some(Value::Words(Vec::new())));
        }
        SettingValue::On => {
            let detail = format!("is true, but must say what is allowed; write {}", example(takes));
            return Err(vec![PolicyProblem::new(name, detail)]);
        }
        SettingValue::Values(values) => values,
    };
    if values.iter().any(|value| value.trim().is_empty()) {
        let detail =
            "is empty; leave it out, write \"'none'\" to allow nothing, or true for a directive without values";
        return Err(vec![PolicyProblem::of_value(name, "", detail)]);
    }
    // A value may hold several, as in a header; but nothing that would end it.
    let broken = values.iter().filter_map(|value| Some(PolicyProblem::of_value(name, value, injection(value)?)));
    let broken: Vec<_> = broken.collect();
    if !broken.is_empty() {
        return Err(broken);
    }
    let words: Vec<&str> = values.iter().flat_map(|value| value.split_ascii_whitespace()).collect();
    match takes {
        Takes::Sources => sources(directive, &words).map(|sources| Some(Value::Sources(sources))),
        Takes::Nothing => Err(vec![PolicyProblem::of_value(name, values.join(" "), "is not wanted; write true")]),
        Takes::Webrtc => one_of(name, &words, &["'allow'", "'block'"]),
        Takes::TrustedTypesFor => one_of(name, &words, &["'script'"]),
        Takes::Sandbox => flags(name, &words),
        Takes::ReportTo if words.len() > 1 => {
            Err(vec![PolicyProblem::of_value(name, words.join(" "), "are several, but reports go to one endpoint")])
        }
        Takes::TrustedTypes | Takes::ReportTo | Takes::ReportUri => {
            Ok(Some(Value::Words(words.into_iter().map(str::to_owned).collect())))
        }
    }
}

const fn example(takes: Takes) -> &'static str {
    match takes {
        Takes::Sources => "[\"'self'\"], or [\"'none'\"] for nothing",
        Takes::Webrtc => "\"'block'\"",
        Takes::TrustedTypesFor => "\"'script'\"",
        Takes::TrustedTypes => "the names of policies, or \"'none'\"",
        Takes::ReportTo => "\"csp\"",
        Takes::ReportUri => "\"/csp/reports\"",
        Takes::Nothing | Takes::Sandbox => "true",
    }
}

fn sources(directive: Directive, words: &[&str]) -> Result<Sources, Vec<PolicyProblem>> {
    if let [only] = words
        && only.eq_ignore_ascii_case("'none'")
    {
        return Ok(Sources::NONE);
    }
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    for word in words {
        match word.parse::<Source>() {
            Ok(source) => sources.push(source),
            Err(error) => problems.push(PolicyProblem::of_value(directive.name(), error.value, error.detail)),
        }
    }
    if problems.is_empty() { Ok(sources.into_iter().collect()) } else { Err(problems) }
}

fn one_of(name: &str, words: &[&str], known: &[&str]) -> Result<Option<Value>, Vec<PolicyProblem>> {
    match words {
        [word] if known.contains(word) => Ok(Some(Value::Words(vec![(*word).to_owned()]))),
        words => {
            let detail = format!("is not known here; write \"{}\"", known.join("\" or \""));
            Err(vec![PolicyProblem::of_value(name, words.join(" "), detail)])
        }
    }
}

fn flags(name: &str, words: &[&str]) -> Result<Option<Value>, Vec<PolicyProblem>> {
    let unknown = words.iter().filter(|word| !Allow::names().any(|known| known == **word)).map(|word| {
        let near = near_names(word, Allow::names());
        let hint =
            near.first().map_or("write it as in \"allow-scripts\"".into(), |near| format!("did you mean {near}?"));
        PolicyProblem::of_value(name, *word, format!("is nothing that a sandbox allows; {hint}"))
    });
    let unknown: Vec<_> = unknown.collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let words: BTreeSet<&str> = words.iter().copied().collect();
    Ok(Some(Value::Words(words.into_iter().map(str::to_owned).collect())))
}
