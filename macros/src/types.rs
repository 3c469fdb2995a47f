//! Questions about types that a macro can answer by their spelling alone.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, Path, PathArguments, PathSegment, Type, TypePath};

/// The type without the invisible delimiters and parentheses that macros leave around it.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// The path of a type that is one.
pub(crate) fn path(ty: &Type) -> Option<&Path> {
    match bare(ty) {
        Type::Path(TypePath { qself: None, path }) => Some(path),
        _ => None,
    }
}

/// The last segment of the type's path.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    path(ty)?.segments.last()
}

/// Whether the type's path ends in `name` without generic arguments.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|last| last.ident == name && last.arguments.is_none())
}

/// Whether the type's path ends in `name<..>`.
pub(crate) fn is_generic_named(ty: &Type, name: &str) -> bool {
    last_segment(ty)
        .is_some_and(|last| last.ident == name && matches!(last.arguments, PathArguments::AngleBracketed(_)))
}

/// The first type among the generic arguments of the type's path.
pub(crate) fn first_argument(ty: &Type) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &last_segment(ty)?.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// What to write instead of a reference to this type.
pub(crate) fn owned(ty: &Type) -> String {
    match bare(ty) {
        Type::Slice(slice) => format!("Vec<{}>", text(&slice.elem)),
        other if is_named(other, "str") => "String".into(),
        other if is_named(other, "Path") => text(other) + "Buf",
        other => text(other),
    }
}

/// The type as a person would write it: `Option<Vec<(u8, String)>>`.
pub(crate) fn text(ty: &Type) -> String {
    let mut text = String::new();
    write(ty.to_token_stream(), &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.truncate(text.trim_end().len());
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                c @ (',' | ';') => text.extend([c, ' ']),
                c @ ('+' | '=') => text.extend([' ', c, ' ']),
                '>' if text.ends_with('-') => {
                    text.truncate(text.len() - 1);
                    text.push_str(" -> ");
                }
                c => text.push(c),
            },
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                let word = token.to_string();
                // Two words need a space, and so does what follows a lifetime; but not the name of the lifetime.
                if text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    text.push(' ');
                }
                text.push_str(&word);
            }
        }
    }
}
