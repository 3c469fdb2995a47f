use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::Json;
use super::{Keyed, text};

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
