use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;

use super::super::Json;
use super::super::normalize::NUMBER;
use super::{json_of, refused, text};

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
