//! The options of `#[task(..)]`: which there are, and what each accepts.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprArray, ExprLit, ExprPath, ExprUnary, Ident, Lit, LitStr, UnOp};

use crate::attribute::{Pair, pairs};
use crate::duration::{Backoff, parse_duration};
use crate::errors::Errors;
use crate::names::{check_name, is_primitive};

/// Every option, in the order in which messages list them.
const OPTIONS: [&str; 15] = [
    "queue",
    "priority",
    "backend",
    "max_attempts",
    "backoff",
    "timeout",
    "expires",
    "name",
    "aliases",
    "http",
    "redact",
    "unique",
    "limit_key",
    "marker",
    "register",
];

/// What somebody who knows another system writes, and what it is called here.
const FOREIGN: [(&str, &str); 4] =
    [("retries", "max_attempts"), ("max_retries", "max_attempts"), ("time_limit", "timeout"), ("using", "backend")];

/// Which arguments are not shown.
pub(crate) enum Redact {
    /// None.
    Nothing,
    /// These besides those whose names say so.
    Also(Vec<LitStr>),
}

impl Redact {
    fn to_tokens(&self, at: &TokenStream) -> TokenStream {
        match self {
            Self::Nothing => quote!(#at::Redact::Nothing),
            Self::Also(paths) => quote!(#at::Redact::Also(&[#(#paths),*])),
        }
    }
}

/// The options of one task; what is `None` was not given.
#[derive(Default)]
pub(crate) struct Options {
    queue: Option<LitStr>,
    priority: Option<i8>,
    backend: Option<LitStr>,
    max_attempts: Option<u32>,
    backoff: Option<Backoff>,
    custom_backoff: Option<ExprPath>,
    timeout: Option<Duration>,
    expires: Option<Duration>,
    /// The stored name.
    pub(crate) name: Option<LitStr>,
    /// Earlier names.
    pub(crate) aliases: Vec<LitStr>,
    http: Option<bool>,
    redact: Option<Redact>,
    unique: Option<bool>,
    /// The parameter whose value is the limit key.
    pub(crate) limit_key: Option<LitStr>,
    /// The name of the marker type.
    pub(crate) marker: Option<Ident>,
    /// Whether a board finds the task without being told of it; unless said, it does.
    pub(crate) register: Option<bool>,
}

impl Options {
    /// Reads what stands in the parentheses.
    pub(crate) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for Pair { key, value } in pairs(tokens, errors) {
            let name = key.to_string();
            if seen.contains(&name) {
                errors.add(&key, format!("duplicate option `{name}`; give it once"));
                continue;
            }
            if let Err(error) = options.set(&key, &name, &value) {
                errors.push(error);
            }
            seen.push(name);
        }
        options
    }

    fn set(&mut self, key: &Ident, name: &str, value: &Expr) -> syn::Result<()> {
        match name {
            "queue" => self.queue = Some(checked_name(name, value)?),
            "priority" => self.priority = Some(priority(value)?),
            "backend" => self.backend = Some(checked_name(name, value)?),
            "max_attempts" => self.max_attempts = Some(max_attempts(value)?),
            "backoff" => match value {
                Expr::Path(function) => self.custom_backoff = Some(function.clone()),
                _ => self.backoff = Some(backoff(value)?),
            },
            "timeout" => self.timeout = Some(duration(name, value)?),
            "expires" => self.expires = Some(duration(name, value)?),
            "name" => self.name = Some(checked_name(name, value)?),
            "aliases" => self.aliases = aliases(value)?,
            "http" => self.http = Some(truth(name, value)?),
            "redact" => self.redact = Some(redact(value)?),
            "unique" => self.unique = Some(truth(name, value)?),
            "limit_key" => self.limit_key = Some(text(name, value, "\"tenant_id\"")?.clone()),
            "register" => self.register = Some(truth(name, value)?),
            "marker" => self.marker = Some(marker(value)?),
            _ => return Err(syn::Error::new_spanned(key, unknown(name))),
        }
        Ok(())
    }

    /// The paths that `redact` names.
    pub(crate) fn redacted(&self) -> &[LitStr] {
        match &self.redact {
            Some(Redact::Also(paths)) => paths,
            _ => &[],
        }
    }

    /// The `TaskOptions` of the task; `at` is where the names of the contract are.
    pub(crate) fn to_tokens(&self, at: &TokenStream) -> TokenStream {
        let time = |time: &Duration| {
            let time = millis(*time);
            quote!(::core::option::Option::Some(#time))
        };
        let field = |name: &str, value: Option<TokenStream>| {
            let name = Ident::new(name, proc_macro2::Span::mixed_site());
            value.map(|value| quote!(#name: #value,))
        };
        let fields = [
            field("queue", self.queue.as_ref().map(|queue| quote!(#queue))),
            field("priority", self.priority.map(|priority| quote!(#priority))),
            field("backend", self.backend.as_ref().map(|backend| quote!(#backend))),
            field("max_attempts", self.max_attempts.map(|attempts| quote!(#attempts))),
            field("backoff", self.backoff.map(|backoff| backoff_tokens(backoff, at))),
            field("timeout", self.timeout.as_ref().map(time)),
            field("expires", self.expires.as_ref().map(time)),
            field("http", self.http.map(|http| quote!(#http))),
            field("redact", self.redact.as_ref().map(|redact| redact.to_tokens(at))),
            field(
                "custom_backoff",
                self.custom_backoff
                    .as_ref()
                    .map(|function| quote!(::core::option::Option::Some(#at::CustomBackoff(#function)))),
            ),
            field("unique", self.unique.map(|unique| quote!(#unique))),
            field("limit_key", self.limit_key.as_ref().map(|key| quote!(::core::option::Option::Some(#key)))),
        ];
        let fields = fields.iter().flatten();
        quote!(#at::TaskOptions { #(#fields)* ..#at::TaskOptions::DEFAULT })
    }
}

fn backoff_tokens(backoff: Backoff, at: &TokenStream) -> TokenStream {
    match backoff {
        Backoff::Default => quote!(#at::Backoff::Default),
        Backoff::Fixed(pause) => {
            let pause = millis(pause);
            quote!(#at::Backoff::Fixed(#pause))
        }
        Backoff::Doubling { first, most } => {
            let (first, most) = (millis(first), millis(most));
            quote!(#at::Backoff::Doubling { first: #first, most: #most })
        }
        Backoff::Exponential { first, factor_percent, most, jitter_percent } => {
            let (first, most) = (millis(first), millis(most));
            quote!(#at::Backoff::Exponential {
                first: #first,
                factor_percent: #factor_percent,
                most: #most,
                jitter_percent: #jitter_percent,
            })
        }
    }
}

fn millis(duration: Duration) -> TokenStream {
    let ms = u64::try_from(duration.as_millis()).expect("it was read as a u64 of milliseconds");
    quote!(::core::time::Duration::from_millis(#ms))
}

fn unknown(name: &str) -> String {
    match name {
        "run_after" | "delay" | "countdown" | "eta" => {
            return format!("`{name}` belongs to a call, not to a task: `the_task::with(..).run_after(..)`");
        }
        "takes_context" => {
            return "a task takes its context as a parameter: `context: &TaskContext`".into();
        }
        _ => {}
    }
    let foreign = FOREIGN.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    let near = foreign.or_else(|| {
        OPTIONS
            .into_iter()
            .map(|option| (strsim::jaro_winkler(name, option), option))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, option)| option)
    });
    let hint = near.map(|option| format!("did you mean `{option}`? ")).unwrap_or_default();
    format!("unknown option `{name}`; {hint}the options are {}", OPTIONS.join(", "))
}

/// A literal, also where a macro has put it between invisible delimiters.
fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

fn text<'a>(option: &str, value: &'a Expr, example: &str) -> syn::Result<&'a LitStr> {
    match literal(value) {
        Some(Lit::Str(text)) => Ok(text),
        _ => Err(syn::Error::new_spanned(value, format!("`{option}` takes text: `{option} = {example}`"))),
    }
}

fn checked_name(option: &str, value: &Expr) -> syn::Result<LitStr> {
    let text = text(option, value, &format!("\"{}\"", if option == "name" { "mail.send" } else { "mail" }))?;
    check_name(&text.value())
        .map_err(|problem| syn::Error::new_spanned(text, format!("the {option} {:?} {problem}", text.value())))?;
    Ok(text.clone())
}

fn integer(option: &str, value: &Expr, range: &str) -> syn::Result<i128> {
    let wrong = || syn::Error::new_spanned(value, format!("`{option}` takes a whole number {range}"));
    match value {
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => {
            Ok(-integer(option, expr, range).map_err(|_| wrong())?)
        }
        _ => match literal(value) {
            Some(Lit::Int(number)) => number.base10_parse().map_err(|_| wrong()),
            _ => Err(wrong()),
        },
    }
}

fn priority(value: &Expr) -> syn::Result<i8> {
    const RANGE: &str = "from -100 to 100";
    let number = integer("priority", value, RANGE)?;
    i8::try_from(number)
        .ok()
        .filter(|priority| (-100..=100).contains(priority))
        .ok_or_else(|| syn::Error::new_spanned(value, format!("the priority {number} is not {RANGE}")))
}

fn max_attempts(value: &Expr) -> syn::Result<u32> {
    let number = integer("max_attempts", value, "of at least 1")?;
    u32::try_from(number).ok().filter(|attempts| *attempts >= 1).ok_or_else(|| {
        let wrong = match number {
            0 => "0 attempts would never run the task; write 1 for no second attempt".into(),
            _ => format!("max_attempts is from 1 to {}, not {number}", u32::MAX),
        };
        syn::Error::new_spanned(value, wrong)
    })
}

fn backoff(value: &Expr) -> syn::Result<Backoff> {
    let text = text("backoff", value, "\"2s..10m\"")?;
    Backoff::parse(&text.value()).map_err(|problem| syn::Error::new_spanned(text, problem))
}

fn duration(option: &str, value: &Expr) -> syn::Result<Duration> {
    let text = text(option, value, "\"30s\"")?;
    let duration = parse_duration(&text.value()).map_err(|problem| syn::Error::new_spanned(text, problem))?;
    if duration.is_zero() {
        let problem = format!("`{option}` must be longer than zero; leave it out for no limit");
        return Err(syn::Error::new_spanned(text, problem));
    }
    Ok(duration)
}

fn aliases(value: &Expr) -> syn::Result<Vec<LitStr>> {
    let Expr::Array(ExprArray { elems, .. }) = value else {
        return Err(syn::Error::new_spanned(value, "`aliases` takes a list: `aliases = [\"old.name\"]`"));
    };
    let mut errors: Option<syn::Error> = None;
    let mut aliases: Vec<LitStr> = Vec::new();
    for element in elems {
        let read = match alias(element) {
            Ok(alias) if aliases.iter().any(|other| other.value() == alias.value()) => {
                Err(syn::Error::new_spanned(&alias, format!("the alias {:?} stands here twice", alias.value())))
            }
            read => read,
        };
        match (read, &mut errors) {
            (Ok(alias), _) => aliases.push(alias),
            (Err(error), Some(errors)) => errors.combine(error),
            (Err(error), None) => errors = Some(error),
        }
    }
    errors.map_or(Ok(aliases), Err)
}

fn alias(value: &Expr) -> syn::Result<LitStr> {
    let Some(Lit::Str(text)) = literal(value) else {
        return Err(syn::Error::new_spanned(value, "an alias is text: `aliases = [\"old.name\"]`"));
    };
    check_name(&text.value())
        .map_err(|problem| syn::Error::new_spanned(text, format!("the alias {:?} {problem}", text.value())))?;
    Ok(text.clone())
}

fn truth(option: &str, value: &Expr) -> syn::Result<bool> {
    match literal(value) {
        Some(Lit::Bool(truth)) => Ok(truth.value),
        _ => Err(syn::Error::new_spanned(value, format!("`{option}` is `true` or `false`"))),
    }
}

fn marker(value: &Expr) -> syn::Result<Ident> {
    let name = match value {
        Expr::Path(path) if path.qself.is_none() && path.attrs.is_empty() => path.path.get_ident(),
        _ => None,
    };
    let name = name.ok_or_else(|| {
        syn::Error::new_spanned(value, "`marker` takes the name of the type, without quotes: `marker = send_task`")
    })?;
    if is_primitive(&name.to_string()) {
        let problem = format!("a marker named `{name}` would hide the primitive type; choose another name");
        return Err(syn::Error::new_spanned(name, problem));
    }
    Ok(name.clone())
}

fn redact(value: &Expr) -> syn::Result<Redact> {
    const FORM: &str = "`redact` takes a list of arguments, or of paths below them: \
                        `redact = [\"card\", \"customer.card.number\"]`; `redact = false` shows all";
    match (value, literal(value)) {
        (_, Some(Lit::Bool(truth))) if !truth.value => Ok(Redact::Nothing),
        (Expr::Array(list), _) => {
            let path = |element: &Expr| match literal(element) {
                Some(Lit::Str(text)) if !text.value().is_empty() => Ok(text.clone()),
                _ => Err(syn::Error::new_spanned(element, FORM)),
            };
            list.elems.iter().map(path).collect::<syn::Result<_>>().map(Redact::Also)
        }
        _ => Err(syn::Error::new_spanned(value, FORM)),
    }
}
