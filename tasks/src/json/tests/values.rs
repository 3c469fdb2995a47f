use std::collections::{BTreeMap, VecDeque};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::super::Json;
use super::super::normalize::MAX_DEPTH;
use super::{Bytes, Nested, Shape, Wrapped, json_of, refused, text};

#[derive(Serialize)]
struct Nothing;

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
fn depth_counts_brackets_and_not_text() {
    for (value, depth) in
        [(json!(1), 0), (json!("[{"), 0), (json!(["\"[", []]), 2), (json!({"{": [[]]}), 3), (json!("\\"), 0)]
    {
        assert_eq!(Json::from_value(&value).unwrap().depth(), depth, "{value}");
    }
}
