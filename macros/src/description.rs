//! The doc comment of a function as the description of its task.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// An expression for the doc comment: its lines, each without the one space that follows the slashes.
///
/// `#[doc = include_str!("..")]` is kept as it stands, because only the compiler can read the file.
pub(crate) fn description(attributes: &[Attribute]) -> TokenStream {
    let mut parts: Vec<TokenStream> = Vec::new();
    let mut text = String::new();
    for value in attributes.iter().filter_map(doc) {
        match value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => {
                for line in line.value().split('\n') {
                    text.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
                    text.push('\n');
                }
            }
            other => {
                let before = std::mem::take(&mut text);
                parts.push(quote!(#before, #other, "\n"));
            }
        }
    }
    if parts.is_empty() {
        let text = text.trim();
        return quote!(#text);
    }
    let rest = text.trim_end();
    quote!(::core::concat!(#(#parts,)* #rest))
}

/// The value of a `#[doc = ..]`; `#[doc(hidden)]` and its like say nothing to a reader.
fn doc(attribute: &Attribute) -> Option<&Expr> {
    match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => Some(&doc.value),
        _ => None,
    }
}
