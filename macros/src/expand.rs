//! The expansion: the function as it was, a marker type of its name, and the definition of the task.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, LitStr};

use crate::description::description;
use crate::errors::Errors;
use crate::function::Function;
use crate::names::{check_name, crate_name};
use crate::options::Options;
use crate::parameter::{Argument, Parameter};
use crate::returns::Returns;
use crate::types;

/// What `#[task(options)] item` becomes; `at` is the path of the contract's `__private`.
pub(crate) fn task(options: TokenStream, item: &TokenStream, at: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::read(options, &mut errors);
    let mut function = match Function::read(item) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            let errors = errors.into_tokens();
            return quote!(#item #errors);
        }
    };
    let parameters = function.take_parameters(&mut errors);
    function.check(options.marker.as_ref(), &mut errors);
    check_limit_key(&parameters, &options, &mut errors);
    check_redacted(&parameters, &options, &mut errors);
    let name = name(&function, &options, &mut errors);
    let returns = Returns::read(&function.signature.output, &mut errors);
    let task = Expansion { function: &function, options: &options, parameters: &parameters, returns, name, at };
    let rest = errors.into_tokens().unwrap_or_else(|| task.to_tokens());
    // The function stands there in any case: what calls it should not be in error as well. What a task takes is
    // owned whatever it does with it, and Clippy need not mind.
    quote! {
        #[allow(clippy::needless_pass_by_value)]
        #function
        #rest
    }
}

/// A limit key is the value of an argument, so there must be that argument.
fn check_limit_key(parameters: &[Parameter], options: &Options, errors: &mut Errors) {
    let Some(key) = &options.limit_key else { return };
    let arguments = parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Argument(argument) => Some(argument.key()),
        Parameter::Injected(_) | Parameter::Context => None,
    });
    let arguments: Vec<_> = arguments.collect();
    if !arguments.contains(&key.value()) {
        let there_are = if arguments.is_empty() { "none".to_owned() } else { arguments.join(", ") };
        errors.add(key, format!("`limit_key` names an argument of the task; there is {there_are}"));
    }
}

/// What is not shown is an argument, or stands below one: a slip of the pen would show a secret.
fn check_redacted(parameters: &[Parameter], options: &Options, errors: &mut Errors) {
    let arguments = parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Argument(argument) => Some(argument.key()),
        Parameter::Injected(_) | Parameter::Context => None,
    });
    let arguments: Vec<_> = arguments.collect();
    for path in options.redacted() {
        let text = path.value();
        let first = text.split('.').next().unwrap_or_default();
        if !arguments.iter().any(|argument| argument == first) {
            let there_are = if arguments.is_empty() { "none".to_owned() } else { arguments.join(", ") };
            errors
                .add(path, format!("`redact` names arguments of the task, or paths below them; there is {there_are}"));
        }
    }
}

/// The stored name.
fn name(function: &Function, options: &Options, errors: &mut Errors) -> String {
    if let Some(name) = &options.name {
        return checked_aliases(name.value(), options, errors);
    }
    let ident = &function.signature.ident;
    let Some(crate_name) = crate_name() else {
        errors.add(ident, "the name of the crate is unknown here; name the task with `#[task(name = \"app.send\")]`");
        return String::new();
    };
    let name = format!("{crate_name}.{}", function.name());
    if let Err(problem) = check_name(&name) {
        errors.add(ident, format!("the task's name {name:?} {problem}; choose another with `#[task(name = \"..\")]`"));
    }
    checked_aliases(name, options, errors)
}

fn checked_aliases(name: String, options: &Options, errors: &mut Errors) -> String {
    for alias in options.aliases.iter().filter(|alias| alias.value() == name) {
        errors.add(alias, "this is the task's own name; aliases are its earlier ones");
    }
    name
}

/// A task without errors.
struct Expansion<'a> {
    function: &'a Function,
    options: &'a Options,
    parameters: &'a [Parameter],
    returns: Returns<'a>,
    name: String,
    at: &'a TokenStream,
}

