//! `[csp]`: the content security policies of the program's pages, in the shape of Django's settings.

use callboard_http::csp::{Policies, Policy, PolicyProblem, SettingValue};

use super::section::{Found, Section};
use super::tree::Value;

/// Reads the table.
pub(super) fn read(mut csp: Section<'_>) -> Policies {
    let policies = Policies {
        enforce: csp.section("enforce").and_then(policy),
        report_only: csp.section("report_only").and_then(policy),
    };
    csp.finish();
    policies
}

/// One policy; `None` if it says nothing, or if something is wrong with it.
fn policy(mut section: Section<'_>) -> Option<Policy> {
    let found: Vec<(String, Found<Value>)> =
        section.names().into_iter().filter_map(|name| Some((name.clone(), section.value(&name)?))).collect();
    let mut settings = Vec::new();
    for (directive, found) in &found {
        match value(&found.value) {
            Some(value) => settings.push((directive.as_str(), value)),
            None => {
                let detail =
                    format!("is {}; write a list of texts such as [\"'self'\"], true or false", found.value.shown());
                section.note(found.problem(detail));
            }
        }
    }
    let is_whole = settings.len() == found.len();
    match Policy::from_settings(settings) {
        Ok(policy) => policy.filter(|_| is_whole),
        Err(error) => {
            for PolicyProblem { directive, value, detail } in error.problems {
                let detail = value.map_or_else(|| detail.clone(), |value| format!("{value:?} {detail}"));
                match found.iter().find(|(name, _)| name.eq_ignore_ascii_case(&directive)) {
                    Some((_, found)) => section.note(found.problem(detail)),
                    None if directive.is_empty() => section.note_self(detail),
                    None => section.note_self(format!("{directive} {detail}")),
                }
            }
            None
        }
    }
}

fn value(value: &Value) -> Option<SettingValue> {
    Some(match value {
        Value::Text(text) => SettingValue::from(text.clone()),
        Value::Other(text) if text == "true" => SettingValue::On,
        Value::Other(text) if text == "false" => SettingValue::Off,
        // In a variable values stand as in a header.
        Value::Loose(text) => match text.trim() {
            "true" => SettingValue::On,
            "false" => SettingValue::Off,
            text => SettingValue::from(text),
        },
        Value::List(list) => {
            let texts = list.iter().map(|node| match &node.value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            });
            SettingValue::from(texts.collect::<Option<Vec<String>>>()?)
        }
        Value::Table(_) | Value::Integer(_) | Value::Other(_) => return None,
    })
}
