//! Generates reading.

use proc_macro2::TokenStream;
use quote::quote;

use crate::input::{Field, Nullable, Role, Structure};

/// `Decode`, and `DecodeNullable` where the structure may be null as a whole.
pub fn decode(structure: &Structure) -> TokenStream {
    let kind = structure.kind(&quote! { 'a });
    let untagged = structure.untagged().map(read_field);
    let tags = read_tags(structure);
    let names = structure.fields.iter().map(|field| &field.name);
    let unknown = structure.keeps_unknown_tags.then(|| quote! { unknown_tags, });
    let nullable = matches!(structure.role, Role::Part { nullable: true }).then(|| {
        quote! {
            #[automatically_derived]
            impl<'a> crate::DecodeNullable<'a> for #kind {
                fn read_nullable(
                    reader: &mut crate::Reader<'a>,
                    at: crate::Version,
                ) -> ::core::result::Result<::core::option::Option<Self>, crate::DecodeError> {
                    crate::derived::read_nullable_struct(reader, at)
                }
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl<'a> crate::Decode<'a> for #kind {
            fn read(
                reader: &mut crate::Reader<'a>,
                at: crate::Version,
            ) -> ::core::result::Result<Self, crate::DecodeError> {
                #(#untagged)*
                #tags
                ::core::result::Result::Ok(Self { #(#names,)* #unknown })
            }
        }
        #nullable
    }
}

/// The value that is read, with the field's name put into its errors.
fn read_value(field: &Field) -> TokenStream {
    let text = field.text();
    let named = quote! { .map_err(|error| error.within(#text))? };
    let whole = quote! { crate::Decode::read(reader, at)#named };
    match field.nullable {
        Nullable::Never | Nullable::Always => whole,
        Nullable::In(range) => match range.condition() {
            None => whole,
            Some(condition) => quote! { if #condition { #whole } else { ::core::option::Option::Some(#whole) } },
        },
    }
}

fn read_field(field: &Field) -> TokenStream {
    let Field { name, kind, default, .. } = field;
    let value = read_value(field);
    match field.versions.condition() {
        None => quote! { let #name: #kind = #value; },
        Some(condition) => quote! { let #name: #kind = if #condition { #value } else { #default }; },
    }
}

fn read_tags(structure: &Structure) -> TokenStream {
    let tagged = structure.tagged();
    let starts =
        tagged.iter().map(|(_, Field { name, kind, default, .. })| quote! { let mut #name: #kind = #default; });
    let arms = tagged.iter().map(|(tag, field)| {
        let name = &field.name;
        let value = read_value(field);
        let guard = field.versions.condition().map(|condition| quote! { if #condition });
        quote! { #tag #guard => #name = #value, }
    });
    let known = if tagged.is_empty() {
        quote! { |_, _| ::core::result::Result::Ok(false) }
    } else {
        quote! {
            |reader, tag| {
                match tag {
                    #(#arms)*
                    _ => return ::core::result::Result::Ok(false),
                }
                ::core::result::Result::Ok(true)
            }
        }
    };
    let reading = quote! { if at.flexible { reader.tags(#known)? } else { ::core::default::Default::default() } };
    let binding = if structure.keeps_unknown_tags {
        quote! { let unknown_tags = #reading; }
    } else {
        quote! { let _: crate::UnknownTags<'a> = #reading; }
    };
    quote! { #(#starts)* #binding }
}
