//! A module in which every name that an expansion could be tempted to use means something else.

use ::callboard_tasks::task;

/// Types that have nothing but a name.
macro_rules! useless {
    ($($name:ident)*) => { $(
        #[allow(dead_code, non_camel_case_types, reason = "only the name matters")]
        struct $name;
    )* };
}

useless! {
    Result Option Box Vec String Default Into From Serialize Deserialize Serializer Deserializer Task Call Data
    TaskContext TaskDefinition Json Failure Debug Clone Copy Send Sync Fn FnOnce FnMut Iterator IntoIterator
    ToString ToOwned PartialEq Drop AsRef
    Some None Ok Err
    callboard callboard_tasks serde core std alloc inventory
}

/// Not the standard library's.
#[allow(unused_macros, reason = "only the name matters")]
macro_rules! assert {
    ($($tokens:tt)*) => {
        compile_error!("not this one")
    };
}
/// Not the standard library's.
#[allow(unused_macros, reason = "only the name matters")]
macro_rules! concat {
    ($($tokens:tt)*) => {
        compile_error!("not this one")
    };
}
/// Not the standard library's.
#[allow(unused_macros, reason = "only the name matters")]
macro_rules! line {
    ($($tokens:tt)*) => {
        compile_error!("not this one")
    };
}

/// Takes and returns what the module has not touched.
#[task]
pub(crate) async fn shadowed(text: ::std::string::String, maybe: ::std::option::Option<i32>) -> ::std::vec::Vec<i32> {
    ::std::iter::once(maybe).flatten().chain(text.parse()).collect()
}

/// As a blocking function, with a `Result`.
#[task(max_attempts = 2, timeout = "1s")]
pub(crate) fn shadowed_too(
    #[default("text")] text: ::std::string::String,
    #[inject] context: ::callboard_tasks::TaskContext,
) -> ::std::result::Result<usize, ::std::string::String> {
    context.progress(1, 1);
    ::std::result::Result::Ok(text.len())
}
