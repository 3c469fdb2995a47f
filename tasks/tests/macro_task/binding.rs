//! How a task reads arguments that came from outside: by name, by position, and everything that can be wrong.

use std::collections::BTreeMap;

use callboard_tasks::{Task, TaskDefinition, task};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Item {
    price: u32,
    #[serde(default)]
    labels: BTreeMap<String, bool>,
}

#[derive(Serialize, Deserialize)]
enum Shape {
    Round { radius: u8 },
}

#[task]
async fn order(
    customer: String,
    items: Vec<Item>,
    #[default(7)] days: u32,
    note: Option<String>,
    #[default(Some(1))] gift: Option<u8>,
) {
    let _ = (customer, items, days, note, gift);
}

#[task]
async fn draw(shape: Shape, r#type: u8) {
    let _ = (shape, r#type);
}

#[task]
async fn tick() {}

/// The arguments, normalised.
fn bound<T: Task>(_: fn(T), args: &str) -> String {
    (T::definition().bind)(args).unwrap().to_string()
}

/// What is wrong with arguments: each pointer with what is said of it.
fn problems(task: &TaskDefinition, args: &str) -> Vec<(String, String)> {
    let error = (task.bind)(args).unwrap_err();
    assert_eq!(error.task, task.name);
    error.problems.into_iter().map(|problem| (problem.pointer, problem.detail)).collect()
}

fn pointers(task: &TaskDefinition, args: &str) -> Vec<String> {
    problems(task, args).into_iter().map(|(pointer, _)| pointer).collect()
}

#[test]
fn names_may_stand_in_any_order() {
    let args = r#" { "days": 1, "note": "x", "items": [{"price": 3}], "gift": null, "customer": "c" } "#;
    assert_eq!(
        bound(|_: order| {}, args),
        r#"{"customer":"c","items":[{"price":3,"labels":{}}],"days":1,"note":"x","gift":null}"#
    );
}

#[test]
fn a_list_is_read_by_position() {
    assert_eq!(
        bound(|_: order| {}, r#"["c", [], 2, "n", 3]"#),
        r#"{"customer":"c","items":[],"days":2,"note":"n","gift":3}"#
    );
}

#[test]
fn what_is_left_out_gets_its_default() {
    let expected = r#"{"customer":"c","items":[],"days":7,"note":null,"gift":1}"#;
    assert_eq!(bound(|_: order| {}, r#"{"customer":"c","items":[]}"#), expected);
    assert_eq!(bound(|_: order| {}, r#"["c",[]]"#), expected);
}

#[test]
fn a_task_without_parameters_takes_nothing() {
    assert_eq!(bound(|_: tick| {}, "{}"), "{}");
    assert_eq!(bound(|_: tick| {}, " [ ] "), "{}");
    assert_eq!(
        problems(tick::definition(), r#"{"x":1}"#),
        [("#/args/x".into(), "is not a parameter; macro_task.tick has no parameters".into())]
    );
    assert_eq!(
        problems(tick::definition(), "[1]"),
        [("#/args".into(), "has 1 values; macro_task.tick has no parameters".into())]
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let args = r#"{"items": [{"price": 1}, {"price": -1}], "days": "two", "colour": 1, "a/b~c": 2}"#;
    let parameters = "the parameters of macro_task.order are customer: String, items: Vec<Item>, days: u32, \
        note: Option<String>, gift: Option<u8>";
    assert_eq!(
        problems(order::definition(), args),
        [
            ("#/args/customer".into(), "is missing; its type is String".into()),
            ("#/args/items/1/price".into(), "invalid value: integer `-1`, expected u32".into()),
            ("#/args/days".into(), "invalid type: string \"two\", expected u32".into()),
            ("#/args/colour".into(), format!("is not a parameter; {parameters}")),
            ("#/args/a~1b~0c".into(), format!("is not a parameter; {parameters}")),
        ]
    );
}

#[test]
fn by_position_problems_have_the_names_of_parameters() {
    assert_eq!(pointers(order::definition(), r#"[1]"#), ["#/args/customer", "#/args/items"]);
    assert_eq!(pointers(order::definition(), r#"["c", [], 1, null, 2, 3]"#), ["#/args"]);
}

#[test]
fn a_pointer_leads_into_enums_and_maps() {
    assert_eq!(
        pointers(draw::definition(), r#"{"shape": {"Round": {"radius": 256}}, "type": 1}"#),
        ["#/args/shape/Round/radius"]
    );
    assert_eq!(
        pointers(order::definition(), r#"["c", [{"price": 1, "labels": {"a/b": 1}}]]"#),
        ["#/args/items/0/labels/a~1b"]
    );
}

#[test]
fn a_raw_identifier_loses_its_mark() {
    assert_eq!(bound(|_: draw| {}, r#"[{"Round": {"radius": 2}}, 1]"#), r#"{"shape":{"Round":{"radius":2}},"type":1}"#);
}

#[test]
fn a_name_given_twice_is_refused() {
    assert_eq!(
        problems(draw::definition(), r#"{"type": 1, "shape": {"Round": {"radius": 1}}, "type": 2}"#),
        [("#/args/type".into(), "is given more than once".into())]
    );
}

#[test]
fn a_name_may_be_written_with_escapes() {
    assert_eq!(
        bound(|_: draw| {}, r#"{"\u0074ype": 1, "shape": {"Round": {"radius": 1}}}"#),
        r#"{"shape":{"Round":{"radius":1}},"type":1}"#
    );
}

#[test]
fn what_is_neither_object_nor_list_is_refused() {
    for args in ["null", "3", "\"text\"", "true"] {
        let problems = problems(order::definition(), args);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].0, "#/args");
        assert!(
            problems[0].1.ends_with("expected an object by parameter name or an array by position"),
            "{}",
            problems[0].1
        );
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for args in ["", "{", r#"{"a":1}}"#, "[1,]", "{'a':1}"] {
        assert_eq!(pointers(order::definition(), args), ["#/args"], "{args}");
    }
}

#[test]
fn null_is_no_value_for_what_is_required() {
    assert_eq!(
        pointers(order::definition(), r#"{"customer": null, "items": [], "days": null}"#),
        ["#/args/customer", "#/args/days"]
    );
}
