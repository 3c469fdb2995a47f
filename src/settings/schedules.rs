//! `[[schedules]]`: calls that are enqueued at the times of a cron line.

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_tasks::{Calendar, CallOptions, Json, Missed, RunAfter, Schedule, Unique, check_name};

use super::backend::BackendSettings;
use super::section::{Found, Section};
use super::tree::Value;

/// The shortest time that a store keeps.
const MILLISECOND: Duration = Duration::from_millis(1);

/// Reads all of them; those that are not enabled are checked and left out. `backends` are those of the settings, empty
/// if the program has its own.
pub(super) fn read(sections: Vec<Section<'_>>, backends: &BTreeMap<String, BackendSettings>) -> Vec<Schedule> {
    let mut names = Vec::new();
    let mut schedules = Vec::new();
    for section in sections {
        schedules.extend(read_one(section, backends, &mut names));
    }
    schedules
}

fn read_one(
    mut section: Section<'_>,
    backends: &BTreeMap<String, BackendSettings>,
    names: &mut Vec<String>,
) -> Option<Schedule> {
    section.must_have(&["name", "cron", "task"]);
    let name = section.read("name", "digest", |name| match check_name(name) {
        Ok(()) if names.iter().any(|other| other == name) => {
            Err(format!("is {name:?}, as that of a schedule above; give each its own"))
        }
        checked => checked.map(|()| name.to_owned()).map_err(|problem| format!("is {name:?}, which {problem}")),
    });
    names.extend(name.iter().map(|name| name.value.clone()));
    let line = section.read("cron", "0 9 * * *", |line| match Calendar::new(line, Calendar::UTC) {
        Ok(_) => Ok(line.to_owned()),
        Err((_, problem)) => Err(problem),
    });
    let zone = section.read("timezone", "Europe/Berlin", |zone| match Calendar::new("@daily", zone) {
        Ok(calendar) => Ok(calendar.timezone().to_owned()),
        Err((_, problem)) => Err(problem),
    });
    let missed = section.read("missed", "one", str::parse::<Missed>);
    let task = section.read("task", "send_digest", |task| check_name(task).map(|()| task.to_owned()));
    let args = section.known_value("args").map_or_else(|| Some("{}".to_owned()), |args| read_args(&section, &args));
    let options = read_options(&mut section, backends);
    let enabled = section.flag("enabled").is_none_or(|enabled| enabled.value);
    section.finish();

    let schedule = Schedule::named(&line?.value, task?.value, args?, options).ok()?.name(name?.value);
    let zone = zone.map_or_else(|| Calendar::UTC.to_owned(), |zone| zone.value);
    let schedule = schedule.timezone(&zone).ok()?.missed(missed.map(|missed| missed.value).unwrap_or_default());
    enabled.then_some(schedule)
}

fn read_options(section: &mut Section<'_>, backends: &BTreeMap<String, BackendSettings>) -> CallOptions {
    let backend = section.read("backend", "default", |alias| {
        if backends.is_empty() || backends.contains_key(alias) {
            Ok(alias.to_owned())
        } else {
            let known: Vec<_> = backends.keys().map(String::as_str).collect();
            Err(format!("is {alias:?}, which is no backend here; there are {}", known.join(", ")))
        }
    });
    let backend = backend.map(|backend| backend.value);
    let settings = backends.get(backend.as_deref().unwrap_or("default"));
    let queue = section.read("queue", "default", |queue| {
        let standard = ["default".to_owned()];
        let known = settings.map_or(&[][..], |backend| backend.queues.as_deref().unwrap_or(&standard));
        match check_name(queue) {
            Ok(()) if known.is_empty() || known.iter().any(|name| name == queue) => Ok(queue.to_owned()),
            Ok(()) => Err(format!("is {queue:?}, no queue of its backend, which has {}", known.join(", "))),
            Err(problem) => Err(problem),
        }
    });
    let tags = section.texts("tags", "[\"nightly\"]").unwrap_or_default();
    for tag in &tags {
        if let Err(problem) = check_name(&tag.value) {
            section.note(tag.problem(problem));
        }
    }
    let attempts = section.number("max_attempts", 1..=1_000_000);
    CallOptions {
        backend: backend.map(Into::into),
        queue: queue.map(|queue| queue.value.into()),
        priority: section.signed("priority", -100..=100).map(|priority| priority.value),
        max_attempts: attempts.and_then(|attempts| u32::try_from(attempts.value).ok()),
        timeout: section.duration("timeout", MILLISECOND).map(|timeout| timeout.value),
        expires: section.duration("expires", MILLISECOND).map_or(RunAfter::Now, |after| RunAfter::In(after.value)),
        unique: section.flag("unique").filter(|unique| unique.value).map(|_| Unique::by_args()),
        limit_key: section.text("limit_key", "tenant-7").map(|key| key.value),
        tags: tags.into_iter().map(|tag| tag.value).collect(),
        ..CallOptions::default()
    }
}

/// The arguments as JSON: a table by name, or a list by position.
fn read_args(section: &Section<'_>, args: &Found<Value>) -> Option<String> {
    let written = match &args.value {
        value @ (Value::Table(_) | Value::List(_)) => json(value),
        other => Err(format!("is {}; write a table by name, {{ id = 7 }}, or a list by position", other.shown())),
    };
    written.map_err(|problem| section.note(args.problem(problem))).ok()
}

fn json(value: &Value) -> Result<String, String> {
    let text = |text: &str| Json::from_value(text).map(|json| json.to_string()).map_err(|error| error.to_string());
    Ok(match value {
        Value::Table(table) => {
            let members = table.iter().map(|(key, node)| Ok(format!("{}:{}", text(key)?, json(&node.value)?)));
            format!("{{{}}}", members.collect::<Result<Vec<_>, String>>()?.join(","))
        }
        Value::List(list) => {
            let items = list.iter().map(|node| json(&node.value));
            format!("[{}]", items.collect::<Result<Vec<_>, String>>()?.join(","))
        }
        Value::Text(value) | Value::Loose(value) => text(value)?,
        Value::Integer(number) => number.to_string(),
        Value::Other(written) if matches!(written.as_str(), "true" | "false") => written.clone(),
        Value::Other(written) => match written.replace('_', "").parse::<f64>() {
            Ok(number) => Json::from_value(&number)
                .map(|json| json.to_string())
                .map_err(|_| format!("has {written} in it, which JSON cannot say; write another number"))?,
            // A date or a time.
            Err(_) => text(written)?,
        },
    })
}
