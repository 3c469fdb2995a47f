//! Functions of unusual shape that are tasks all the same.

use callboard_tasks::{Data, Stop, Task, TaskContext, task};

use crate::support::{run, text};

/// Two tasks in one module with the same parameters, and names that an expansion could use itself.
mod crowded {
    use super::*;

    #[task]
    pub(crate) async fn first(context: u8, args: u8, stored: u8, this: u8, value: u8, to: u8) -> u8 {
        context + args + stored + this + value + to
    }

    #[task]
    pub(crate) async fn second(context: &TaskContext, stored: u8, r#type: u8, r#match: String, _unused: u8) -> usize {
        assert_eq!(context.attempt(), 1);
        usize::from(stored + r#type) + r#match.len()
    }

    #[task]
    pub(in crate::shapes) async fn r#loop(r#loop: u8) -> u8 {
        r#loop
    }

    #[task]
    pub(super) async fn same(same: u8) -> u8 {
        same
    }
}

/// Tasks named like crates, in a module of their own because that hides the crates there.
mod hides_crates {
    use super::*;

    #[task]
    pub(crate) async fn serde(serde: String) -> String {
        serde
    }

    #[task]
    pub(crate) async fn std(core: String) -> String {
        core
    }

    #[task]
    pub(crate) async fn callboard_tasks(n: u8) -> u8 {
        n
    }
}

/// A task whose name is taken by a module, so its type has another.
mod renamed {
    pub(crate) mod report {
        pub(crate) const PAGES: u32 = 3;
    }

    #[callboard_tasks::task(marker = report_task)]
    pub(crate) async fn report(more: u32) -> u32 {
        report::PAGES + more
    }

    /// The function has the name of a primitive type, its marker has not.
    #[callboard_tasks::task(marker = char_task)]
    pub(crate) async fn char(c: char) -> char {
        c
    }
}

/// Private types as arguments of tasks that others see.
pub(crate) mod private {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Secret(u8);

    #[allow(private_interfaces, reason = "what this is about")]
    #[task]
    pub(crate) async fn whisper(secret: Secret) -> u8 {
        secret.0
    }

    pub(crate) fn whispered() -> callboard_tasks::Call<whisper> {
        whisper::with(Secret(5))
    }
}

macro_rules! a_task {
    ($name:ident, $queue:literal, $ty:ty, $body:expr) => {
        #[task(queue = $queue, priority = -1)]
        async fn $name(argument: $ty, #[default($body)] number: $ty) -> $ty {
            argument + number
        }
    };
}

a_task!(written_by_a_macro, "macros", u8, 1 + 1);

/// With the attributes of others, above and below.
#[tracing::instrument(skip(data))]
#[task]
#[tracing::instrument(skip(context, data))]
#[allow(clippy::unused_async, reason = "stays on the function")]
async fn instrumented(context: &TaskContext, data: Data<String>, n: u8) -> Result<u8, Stop> {
    let _ = context;
    Ok(n + u8::try_from(data.len())?)
}

#[task]
#[cfg(any())]
async fn left_out(this: DoesNotExist) {}

#[task]
#[allow(clippy::too_many_arguments, reason = "what this is about")]
async fn many(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: (u8, [u8; 2]),
    i: std::borrow::Cow<'static, str>,
) -> u8 {
    a + b + c + d + e + f + g + h.0 + h.1[1] + u8::try_from(i.len()).unwrap()
}

#[task]
async fn parenthesised(
    #[rustfmt::skip]
    #[allow(unused_parens)]
    a: (u8),
    b: Option<Option<u8>>,
) -> (u8, bool) {
    (a, b.is_some())
}

#[test]
fn parameters_may_have_any_name() {
    assert_eq!(text(run(&crowded::first::with(1, 2, 3, 4, 5, 6))), "21");
    assert_eq!(text(run(&crowded::second::with(1, 2, "abc", 0))), "6");
    assert_eq!(text(run(&crowded::r#loop::with(3))), "3");
    assert_eq!(text(run(&crowded::same::with(4))), "4");
}

#[test]
fn raw_names_lose_their_mark() {
    assert_eq!(crowded::r#loop::NAME, "macro_task.loop");
    let names: Vec<_> = crowded::second::definition().parameters.iter().map(|p| p.name).collect();
    assert_eq!(names, ["stored", "type", "match", "_unused"]);
}

#[test]
fn a_task_may_be_named_like_a_crate() {
    assert_eq!(text(run(&hides_crates::serde::with("a"))), "\"a\"");
    assert_eq!(text(run(&hides_crates::std::with("b"))), "\"b\"");
    assert_eq!(text(run(&hides_crates::callboard_tasks::with(1))), "1");
}

#[test]
fn the_marker_may_have_another_name() {
    assert_eq!(text(run(&renamed::report_task::with(4))), "7");
    assert_eq!(renamed::report_task::NAME, "macro_task.report");
    assert_eq!(text(run(&renamed::char_task::with('x'))), "\"x\"");
}

#[test]
fn argument_types_may_be_private() {
    assert_eq!(text(run(&private::whispered())), "5");
}

#[test]
fn a_task_may_stand_in_a_function() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Local(u8);

    #[task]
    async fn inner(local: Local, #[default(2)] more: u8) -> u8 {
        local.0 + more
    }

    assert_eq!(text(run(&inner::with(Local(1), 2))), "3");
    assert_eq!(inner::NAME, "macro_task.inner");
}

#[test]
fn a_macro_may_write_a_task() {
    assert_eq!(text(run(&written_by_a_macro::with(1, 2))), "3");
    assert_eq!(written_by_a_macro::definition().options.queue, "macros");
    assert_eq!(written_by_a_macro::definition().parameters[0].type_name, "u8");
    assert_eq!((written_by_a_macro::definition().bind)("[5]").unwrap().as_str(), r#"{"argument":5,"number":2}"#);
}

#[test]
fn other_attributes_stay_on_the_function() {
    assert_eq!(text(run(&instrumented::with(1))), "13");
}

#[test]
fn a_task_may_have_many_parameters() {
    assert_eq!(text(run(&many::with(1, 1, 1, 1, 1, 1, 1, (1, [0, 1]), "x".into()))), "10");
    assert_eq!(many::definition().parameters[7].type_name, "(u8, [u8; 2])");
    assert_eq!(many::definition().parameters[8].type_name, "std::borrow::Cow<'static, str>");
}

#[test]
fn a_type_may_be_written_in_odd_ways() {
    assert_eq!(text(run(&parenthesised::with(1, Some(None)))), "[1,false]");
}