impl Expansion<'_> {
    fn to_tokens(&self) -> TokenStream {
        let marker = self.marker();
        let visibility = &self.function.visibility;
        let cfgs = self.function.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
        let cfgs: Vec<_> = cfgs.collect();
        let items = [self.arguments(), self.inherent(), self.definition(), self.registration()];
        let check = self.returns.check(self.at);
        // Whatever has a name stands in the anonymous constant, where it meets no name of the user's.
        quote! {
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(non_camel_case_types, dead_code, clippy::exhaustive_structs)]
            #visibility struct #marker {}

            #(#cfgs)*
            #[allow(
                dead_code,
                deprecated,
                private_interfaces,
                clippy::needless_update,
                clippy::too_many_arguments,
                clippy::used_underscore_binding,
            )]
            const _: () = {
                #(#items)*
                #check
            };
        }
    }

    /// The type in whose name calls are made.
    fn marker(&self) -> Ident {
        self.options.marker.clone().unwrap_or_else(|| self.function.signature.ident.clone())
    }

    fn stored(&self) -> impl Iterator<Item = &Argument> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Argument(argument) => Some(argument),
            Parameter::Injected(_) | Parameter::Context => None,
        })
    }

    /// The struct as which the arguments are stored: generic, for the sake of errors; see `ArgumentOf`.
    fn arguments(&self) -> TokenStream {
        let at = self.at;
        let serde = quote!(#at::serde).to_string().replace(' ', "");
        let fields = self.stored().enumerate().map(|(n, argument)| {
            let (name, ty) = (&argument.name, generic(n));
            let store = quote!(#at::StorableArgument::store).to_string();
            let restore = quote!(#at::StorableArgument::restore).to_string();
            let default = argument.is_optional().then(|| {
                let default = quote!(<#ty as #at::DefaultArgumentOf<__CallboardTask, #n>>::value).to_string();
                quote!(default = #default)
            });
            quote!(#[serde(serialize_with = #store, deserialize_with = #restore, #default)] #name: #ty,)
        });
        let generics = self.stored().enumerate().map(|(n, argument)| {
            let ty = generic(n);
            let bound = if argument.is_optional() { quote!(DefaultArgumentOf) } else { quote!(ArgumentOf) };
            quote!(#ty: #at::#bound<__CallboardTask, #n>)
        });
        let implementations = self.stored().enumerate().map(|(n, argument)| self.argument(n, argument));
        quote! {
            struct __CallboardTask;
            #(#implementations)*

            #[derive(#at::serde::Serialize, #at::serde::Deserialize)]
            #[serde(crate = #serde, bound = "", deny_unknown_fields, expecting = "an object of arguments")]
            struct __CallboardArguments<#(#generics),*> { #(#fields)* }
        }
    }

    fn argument(&self, n: usize, argument: &Argument) -> TokenStream {
        let (at, ty) = (self.at, &argument.ty);
        let value = match &argument.default {
            Some(value) if argument.is_string() => quote!(::core::convert::Into::into(#value)),
            Some(value) => quote!(#value),
            None => quote!(::core::default::Default::default()),
        };
        let default = argument.is_optional().then(|| {
            quote! {
                impl #at::DefaultArgumentOf<__CallboardTask, #n> for #ty {
                    fn value() -> #ty { #value }
                }
            }
        });
        quote! {
            impl #at::ArgumentOf<__CallboardTask, #n> for #ty {}
            #default
        }
    }

    /// The type of the stored arguments.
    fn stored_type(&self) -> TokenStream {
        let types = self.stored().map(|argument| &argument.ty);
        quote!(__CallboardArguments::<#(#types),*>)
    }

    /// What is called on the marker itself, without a trait in scope.
    fn inherent(&self) -> TokenStream {
        let at = self.at;
        let (marker, visibility, name) = (self.marker(), &self.function.visibility, &self.name);
        // What is wrong with a call is shown beside the function that the user knows.
        let with = Ident::new("with", self.function.signature.ident.span());
        let stored = self.stored_type();
        let parameters = self.stored().map(|argument| {
            let Argument { name, ty, .. } = argument;
            if argument.is_string() { quote!(#name: impl ::core::convert::Into<#ty>) } else { quote!(#name: #ty) }
        });
        let values = self.stored().map(|argument| {
            let name = &argument.name;
            if argument.is_string() { quote!(#name: ::core::convert::Into::into(#name)) } else { quote!(#name) }
        });
        quote! {
            impl #marker {
                #[doc = "The stored name of the task."]
                #visibility const NAME: &'static ::core::primitive::str = #name;

                #[doc = "A call of the task with these arguments, ready to be enqueued."]
                #[must_use = "a call does nothing until it is enqueued"]
                #visibility fn #with(#(#parameters),*) -> #at::Call<Self> {
                    #at::Call::from_args(&#stored { #(#values),* })
                }
            }

            impl ::core::fmt::Debug for #marker {
                fn fmt(&self, to: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    to.write_str(#name)
                }
            }
        }
    }

    fn definition(&self) -> TokenStream {
        let at = self.at;
        let (marker, name) = (self.marker(), &self.name);
        let output = self.returns.output(at);
        let aliases: &[LitStr] = &self.options.aliases;
        let description = description(&self.function.attributes);
        let options = self.options.to_tokens(at);
        let parameters = self.stored().enumerate().map(|(n, argument)| self.parameter(n, argument));
        let requires = self.requires();
        let run = self.run();
        let stored = self.stored_type();
        let checks = self.stored().enumerate();
        let checks = checks.map(|(n, Argument { ty, .. })| quote!(#at::check_argument::<#ty, __CallboardTask, #n>));
        quote! {
            static __CALLBOARD_DEFINITION: #at::TaskDefinition = #at::TaskDefinition {
                name: #name,
                aliases: &[#(#aliases),*],
                description: #description,
                parameters: &[#(#parameters),*],
                options: #options,
                source: #at::Source { file: ::core::file!(), line: ::core::line!() },
                requires: #requires,
                bind: |args| #at::bind::<#stored>(&__CALLBOARD_DEFINITION, &[#(#checks),*], args),
                run: #run,
            };

            impl #at::Marker for #marker {
                #output
                const NAME: &'static ::core::primitive::str = #name;
                fn definition() -> &'static #at::TaskDefinition {
                    &__CALLBOARD_DEFINITION
                }
            }
        }
    }

    fn parameter(&self, n: usize, argument: &Argument) -> TokenStream {
        let at = self.at;
        let (key, ty) = (argument.key(), types::text(&argument.ty));
        let required = !argument.is_optional();
        let default = if required {
            quote!(::core::option::Option::None)
        } else {
            let ty = &argument.ty;
            quote!(::core::option::Option::Some(#at::default_json::<#ty, __CallboardTask, #n>))
        };
        quote!(#at::Parameter { name: #key, type_name: #ty, required: #required, default: #default })
    }

    fn requires(&self) -> TokenStream {
        let at = self.at;
        let needs = self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Injected(ty) => Some(quote_spanned!(ty.span()=> #at::requires_of::<#ty>)),
            Parameter::Argument(_) | Parameter::Context => None,
        });
        quote!(|| #at::requires(&[#(#needs),*]))
    }

    /// The function, called with what was stored and what the board supplies.
    fn run(&self) -> TokenStream {
        let at = self.at;
        let function = &self.function.signature.ident;
        let context = Ident::new("context", Span::mixed_site());
        let stored = Ident::new("stored", Span::mixed_site());
        let values = self.parameters.iter().map(|parameter| match parameter {
            Parameter::Argument(Argument { name, .. }) => quote!(#stored.#name),
            Parameter::Injected(ty) => quote_spanned!(ty.span()=> #at::inject::<#ty>(&#context)?),
            Parameter::Context => quote!(&#context),
        });
        let values: Vec<_> = values.collect();
        let is_async = self.function.signature.asyncness.is_some();
        let wait = is_async.then(|| quote!(.await));
        let end = self.returns.read_value(at, &self.marker(), &quote!(#function(#(#values),*) #wait));
        let stored_type = self.stored_type();
        let pattern = if self.stored().next().is_some() { quote!(#stored) } else { quote!(_) };
        let read = quote!(let #pattern: #stored_type = #context.arguments()?;);
        if is_async {
            quote!(#at::Run::Async(|#context| #at::boxed(async move { #read #end })))
        } else {
            quote!(#at::Run::Blocking(|#context| { #read #end }))
        }
    }

    fn registration(&self) -> TokenStream {
        if self.options.register == Some(false) {
            return TokenStream::new();
        }
        let at = self.at;
        quote!(#at::inventory::submit! { #at::Registered(&__CALLBOARD_DEFINITION) })
    }
}

/// The type parameter of the n-th argument.
fn generic(n: usize) -> Ident {
    format_ident!("__Argument{n}", span = Span::mixed_site())
}
