//! Generates what concerns values rather than bytes: the default, the owned form, and samples for tests.

use proc_macro2::TokenStream;
use quote::quote;

use crate::input::{Field, Nullable, Structure};

/// `Default` with Kafka's defaults.
pub fn default(structure: &Structure) -> TokenStream {
    let kind = structure.kind(&quote! { '_ });
    let names = structure.fields.iter().map(|field| &field.name);
    let values = structure.fields.iter().map(|field| &field.default);
    let unknown = structure.keeps_unknown_tags.then(|| quote! { unknown_tags: ::core::default::Default::default(), });
    quote! {
        #[automatically_derived]
        impl ::core::default::Default for #kind {
            fn default() -> Self {
                Self { #(#names: #values,)* #unknown }
            }
        }
    }
}

/// `IntoOwned`.
pub fn into_owned(structure: &Structure) -> TokenStream {
    let name = &structure.name;
    let kind = structure.kind(&quote! { '_ });
    let owned = structure.kind(&quote! { 'static });
    let names: Vec<_> = structure.fields.iter().map(|field| &field.name).collect();
    let unknown =
        structure.keeps_unknown_tags.then(|| quote! { unknown_tags: crate::IntoOwned::into_owned(self.unknown_tags), });
    quote! {
        #[automatically_derived]
        impl crate::IntoOwned for #kind {
            type Owned = #owned;

            fn into_owned(self) -> Self::Owned {
                #name { #(#names: crate::IntoOwned::into_owned(self.#names),)* #unknown }
            }
        }
    }
}

/// Random values that the version at hand can carry; fields it lacks stay at their default.
pub fn sample(structure: &Structure) -> TokenStream {
    let kind = structure.kind(&quote! { '_ });
    let names = structure.fields.iter().map(|field| &field.name);
    let values = structure.fields.iter().map(sample_field);
    let unknown =
        structure.keeps_unknown_tags.then(|| quote! { unknown_tags: crate::wire::sample::Sample::sample(random, at), });
    quote! {
        #[cfg(any(test, feature = "testing"))]
        #[automatically_derived]
        impl crate::wire::sample::Sample for #kind {
            fn sample(random: &mut crate::wire::sample::Random, at: crate::Version) -> Self {
                let _ = (&*random, at);
                Self { #(#names: #values,)* #unknown }
            }
        }
    }
}

fn sample_field(field: &Field) -> TokenStream {
    let whole = quote! { crate::wire::sample::Sample::sample(random, at) };
    let present = match field.nullable {
        Nullable::Never | Nullable::Always => whole,
        Nullable::In(range) => match range.condition() {
            None => whole,
            Some(condition) => quote! { if #condition { #whole } else { ::core::option::Option::Some(#whole) } },
        },
    };
    let default = &field.default;
    let present_in = field.versions.condition().map(|condition| quote! { #condition && });
    quote! { if #present_in !random.keeps_default() { #present } else { #default } }
}
