//! The values that a template is tried with: a JSON object in a file beside it.

use std::path::Path;

use serde_json::{Map, Value};

/// The values for a template of that folder, from `welcome.preview.json` for `welcome` or `welcome.email`; without such
/// a file, none. The name is that of a template, not of any file.
///
/// # Errors
///
/// A text that names the file and says why it cannot be used.
pub(crate) fn values_beside(folder: &Path, template: &str) -> Result<Value, String> {
    let path = folder.join(format!("{}.preview.json", template.strip_suffix(".email").unwrap_or(template)));
    let wrong = |why: &dyn std::fmt::Display| format!("{} cannot be used: {why}", path.display());
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Value::Object(Map::new())),
        Err(error) => return Err(wrong(&error)),
    };
    match serde_json::from_str(&text) {
        Ok(values @ Value::Object(_)) => Ok(values),
        Ok(_) => Err(wrong(&"it is no JSON object; write the values by name, such as {\"name\": \"Ann\"}")),
        Err(error) => Err(wrong(&error)),
    }
}
