//! The parameters of a task: which are arguments, which the board supplies, and which are neither.

use syn::ext::IdentExt;
use syn::visit::Visit;
use syn::{Attribute, Expr, Ident, Meta, Pat, PatType, Type};

use crate::errors::Errors;
use crate::types;

/// A parameter, in the order of the function's.
pub(crate) enum Parameter {
    /// Stored with the call.
    Argument(Argument),
    /// Made for each attempt by `FromTask`.
    Injected(Type),
    /// The context, borrowed.
    Context,
}

/// What a call stores for one parameter.
pub(crate) struct Argument {
    /// The parameter's name.
    pub(crate) name: Ident,
    /// Its type.
    pub(crate) ty: Type,
    /// From `#[default(..)]`.
    pub(crate) default: Option<Expr>,
}

impl Argument {
    /// The name in JSON.
    pub(crate) fn key(&self) -> String {
        self.name.unraw().to_string()
    }

    /// Whether a call may leave it out.
    pub(crate) fn is_optional(&self) -> bool {
        self.default.is_some() || types::is_generic_named(&self.ty, "Option")
    }

    /// Whether it is a `String`, for which `with(..)` takes whatever can become one.
    pub(crate) fn is_string(&self) -> bool {
        types::is_named(&self.ty, "String")
    }
}

/// What our attributes on a parameter say.
#[derive(Default)]
struct Marks {
    inject: Option<Attribute>,
    default: Option<(Attribute, Expr)>,
}

/// Says what a parameter is and takes our attributes off it; `None` if something is wrong with it.
pub(crate) fn take(parameter: &mut PatType, errors: &mut Errors) -> Option<Parameter> {
    let marks = take_marks(&mut parameter.attrs, errors);
    if let (Some(inject), Some(_)) = (&marks.inject, &marks.default) {
        errors
            .add(inject, "`#[inject]` and `#[default]` exclude each other: a default is for what a call may leave out");
        return None;
    }
    let ty = types::bare(&parameter.ty);
    if let Some(problem) = wrong_reference(ty, marks.inject.is_some()) {
        errors.add(ty, problem);
        return None;
    }
    if is_web_data(ty) {
        errors.add(
            ty,
            "actix-web's `web::Data` is not supplied to tasks; use `callboard::Data<..>` and give the board the \
            same value with `.data_arc(web_data.into_inner())`",
        );
        return None;
    }
    let is_context = types::is_named(ty, "TaskContext");
    let supplied = match ty {
        Type::Reference(reference) if types::is_named(&reference.elem, "TaskContext") => Some(Parameter::Context),
        _ if is_context || marks.inject.is_some() || types::is_generic_named(ty, "Data") => {
            Some(Parameter::Injected(ty.clone()))
        }
        _ => None,
    };
    match (supplied, marks.default) {
        (Some(_), Some((default, _))) => {
            errors.add(default, "only arguments have defaults; this parameter is supplied by the board");
            None
        }
        (Some(supplied), None) => Some(supplied),
        (None, default) => argument(parameter, default.map(|(_, value)| value), errors).map(Parameter::Argument),
    }
}

fn take_marks(attributes: &mut Vec<Attribute>, errors: &mut Errors) -> Marks {
    let mut marks = Marks::default();
    for attribute in std::mem::take(attributes) {
        if attribute.path().is_ident("inject") {
            if !matches!(attribute.meta, Meta::Path(_)) {
                errors.add(&attribute, "`#[inject]` takes nothing; the type says what to inject");
            }
            marks.inject = Some(attribute);
        } else if attribute.path().is_ident("default") {
            if marks.default.is_some() {
                errors.add(&attribute, "a parameter has one default");
            }
            match attribute.meta.require_list().and_then(|list| list.parse_args()) {
                Ok(value) => marks.default = Some((attribute, value)),
                Err(_) => errors.add(&attribute, "write the default as an expression: `#[default(10)]`"),
            }
        } else {
            if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                errors.add(&attribute, "the arguments of a task are stored, so they cannot depend on `cfg`");
            }
            attributes.push(attribute);
        }
    }
    marks
}

/// What to say of a reference, unless it is `&TaskContext`.
fn wrong_reference(ty: &Type, injected: bool) -> Option<String> {
    let Type::Reference(reference) = ty else {
        return None;
    };
    let inner = &reference.elem;
    let name = types::text(inner);
    if types::is_named(inner, "TaskContext") {
        let plain = reference.mutability.is_none() && reference.lifetime.is_none();
        return (!plain).then(|| format!("a context is shared, and lent for one attempt; write `&{name}`"));
    }
    (injected || types::is_generic_named(inner, "Data"))
        .then(|| format!("what is injected is handed over, not lent; write `{name}`"))
}

/// `web::Data<..>`, however much of its path is written.
fn is_web_data(ty: &Type) -> bool {
    let Some(path) = types::path(ty) else {
        return false;
    };
    let mut names = path.segments.iter().rev().map(|segment| &segment.ident);
    names.next().is_some_and(|name| name == "Data") && names.next().is_some_and(|name| name == "web")
}

fn argument(parameter: &PatType, default: Option<Expr>, errors: &mut Errors) -> Option<Argument> {
    let mut owned = Owned { errors, holds: true };
    owned.visit_type(&parameter.ty);
    let holds = owned.holds;
    let name = match &*parameter.pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => pat.ident.clone(),
        pat => {
            let problem = "an argument is stored under its name, so it needs a plain one; take it apart in the body";
            errors.add(pat, problem);
            return None;
        }
    };
    holds.then(|| Argument { name, ty: types::bare(&parameter.ty).clone(), default })
}

/// Finds what cannot be stored wherever it stands in the type of an argument.
struct Owned<'a> {
    errors: &'a mut Errors,
    holds: bool,
}

impl Owned<'_> {
    fn refuse(&mut self, tokens: impl quote::ToTokens, problem: &str) {
        self.errors.add(tokens, problem);
        self.holds = false;
    }
}

impl<'ast> Visit<'ast> for Owned<'_> {
    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        let owned = types::owned(&reference.elem);
        let or = if owned == types::text(&reference.elem) {
            format!(", or `Data<{owned}>` for application data")
        } else {
            String::new()
        };
        self.refuse(reference, &format!("an argument cannot be borrowed, because it is stored; write `{owned}`{or}"));
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast syn::TypeImplTrait) {
        self.refuse(ty, "an argument needs a type with a name, because it is read back from storage; name it");
    }

    fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
        if lifetime.ident != "static" {
            let problem = "an argument cannot be borrowed, because it is stored; write `'static` or an owned type";
            self.refuse(lifetime, problem);
        }
    }

    fn visit_expr(&mut self, _: &'ast Expr) {
        // The length of an array may be any expression; the compiler judges it.
    }
}
