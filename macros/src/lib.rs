//! `#[task]`: makes a function a task, and leaves it the function that it is.
//!
//! One expansion with two doors, which differ in the crate that its paths start from: the facade re-exports
//! [`macro@task`], the contract crate [`macro@task_in_contract`]. So no manifest is read to find out which of
//! the two a user depends on.

mod attribute;
mod description;
mod duration;
mod errors;
mod expand;
mod function;
mod names;
mod options;
mod parameter;
mod returns;
mod types;

use proc_macro::TokenStream;
use quote::quote;

/// Makes a function a task of the crate `callboard`.
#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::task(options.into(), &item.into(), &quote!(::callboard::__private)).into()
}

/// Makes a function a task for crates that depend on `callboard-tasks` alone.
#[proc_macro_attribute]
pub fn task_in_contract(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::task(options.into(), &item.into(), &quote!(::callboard_tasks::__private)).into()
}
