#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap, VecDeque};

use proptest::prelude::*;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::normalize::{MAX_DEPTH, NUMBER};
use super::{Json, NotJson};

fn text<T: Serialize + ?Sized>(value: &T) -> String {
    Json::from_value(value).unwrap().as_str().to_owned()
}

/// The pointer and the problem.
fn refused<T: Serialize + ?Sized>(value: &T) -> (String, String) {
    let NotJson { pointer, problem } = Json::from_value(value).unwrap_err();
    (pointer, problem)
}

/// Bytes that say so, which a plain `Vec<u8>` does not.
struct Bytes(&'static [u8]);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// A map with one member whose key can be anything.
struct Keyed<K>(K);

impl<K: Serialize> Serialize for Keyed<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.0, true)])
    }
}

/// A key that is one or the other.
#[derive(Serialize)]
#[serde(untagged)]
enum Key {
    Number(u64),
    Text(&'static str),
}

#[derive(Serialize)]
struct Wrapped<T>(T);

#[derive(Serialize)]
struct Nothing;

#[derive(Serialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Shape {
    Point,
    Circle(u32),
    Line(u32, u32),
    #[serde(rename = "box")]
    Square {
        side: u32,
    },
}

// Django 35
#[test]
fn what_json_has_stays_as_it_is() {
    let cases = [
        (text(&()), "null"),
        (text(&true), "true"),
        (text(&2), "2"),
        (text(&3.0), "3.0"),
        (text("1"), r#""1""#),
        (text(&[0u8; 0]), "[]"),
        (text(&BTreeMap::<String, u8>::new()), "{}"),
        (text(&-0.5f32), "-0.5"),
        (text(&u64::MAX), "18446744073709551615"),
        (text(&i64::MIN), "-9223372036854775808"),
        (text(&'é'), r#""é""#),
    ];
    for (ours, expected) in cases {
        assert_eq!(ours, expected);
    }
}

// Django 36, 43
#[test]
fn tuples_become_arrays_at_every_level() {
    let value = BTreeMap::from([("a", (1, Wrapped(("x", [(2, 3)])))), ("b", (4, Wrapped(("y", [(5, 6)]))))]);
    assert_eq!(text(&value), r#"{"a":[1,["x",[[2,3]]]],"b":[4,["y",[[5,6]]]]}"#);
}

#[test]
fn any_sequence_becomes_an_array() {
    assert_eq!(text(&VecDeque::from([1, 2])), "[1,2]");
    assert_eq!(text(&std::collections::BTreeSet::from([2, 1])), "[1,2]");
    assert_eq!(text(&vec![b'a', b'b']), "[97,98]");
}

// Django 37
#[test]
fn bytes_become_text_if_they_are_utf_8_and_are_refused_if_not() {
    assert_eq!(text(&Bytes("né".as_bytes())), r#""né""#);
    let problem = "is bytes that are not UTF-8; encode them as text, e.g. base64";
    assert_eq!(refused(&(1, Bytes(&[0xff]))), ("/1".into(), problem.into()));
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

// Django 40
#[test]
fn nan_and_the_infinities_are_refused_with_their_place() {
    #[derive(Serialize)]
    struct Item {
        price: f64,
    }
    let order = BTreeMap::from([("items", vec![Item { price: 1.0 }, Item { price: f64::NAN }])]);
    let problem = "is NaN, which JSON does not have; send null or text";
    assert_eq!(refused(&order), ("/items/1/price".into(), problem.into()));
    assert_eq!(refused(&f64::NEG_INFINITY).1, "is -inf, which JSON does not have; send null or text");
    assert_eq!(refused(&f32::INFINITY).1, "is inf, which JSON does not have; send null or text");
}

#[test]
fn integers_are_refused_only_where_they_do_not_fit_into_64_bits() {
    assert_eq!(text(&i128::from(i64::MIN)), i64::MIN.to_string());
    assert_eq!(text(&i128::from(u64::MAX)), u64::MAX.to_string());
    assert_eq!(text(&u128::from(u64::MAX)), u64::MAX.to_string());
    let beyond = "is 18446744073709551616, which does not fit into 64 bits; send it as text";
    assert_eq!(refused(&(u128::from(u64::MAX) + 1)).1, beyond);
    assert_eq!(refused(&(i128::from(u64::MAX) + 1)).1, beyond);
    assert!(Json::from_value(&(i128::from(i64::MIN) - 1)).is_err());
}

// Django 39
#[test]
fn what_cannot_be_serialised_is_refused_with_the_reason_of_its_type() {
    struct Handle;
    impl Serialize for Handle {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("a handle is of this process alone"))
        }
    }
    let problem = "cannot be serialised: a handle is of this process alone";
    assert_eq!(refused(&json_of([("a", Handle)])), ("/a".into(), problem.into()));
}

fn json_of<T, const N: usize>(members: [(&'static str, T); N]) -> BTreeMap<&'static str, T> {
    BTreeMap::from(members)
}

#[test]
fn options_units_and_newtypes_leave_no_trace() {
    assert_eq!(text(&(Some(1), None::<u8>, (), Nothing, Wrapped(Wrapped(2)))), "[1,null,null,null,2]");
}

#[test]
fn enums_are_tagged_from_outside() {
    let shapes = [Shape::Point, Shape::Circle(1), Shape::Line(2, 3), Shape::Square { side: 4 }];
    assert_eq!(text(&shapes), r#"["Point",{"Circle":1},{"Line":[2,3]},{"box":{"side":4}}]"#);
}

#[test]
fn the_pointer_names_variants_too_and_escapes_its_steps() {
    #[derive(Serialize)]
    enum Deep {
        One(f64),
        Two(u8, f64),
        Named { value: f64 },
    }
    assert_eq!(refused(&Deep::One(f64::NAN)).0, "/One");
    assert_eq!(refused(&Deep::Two(0, f64::NAN)).0, "/Two/1");
    assert_eq!(refused(&Deep::Named { value: f64::NAN }).0, "/Named/value");
    assert_eq!(refused(&json_of([("a/b~c", f64::NAN)])).0, "/a~1b~0c");
    assert_eq!(refused(&json_of([("\"", json_of([("k", 0.0), ("l", f64::NAN)]))])).0, "/\"/l");
}

#[test]
fn the_message_names_the_place_and_the_problem() {
    let at_top = Json::from_value(&f64::NAN).unwrap_err();
    assert_eq!(at_top.to_string(), "the value is NaN, which JSON does not have; send null or text");
    let inside = Json::from_value(&[f64::NAN]).unwrap_err();
    assert_eq!(inside.to_string(), "the value at /0 is NaN, which JSON does not have; send null or text");
}

#[test]
fn nul_and_other_control_characters_are_kept_as_escapes() {
    assert_eq!(text("a\0b\n\u{1f}"), r#""a\u0000b\n\u001f""#);
    assert_eq!(Json::from_value("a\0b").unwrap().get::<String>().unwrap(), "a\0b");
}

/// `[[[…]]]`, `levels` deep.
struct Nested(usize);

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0 > 1).then(|| Self(self.0 - 1)))
    }
}

#[test]
fn the_deepest_value_is_still_readable_inside_a_few_levels_more() {
    let deepest = Json::from_value(&Nested(MAX_DEPTH)).unwrap();
    assert_eq!(deepest.depth(), MAX_DEPTH);
    let answer = serde_json::to_string(&json!({"items": [{"return_value": deepest.to_value()}]})).unwrap();
    assert!(serde_json::from_str::<Value>(&answer).is_ok());
}

#[test]
fn a_value_that_never_ends_is_refused_before_the_stack_is_full() {
    let (pointer, problem) = refused(&Nested(usize::MAX));
    assert_eq!(problem, "is nested more than 120 levels deep");
    assert_eq!(pointer, "/0".repeat(MAX_DEPTH));
    assert!(Json::from_value(&Nested(MAX_DEPTH + 1)).is_err());
}

#[test]
fn a_value_after_a_refused_one_starts_afresh() {
    for _ in 0..3 {
        assert!(Json::from_value(&(json_of([("a", Nested(119))]), f64::NAN)).is_err());
        assert_eq!(text(&json_of([("a", 1)])), r#"{"a":1}"#);
    }
    assert!(Json::from_value(&Nested(MAX_DEPTH)).is_ok());
}

#[test]
fn a_value_can_be_normalised_while_another_one_is() {
    struct Quoted(&'static [u32]);
    impl Serialize for Quoted {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(Json::from_value(self.0).unwrap().as_str())
        }
    }
    assert_eq!(text(&(Quoted(&[1, 2]), Quoted(&[3]))), r#"["[1,2]","[3]"]"#);
}

#[test]
fn a_large_value_does_not_differ_from_a_small_one() {
    let long = "ä".repeat(100_000);
    assert_eq!(text(&(&long, 1)), format!("[\"{long}\",1]"));
    assert_eq!(text(&1), "1");
}

#[test]
fn raw_json_is_normalised_with_its_members_in_order() {
    let raw: Box<RawValue> = serde_json::from_str(r#"{ "b" : [1, 1e2, "é\u0041"], "a": null }"#).unwrap();
    assert_eq!(text(&(&raw, 2)), r#"[{"b":[1,100.0,"éA"],"a":null},2]"#);
    let json = Json::from_value(&raw).unwrap();
    assert_eq!(Json::from_value(&json_of([("x", &json)])).unwrap().as_str(), format!(r#"{{"x":{json}}}"#));
}

#[test]
fn raw_json_obeys_the_rule_too() {
    let raw = |text: &str| serde_json::from_str::<Box<RawValue>>(text).unwrap();
    let (pointer, problem) = refused(&json_of([("x", raw(r#"[{"a": {"k": 1, "k": 2}}]"#))]));
    assert_eq!((pointer.as_str(), problem.as_str()), ("/x/0/a", r#"has the key "k" twice"#));

    let outside = json_of([("x", raw(&format!("{}1{}", "[".repeat(119), "]".repeat(119))))]);
    assert!(Json::from_value(&outside).is_ok());
    assert_eq!(refused(&[outside]).1, "is nested more than 120 levels deep");
}

#[test]
fn raw_json_that_is_none_is_refused() {
    struct Lie(&'static str);
    impl Serialize for Lie {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut lie = serializer.serialize_struct("$serde_json::private::RawValue", 1)?;
            lie.serialize_field("$serde_json::private::RawValue", self.0)?;
            lie.end()
        }
    }
    let (_, problem) = refused(&Lie("[1"));
    assert!(problem.starts_with("is raw text that is not JSON: "), "{problem}");
    assert!(Json::from_value(&Lie("1 2")).is_err());
    assert_eq!(text(&Lie("[1]")), "[1]");
}

/// A number as serde_json gives it where some crate has turned on `arbitrary_precision`.
struct Digits(&'static str);

impl Serialize for Digits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut number = serializer.serialize_struct(NUMBER, 1)?;
        number.serialize_field(NUMBER, self.0)?;
        number.end()
    }
}

#[test]
fn a_number_of_any_precision_is_a_number() {
    for (digits, expected) in
        [("7", "7"), ("-7", "-7"), ("18446744073709551615", "18446744073709551615"), ("1.50", "1.5")]
    {
        assert_eq!(text(&Digits(digits)), expected);
    }
    assert_eq!(
        refused(&Digits("99999999999999999999")).1,
        "is 99999999999999999999, which does not fit into 64 bits; send it as text"
    );
    assert_eq!(refused(&Digits("1e999")).1, "is inf, which JSON does not have; send null or text");
    assert_eq!(refused(&Digits("x")).1, r#"is "x", which is not a number"#);
}

#[test]
fn reading_json_keeps_the_order_and_obeys_the_rule() {
    let read = |text: &str| serde_json::from_str::<Json>(text);
    assert_eq!(
        read(r#" {"b": 1.0, "a": [true, null, -3, {}], "c": 18446744073709551615} "#).unwrap().as_str(),
        r#"{"b":1.0,"a":[true,null,-3,{}],"c":18446744073709551615}"#
    );
    let twice = read(r#"{"a": [0, {"k": 1, "k": 1}]}"#).unwrap_err().to_string();
    assert!(twice.contains(r#"the value at /a/1 has the key "k" twice"#), "{twice}");
    assert!(read("[1").is_err());
    assert!(read(&format!("{}{}", "[".repeat(121), "]".repeat(121))).is_err());
}

#[test]
fn a_member_that_looks_like_a_number_of_serde_json_is_a_member() {
    let text = r#"{"$serde_json::private::Number":"1"}"#;
    assert_eq!(serde_json::from_str::<Json>(text).unwrap().as_str(), text);
}

#[test]
fn json_can_be_read_as_a_part_that_serde_keeps_for_later() {
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Wrapped { json: Json },
        Bare(Json),
    }
    let read = |text: &str| serde_json::from_str::<Either>(text).unwrap();
    assert!(
        matches!(read(r#"{"json": {"b": 1, "a": 2}}"#), Either::Wrapped { json } if json.as_str() == r#"{"b":1,"a":2}"#)
    );
    assert!(matches!(read("[1]"), Either::Bare(json) if json.as_str() == "[1]"));
}

#[test]
fn json_is_written_as_what_it_is() {
    let json = Json::from_value(&json!({"a": [1, "x"]})).unwrap();
    assert_eq!(serde_json::to_string(&json_of([("json", &json)])).unwrap(), r#"{"json":{"a":[1,"x"]}}"#);
    assert_eq!(format!("{json} {json:?}"), r#"{"a":[1,"x"]} {"a":[1,"x"]}"#);
}

#[test]
fn depth_counts_brackets_and_not_text() {
    for (value, depth) in
        [(json!(1), 0), (json!("[{"), 0), (json!(["\"[", []]), 2), (json!({"{": [[]]}), 3), (json!("\\"), 0)]
    {
        assert_eq!(Json::from_value(&value).unwrap().depth(), depth, "{value}");
    }
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

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_json_value_is_written_as_serde_json_writes_it(value in values()) {
        let json = Json::from_value(&value).unwrap();
        prop_assert_eq!(json.as_str(), serde_json::to_string(&value).unwrap());
        prop_assert_eq!(json.to_value(), value);
    }

    #[test]
    fn normalising_twice_changes_nothing(value in values()) {
        let once = Json::from_value(&value).unwrap();
        prop_assert_eq!(&Json::from_value(&once).unwrap(), &once);
        let read: Json = serde_json::from_str(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
        prop_assert_eq!(read, once);
    }

    #[test]
    fn every_float_comes_back_as_it_was_or_is_refused(value in any::<f64>(), bits in any::<u64>()) {
        for value in [value, f64::from_bits(bits)] {
            match Json::from_value(&value) {
                Ok(json) => prop_assert_eq!(json.get::<f64>().unwrap().to_bits(), value.to_bits()),
                Err(_) => prop_assert!(!value.is_finite()),
            }
        }
    }

    #[test]
    fn every_text_comes_back_as_it_was(value in any::<String>()) {
        prop_assert_eq!(Json::from_value(&value).unwrap().get::<String>().unwrap(), value.clone());
        prop_assert_eq!(text(&Keyed(&value)), serde_json::to_string(&json!({value: true})).unwrap());
    }

    #[test]
    fn maps_with_integer_keys_come_back_as_they_were(map in prop::collection::hash_map(any::<i128>(), any::<u8>(), 0..40)) {
        let map: HashMap<i64, u8> = map.into_iter().map(|(key, value)| (key as i64, value)).collect();
        prop_assert_eq!(Json::from_value(&map).unwrap().get::<HashMap<i64, u8>>().unwrap(), map);
    }
}
