//! What stands in the parentheses of `#[task(..)]`: `name = value` pairs, before anybody knows what they mean.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Ident, Token};

use crate::errors::Errors;

/// One `key = value`.
pub(crate) struct Pair {
    /// The option.
    pub(crate) key: Ident,
    /// What it is set to.
    pub(crate) value: Expr,
}

/// Splits at the commas and reads each part by itself, so that one malformed part hides nothing of the others.
pub(crate) fn pairs(tokens: TokenStream, errors: &mut Errors) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for part in split(tokens) {
        match pair.parse2(part) {
            Ok(pair) => pairs.push(pair),
            Err(error) => errors.push(error),
        }
    }
    pairs
}

/// The parts between the commas, without empty ones: a comma after the last is as usual.
fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in tokens {
        match (&token, parts.last_mut()) {
            (TokenTree::Punct(comma), _) if comma.as_char() == ',' => parts.push(TokenStream::new()),
            (_, Some(part)) => part.extend([token]),
            (_, None) => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn pair(input: ParseStream<'_>) -> syn::Result<Pair> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error("options are written `name = value`, such as `queue = \"mail\"`"));
    }
    let key = input.call(Ident::parse_any)?;
    let no_value = || syn::Error::new_spanned(&key, format!("`{key}` needs a value: `{key} = ..`"));
    input.parse::<Token![=]>().map_err(|_| no_value())?;
    if input.is_empty() {
        return Err(no_value());
    }
    let value = input.parse()?;
    if !input.is_empty() {
        return Err(input.error("put a comma before the next option"));
    }
    Ok(Pair { key, value })
}
