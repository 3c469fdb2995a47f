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

/// Makes a function a task, which can be enqueued.
///
/// ```ignore
/// use callboard::{Data, Stop, TaskContext, task};
///
/// /// Greets a new user.
/// #[task(queue = "mail", max_attempts = 5, timeout = "30s")]
/// async fn send_welcome(
///     mailer: Data<Mailer>,                  // supplied by the board
///     context: &TaskContext,                 // the attempt
///     address: String,                       // an argument
///     #[default("en")] language: String,     // one that a call by name may leave out
/// ) -> Result<(), Stop> {
///     mailer.send(&address, &language).await?;
///     Ok(())
/// }
///
/// board.enqueue(send_welcome::with("ada@example.org", "en").priority(10)).await?;
/// send_welcome(mailer, &context, "ada@example.org".into(), "en".into()).await?;    // still a function
/// ```
///
/// The function stays as it is. Beside it stands a type of the same name, so that one `use` imports both:
/// `send_welcome::with(..)` is a call with these arguments, to be enqueued, and `send_welcome::NAME` its stored name.
/// `with` takes whatever becomes a `String` for a `String`, and for others a value of their own type.
///
/// # Options
///
/// What a call asks for unless it says otherwise, all of them optional:
///
/// | option | value | without it |
/// |---|---|---|
/// | `queue` | a name | `"default"` |
/// | `priority` | -100 to 100; larger runs sooner | 0 |
/// | `backend` | the alias of a backend | `"default"` |
/// | `max_attempts` | attempts in all, at least 1 | 12 |
/// | `backoff` | the pause before the next attempt: `"30s"` the same each time, `"2s..10m"` doubling up to a cap, `"2s*1.5..10m~25%"` with a factor and a jitter of its own, or a function of the attempt and its error | 2 s, 17 s, 82 s, … 6 h |
/// | `timeout` | how long an attempt may take, such as `"30s"` or `"1h30m"` | for ever |
/// | `expires` | how long after its enqueue a call may still start | for ever |
/// | `redact` | arguments, or paths below them, that are never shown: `["card", "customer.card.number"]`; `false` shows all | those whose names say that they are secret |
///
/// And what belongs to the task itself:
///
/// | option | value | without it |
/// |---|---|---|
/// | `name` | the stored name | `<crate>.<function>` |
/// | `aliases` | earlier names, `["old.name"]`, whose stored calls it still runs | none |
/// | `http` | whether it can be enqueued over HTTP | `true` |
/// | `marker` | the name of the type beside the function | the function's |
/// | `register` | whether every board of a program that links it has it; if not, only boards that are told of it | `true` |
///
/// Names have 1 to 128 letters, digits, `_`, `.`, `:` and `-`. Durations are whole numbers, each with its unit
/// (`ms`, `s`, `m`, `h`, `d`, `w`), the larger units first. The doc comment becomes the task's description.
///
/// # Parameters
///
/// - `Data<T>`, `TaskContext` and `&TaskContext` are supplied by the board, and so is whatever implements `FromTask`
///   and is marked `#[inject]`.
/// - All others are arguments: stored as JSON under their names, so they are owned and implement `Serialize` and
///   `DeserializeOwned`. `#[default(expression)]` and `Option` make one optional where arguments come as JSON; the
///   value of an `Option` is then `None`.
///
/// # What it returns
///
/// A value that can be stored as JSON, or a `Result` of one. The error is anything that becomes a
/// `Box<dyn Error + Send + Sync>`, and fails the attempt; a `Stop` decides itself what follows. A `Result` must be
/// written as such, or as an alias whose name ends in `Result`.
///
/// An `async` function runs on a worker's own thread, and its future need not be `Send`; any other function runs
/// on a bounded pool of threads on which it may block.
///
/// `Stop` is no `Error`, so it cannot be a variant of an error type of your own; return `Result<T, Stop>` instead, and
/// `?` makes a `Stop` of every error, yours included.
///
/// # What cannot be a task
///
/// Methods and other associated functions, generic functions, `const`, `unsafe` and `extern` functions, arguments that
/// are borrowed or taken apart in the signature, functions named like a primitive type, and public functions that
/// return a private type. A type of the function's name hides other types, modules and crates of that name in its
/// module; where that is in the way, `marker` gives it another.
#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::task(options.into(), &item.into(), &quote!(::callboard::__private)).into()
}

/// Makes a function a task for crates that depend on `callboard-tasks` alone.
#[proc_macro_attribute]
pub fn task_in_contract(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::task(options.into(), &item.into(), &quote!(::callboard_tasks::__private)).into()
}
