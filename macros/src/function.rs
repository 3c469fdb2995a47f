//! The function under `#[task]`, read no further than its signature, and what its signature must not be.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, FnArg, Ident, Signature, Visibility};

use crate::errors::Errors;
use crate::names::is_primitive;
use crate::parameter::{self, Parameter};

/// A function; its body stays the tokens that it is, so that nothing that the compiler or an editor knows of
/// them is lost.
pub(crate) struct Function {
    /// Its attributes, other macros among them.
    pub(crate) attributes: Vec<Attribute>,
    /// Its visibility.
    pub(crate) visibility: Visibility,
    /// Its signature.
    pub(crate) signature: Signature,
    body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            attributes: input.call(Attribute::parse_outer)?,
            visibility: input.parse()?,
            signature: input.parse()?,
            body: input.parse()?,
        })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, signature, body } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #signature #body));
    }
}

impl Function {
    /// Reads an item, which must be a function.
    pub(crate) fn read(item: &TokenStream) -> syn::Result<Self> {
        syn::parse2(item.clone()).map_err(|error| not_a_function(item).unwrap_or(error))
    }

    /// Its name as the compiler knows it, without a leading `r#`.
    pub(crate) fn name(&self) -> String {
        self.signature.ident.unraw().to_string()
    }

    /// Takes the attributes that are ours off the parameters and says what each parameter is.
    pub(crate) fn take_parameters(&mut self, errors: &mut Errors) -> Vec<Parameter> {
        let inputs = self.signature.inputs.iter_mut();
        inputs
            .filter_map(|input| match input {
                FnArg::Receiver(receiver) => {
                    let problem = "a method cannot be a task, because no object is stored with a call; \
                        write a function and take the object as `Data<..>`";
                    errors.add(receiver, problem);
                    None
                }
                FnArg::Typed(typed) => parameter::take(typed, errors),
            })
            .collect()
    }

    /// Checks what does not depend on single parameters; `marker` is the option that renames the type.
    pub(crate) fn check(&self, marker: Option<&Ident>, errors: &mut Errors) {
        let signature = &self.signature;
        if let Some(token) = &signature.constness {
            errors.add(token, "a task cannot be `const`; it runs later");
        }
        if let Some(token) = &signature.unsafety {
            errors.add(token, "a task cannot be `unsafe`, because nobody vouches for the calls in a queue; wrap it");
        }
        if let Some(abi) = &signature.abi {
            errors.add(abi, "a task cannot be `extern`; call the function from a task");
        }
        if let Some(variadic) = &signature.variadic {
            errors.add(variadic, "a task cannot be variadic; take a `Vec`");
        }
        if self.body.to_string() == ";" {
            errors.add(&signature.ident, "a task needs a body; only a function that stands for itself can be one");
        }
        self.check_generics(errors);
        let name = self.name();
        if marker.is_none() && is_primitive(&name) {
            let problem = format!(
                "a task named `{name}` would hide the primitive type in this module; rename it, \
                or name its type with `#[task(marker = {name}_task)]`"
            );
            errors.add(&signature.ident, problem);
        }
    }

    fn check_generics(&self, errors: &mut Errors) {
        let generics = &self.signature.generics;
        if !generics.params.is_empty() {
            let only_lifetimes = generics.lifetimes().count() == generics.params.len();
            let problem = if only_lifetimes {
                "a task cannot have lifetimes, because its arguments are stored; take owned values"
            } else {
                "a task cannot be generic, because a stored call does not say for which type; \
                write one task per type that calls the generic function"
            };
            errors.add(&generics.params, problem);
        }
        if let Some(clause) = &generics.where_clause {
            errors.add(clause, "a task cannot have a `where` clause; its types are known");
        }
    }
}

/// What to say of an item that is no function; `None` if it looks like one.
fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    let keyword = |input: ParseStream<'_>| -> syn::Result<Ident> {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let keyword = input.call(Ident::parse_any)?;
        input.parse::<TokenStream>()?;
        Ok(keyword)
    };
    let keyword = keyword.parse2(item.clone()).ok()?;
    let name = keyword.to_string();
    let is_item =
        ["struct", "enum", "union", "trait", "impl", "mod", "static", "type", "use", "let", "macro_rules", "const"];
    is_item
        .contains(&name.as_str())
        .then(|| syn::Error::new_spanned(keyword, format!("`#[task]` goes on a function, not on `{name}`")))
}
