use std::collections::{BTreeMap, HashMap};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::super::Json;
use super::{Bytes, Keyed, Shape, Wrapped, refused, text};

/// A key that is one or the other.
#[derive(Serialize)]
#[serde(untagged)]
enum Key {
    Number(u64),
    Text(&'static str),
}

// Django 38
#[test]
fn keys_that_are_scalars_become_text() {
    assert_eq!(text(&BTreeMap::from([(1, "a")])), r#"{"1":"a"}"#);
    assert_eq!(text(&BTreeMap::from([(-2i8, "a"), (3, "b")])), r#"{"-2":"a","3":"b"}"#);
    assert_eq!(text(&BTreeMap::from([(false, 0), (true, 1)])), r#"{"false":0,"true":1}"#);
    assert_eq!(text(&BTreeMap::from([('"', 0)])), r#"{"\"":0}"#);
    assert_eq!(text(&BTreeMap::from([(Shape::Point, 0)])), r#"{"Point":0}"#);
    assert_eq!(text(&Keyed(Some(7))), r#"{"7":true}"#);
    assert_eq!(text(&Keyed(Wrapped("id"))), r#"{"id":true}"#);
    assert_eq!(text(&Keyed(Bytes(b"raw"))), r#"{"raw":true}"#);
}

// Django 41
#[test]
fn keys_that_are_not_scalars_are_refused_where_their_map_stands() {
    let problem = |kind: &str| format!("has a key that is {kind}; keys must be text, characters, integers or booleans");
    assert_eq!(refused(&[Keyed((1, 2))]), ("/0".into(), problem("an array")));
    assert_eq!(refused(&Keyed(Shape::Circle(1))), (String::new(), problem("an object")));
    assert_eq!(refused(&Keyed(None::<u8>)), (String::new(), problem("null")));
    assert_eq!(refused(&Keyed(1.0)), (String::new(), problem("a float")));
    assert_eq!(refused(&Keyed(1e300)), (String::new(), problem("a float")));
    let (_, nan) = refused(&Keyed(f64::NAN));
    assert_eq!(nan, "has a key that is NaN, which JSON does not have; send null or text");
}

#[test]
fn a_key_that_stands_there_twice_is_refused() {
    let keys = |keys: Vec<Key>| Wrapped(keys.into_iter().map(|key| (key, 0)).collect::<Pairs>());
    let (pointer, problem) = refused(&[keys(vec![Key::Number(1), Key::Text("a"), Key::Text("1")])]);
    assert_eq!((pointer.as_str(), problem.as_str()), ("/0", r#"has the key "1" twice"#));

    let many = |last| keys((0..100).rev().map(Key::Number).chain([Key::Text(last)]).collect());
    assert_eq!(refused(&many("57")).1, r#"has the key "57" twice"#);
    assert!(Json::from_value(&many("157")).is_ok());
}

/// A map as a list of pairs, in their order.
struct Pairs(Vec<(Key, u8)>);

impl FromIterator<(Key, u8)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (Key, u8)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[test]
fn a_field_that_is_named_like_its_enum_s_tag_is_refused() {
    #[derive(Serialize)]
    struct Mail {
        kind: &'static str,
    }
    #[derive(Serialize)]
    #[serde(tag = "kind")]
    enum Message {
        Mail(Mail),
    }
    assert_eq!(refused(&Message::Mail(Mail { kind: "html" })).1, r#"has the key "kind" twice"#);
}

#[test]
fn the_same_key_in_neighbours_and_in_nested_objects_is_fine() {
    let value = json!({"a": {"a": 1, "b": {"a": 2}}, "b": [{"a": 3}, {"a": 4}]});
    assert_eq!(text(&value), value.to_string());
    let hashed: HashMap<u32, HashMap<u32, u32>> = (0..40).map(|n| (n, (0..40).map(|m| (m, n)).collect())).collect();
    assert_eq!(Json::from_value(&hashed).unwrap().get::<HashMap<u32, HashMap<u32, u32>>>().unwrap(), hashed);
}

#[test]
fn a_map_may_be_written_key_by_key_and_value_by_value() {
    struct Halves;
    impl Serialize for Halves {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_key("a")?;
            map.serialize_value(&[1])?;
            map.serialize_key(&2)?;
            map.serialize_value("b")?;
            map.end()
        }
    }
    assert_eq!(text(&Halves), r#"{"a":[1],"2":"b"}"#);
}
