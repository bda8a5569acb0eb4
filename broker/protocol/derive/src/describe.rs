//! Generates telling a structure's content, field by field under Kafka's names. For tests and tools of the developers only: what is shipped
//! reads the bytes by the schema instead, which takes less code and also shows a message that ends too early.

use proc_macro2::TokenStream;
use quote::quote;

use crate::input::{Field, Structure};

/// `Describe`: the fields of the version at hand, in the order of the wire; a tagged field only when it is not at its default.
pub fn describe(structure: &Structure) -> TokenStream {
    let kind = structure.kind(&quote! { 'a });
    // Named only where there is something to borrow: the fields' types, which appear in the body, say `'a`.
    let generics = structure.borrows.then(|| quote! { <'a> });
    let fields = structure.untagged().chain(structure.tagged().into_iter().map(|(_, field)| field)).map(describe_field);
    let unknown =
        structure.keeps_unknown_tags.then(|| quote! { crate::derived::describe_tags(&self.unknown_tags, to); });
    quote! {
        #[cfg(any(test, feature = "testing"))]
        #[automatically_derived]
        impl #generics crate::Describe for #kind {
            fn describe(&self, to: &mut dyn crate::Describer, at: crate::Version) {
                let _ = at;
                to.event(crate::Event::Struct);
                #(#fields)*
                #unknown
                to.event(crate::Event::EndStruct);
            }
        }
    }
}

fn describe_field(field: &Field) -> TokenStream {
    let Field { name, kind, default, .. } = field;
    let text = field.kafka_name();
    let told = quote! { crate::derived::describe_field(#text, &self.#name, to, at); };
    let differs = field.tag.is_some().then(|| quote! { { let default: #kind = #default; self.#name != default } });
    match (field.versions.condition(), differs) {
        (None, None) => told,
        (Some(condition), None) => quote! { if #condition { #told } },
        (None, Some(differs)) => quote! { if #differs { #told } },
        (Some(condition), Some(differs)) => quote! { if #condition && #differs { #told } },
    }
}
