//! What JSON a Rust type takes, read from its name as it stands in a task: where that is sure, and nothing elsewhere.

use callboard_tasks::PublishedParameter;
use serde_json::{Value, json};

/// The schema of a parameter; `None` if its type is not one of those that are known.
pub(crate) fn of(parameter: &PublishedParameter) -> Option<Value> {
    let mut schema = of_type(&parameter.type_name)?;
    if let Some(default) = &parameter.default
        && let (Value::Object(members), Ok(default)) = (&mut schema, serde_json::from_str(default.as_str()))
    {
        members.insert("default".to_owned(), default);
    }
    Some(schema)
}

/// The schema of a type by its name. Names that anybody may give to a type of their own are not known.
fn of_type(name: &str) -> Option<Value> {
    let name: String = name.chars().filter(|c| !c.is_whitespace()).collect();
    let name = ["::std::", "std::", "::core::", "core::", "::alloc::", "alloc::"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .and_then(|rest| rest.rsplit_once("::").filter(|_| !rest.contains('<')).map(|(_, last)| last))
        .unwrap_or(&name);
    if let Some((least, most)) = bounds(name) {
        return Some(json!({"type": "integer", "minimum": least, "maximum": most}));
    }
    Some(match name {
        "String" => json!({"type": "string"}),
        "char" => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        "bool" => json!({"type": "boolean"}),
        "f32" | "f64" => json!({"type": "number"}),
        "()" => json!({"type": "null"}),
        "Value" | "serde_json::Value" | "::serde_json::Value" => json!({}),
        _ => {
            let (outer, inner) = name.strip_suffix('>')?.split_once('<')?;
            match outer {
                "Option" => json!({"anyOf": [of_type(inner)?, {"type": "null"}]}),
                "Vec" | "VecDeque" => json!({"type": "array", "items": of_type(inner)?}),
                "Box" => of_type(inner)?,
                "HashMap" | "BTreeMap" => {
                    json!({"type": "object", "additionalProperties": of_type(inner.strip_prefix("String,")?)?})
                }
                _ => return None,
            }
        }
    })
}

/// The bounds of a type of whole numbers. Those beyond 64 bits do not survive in JSON, so nobody may send them.
fn bounds(name: &str) -> Option<(i64, u64)> {
    Some(match name {
        "i8" => (i8::MIN.into(), i8::MAX as u64),
        "i16" => (i16::MIN.into(), i16::MAX as u64),
        "i32" => (i32::MIN.into(), i32::MAX as u64),
        "i64" | "isize" => (i64::MIN, i64::MAX as u64),
        "i128" => (i64::MIN, u64::MAX),
        "u8" => (0, u8::MAX.into()),
        "u16" => (0, u16::MAX.into()),
        "u32" => (0, u32::MAX.into()),
        "u64" | "u128" | "usize" => (0, u64::MAX),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_language_have_a_schema() {
        for (name, schema) in [
            ("i64", json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX})),
            ("u8", json!({"type": "integer", "minimum": 0, "maximum": 255})),
            ("String", json!({"type": "string"})),
            ("std::string::String", json!({"type": "string"})),
            ("Option < bool >", json!({"anyOf": [{"type": "boolean"}, {"type": "null"}]})),
            ("Vec<Vec<f64>>", json!({"type": "array", "items": {"type": "array", "items": {"type": "number"}}})),
            ("HashMap<String, ()>", json!({"type": "object", "additionalProperties": {"type": "null"}})),
            ("Value", json!({})),
        ] {
            assert_eq!(of_type(name), Some(schema), "{name}");
        }
    }

    #[test]
    fn other_types_have_none() {
        for name in
            ["Invoice", "Vec<Invoice>", "HashMap<u8, String>", "my::String", "Option<", "", "&str", "(i32, i32)"]
        {
            assert_eq!(of_type(name), None, "{name}");
        }
    }
}
