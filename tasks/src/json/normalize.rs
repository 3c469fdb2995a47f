//! The serializer behind [`Json::from_value`](super::Json::from_value).

use serde::Serialize;

use super::NotJson;

/// Writes `value` by the rule that [`Json`](super::Json) states.
pub(super) fn to_text<T: Serialize + ?Sized>(value: &T) -> Result<String, NotJson> {
    serde_json::to_string(value).map_err(|e| NotJson { pointer: String::new(), problem: e.to_string() })
}
