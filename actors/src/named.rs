//! A call by name, of a task whose code is in another process: all that is known of it is what was published.

use callboard_tasks::{AnyCall, Error, InvalidTask, Json, Problem, Published, RunAfter};

/// A call of a task that only others can run: its arguments are checked by name.
pub(crate) fn by_name(task: &Published, args: &str) -> Result<AnyCall, Error> {
    use serde_json::Value;
    let wrong = |pointer: String, detail: String| Error::from(InvalidTask::new(&task.name, pointer, detail));
    let parameters = &task.parameters;
    let mut given = match serde_json::from_str(args) {
        Ok(Value::Object(given)) => given,
        Ok(Value::Array(values)) if values.len() <= parameters.len() => {
            parameters.iter().map(|p| p.name.clone()).zip(values).collect()
        }
        Ok(Value::Array(values)) => {
            let detail = format!("has {} values; {} has {} parameters", values.len(), task.name, parameters.len());
            return Err(wrong("#/args".into(), detail));
        }
        Ok(_) => {
            let detail = "must be an object by parameter name or an array by position";
            return Err(wrong("#/args".into(), detail.into()));
        }
        Err(error) => return Err(wrong("#/args".into(), error.to_string())),
    };
    let known: Vec<_> = parameters.iter().map(|p| p.name.as_str()).collect();
    let unknown = given.keys().filter(|name| !known.contains(&name.as_str())).map(|name| {
        Problem::new(format!("#/args/{name}"), format!("is not a parameter; there are {}", known.join(", ")))
    });
    let missing = parameters
        .iter()
        .filter(|p| p.required && !given.contains_key(&p.name))
        .map(|p| Problem::new(format!("#/args/{}", p.name), format!("is missing; its type is {}", p.type_name)));
    let problems: Vec<_> = unknown.chain(missing).collect();
    if !problems.is_empty() {
        return Err(InvalidTask { task: task.name.clone(), problems }.into());
    }
    for parameter in parameters {
        if let (false, Some(default)) = (given.contains_key(&parameter.name), &parameter.default) {
            given.insert(parameter.name.clone(), default.to_value());
        }
    }
    let args = Json::from_value(&given).map_err(|error| {
        let invalid = InvalidTask::new(&task.name, format!("#/args{}", error.pointer), error.problem);
        Error::from(task.redact.masked_refusal(invalid))
    })?;
    let mut call = AnyCall::named(task.name.clone(), None, args, callboard_tasks::CallOptions::default());
    // What the task's own code would have it ask for.
    let options = call.options_mut();
    options.queue = Some(task.queue.clone().into());
    options.priority = Some(task.priority.into());
    options.max_attempts = Some(task.retry.max_attempts);
    options.backoff = Some(task.retry.backoff);
    options.timeout = task.timeout;
    if let Some(expires) = task.expires {
        options.expires = RunAfter::In(expires);
    }
    Ok(call)
}
