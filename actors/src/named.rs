//! A call by name, of a task whose code is in another process: all that is known of it is what was published.

use callboard_tasks::{AnyCall, Error, InvalidTask, Json, Problem, Published};
use serde::{Serialize, Serializer};

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
    // In the order of the parameters, as the task's own code writes them.
    let in_order: Vec<(&str, Value)> = parameters
        .iter()
        .filter_map(|p| {
            let value = given.remove(&p.name).or_else(|| p.default.as_ref().map(Json::to_value));
            value.map(|value| (p.name.as_str(), value))
        })
        .collect();
    let args = Json::from_value(&ByName(in_order)).map_err(|error| {
        let invalid = InvalidTask::new(&task.name, format!("#/args{}", error.pointer), error.problem);
        Error::from(task.redact.masked_refusal(invalid))
    })?;
    let options = task.options_of(&args);
    Ok(AnyCall::named(task.name.clone(), None, args, options))
}

/// An object with its members in this order.
struct ByName<'a>(Vec<(&'a str, serde_json::Value)>);

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
