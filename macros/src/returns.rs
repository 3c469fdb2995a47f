//! What a task returns: a value, or a `Result` of one.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Ident, ReturnType, Type};

use crate::errors::Errors;
use crate::types;

/// What a function returns, by the spelling of its type.
pub(crate) enum Returns<'a> {
    /// Nothing.
    Unit,
    /// A value.
    Value(&'a Type),
    /// A `Result`, or an alias that ends in that word.
    Result(&'a Type),
}

impl<'a> Returns<'a> {
    /// Reads a return type.
    pub(crate) fn read(output: &'a ReturnType, errors: &mut Errors) -> Self {
        let ReturnType::Type(_, ty) = output else {
            return Self::Unit;
        };
        Named(errors).visit_type(ty);
        match types::last_segment(ty) {
            Some(last) if last.ident == "Result" => Self::Result(ty),
            _ => Self::Value(ty),
        }
    }

    /// The associated type for the value; the error that it cannot be stored points where the value's type stands.
    pub(crate) fn output(&self, at: &TokenStream) -> TokenStream {
        let span = self.span();
        match self {
            Self::Unit => quote!(
                type Returned = ();
            ),
            Self::Value(ty) => quote_spanned!(span=> type Returned = #ty;),
            Self::Result(ty) => quote_spanned!(span=> type Returned = <#ty as #at::ReturnsResult>::Output;),
        }
    }

    /// What was returned, as JSON or as a failure.
    pub(crate) fn read_value(&self, at: &TokenStream, marker: &Ident, returned: &TokenStream) -> TokenStream {
        match self {
            Self::Unit | Self::Value(_) => quote!(#at::returned_value::<#marker>(&#returned)),
            Self::Result(ty) => {
                // What is wrong with the error's type is shown where the return type stands.
                let span = ty.span();
                let read = quote_spanned!(span=> #at::returned_result::<#marker, _>);
                quote!(#read(#returned))
            }
        }
    }

    /// A check for the compiler that a type which does not look like a `Result` is none.
    pub(crate) fn check(&self, at: &TokenStream) -> Option<TokenStream> {
        let Self::Value(ty) = self else {
            return None;
        };
        let problem = format!(
            "the task returns `{}`, which is a `Result` under another name; write `Result<.., ..>`, \
            so that an `Err` is a failure of the task",
            types::text(ty)
        );
        let span = self.span();
        let check = quote_spanned!(span=> ::core::assert!(!#at::Returns::<#ty>::IS_RESULT, #problem));
        Some(quote! {
            const _: () = {
                #[allow(unused_imports)]
                use #at::NotResult as _;
                #check
            };
        })
    }

    /// Where the type of the value stands.
    fn span(&self) -> Span {
        match self {
            Self::Unit => Span::mixed_site(),
            Self::Value(ty) => ty.span(),
            Self::Result(ty) => types::first_argument(ty).map_or_else(|| ty.span(), Spanned::span),
        }
    }
}

/// Refuses what has no name of its own.
struct Named<'a>(&'a mut Errors);

impl<'ast> Visit<'ast> for Named<'_> {
    fn visit_type_impl_trait(&mut self, ty: &'ast syn::TypeImplTrait) {
        self.0.add(ty, "the return value of a task needs a type with a name, because it is read back from storage");
    }

    fn visit_type_never(&mut self, ty: &'ast syn::TypeNever) {
        self.0.add(ty, "a task that never returns never succeeds; return `()`");
    }

    fn visit_type_reference(&mut self, ty: &'ast syn::TypeReference) {
        let owned = types::owned(&ty.elem);
        self.0.add(ty, format!("a task cannot return a reference, because the value is stored; write `{owned}`"));
    }
}
