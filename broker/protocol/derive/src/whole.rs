//! Generates what makes a structure a whole message: name, versions, and the API it belongs to.

use proc_macro2::TokenStream;
use quote::quote;

use crate::input::{Range, Role, Structure};

/// `Message`, and `Request` or `Response`; nothing for a structure inside a message.
pub fn message(structure: &Structure) -> TokenStream {
    let kind = structure.kind(&quote! { '_ });
    let name = structure.name.to_string();
    let (versions, flexible, role) = match &structure.role {
        Role::Part { .. } => return TokenStream::new(),
        Role::Request { key, response } => (
            quote! { crate::ApiKey::#key.versions() },
            quote! { crate::ApiKey::#key.flexible_versions() },
            quote! {
                #[automatically_derived]
                impl crate::Request for #kind {
                    const KEY: crate::ApiKey = crate::ApiKey::#key;
                    type Response<'a> = #response<'a>;
                }
            },
        ),
        Role::Response { key } => (
            quote! { crate::ApiKey::#key.versions() },
            quote! { crate::ApiKey::#key.flexible_versions() },
            quote! {
                #[automatically_derived]
                impl crate::Response for #kind {
                    const KEY: crate::ApiKey = crate::ApiKey::#key;
                }
            },
        ),
        Role::Record { versions, flexible } => (range(Some(*versions)), range(*flexible), TokenStream::new()),
    };
    quote! {
        #[automatically_derived]
        impl crate::Message for #kind {
            const NAME: &'static str = #name;
            const VERSIONS: crate::VersionRange = #versions;
            const FLEXIBLE: crate::VersionRange = #flexible;
        }
        #role
    }
}

fn range(range: Option<Range>) -> TokenStream {
    match range {
        Some(Range { min, max }) => quote! { crate::VersionRange::new(#min, #max) },
        None => quote! { crate::VersionRange::EMPTY },
    }
}
