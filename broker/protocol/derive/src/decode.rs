//! Generates reading.

use proc_macro2::TokenStream;
use quote::quote;

use crate::input::{Field, NullStructure, Nullable, Role, Structure};

/// `Decode`, and `DecodeNullable` where the structure may be null as a whole.
pub fn decode(structure: &Structure) -> TokenStream {
    let kind = structure.kind(&quote! { 'a });
    let untagged = structure.untagged().map(read_field);
    let tags = read_tags(structure);
    let by = match structure.role {
        Role::Part { nullable: NullStructure::ByByte } => Some(quote! { read_nullable_struct }),
        Role::Part { nullable: NullStructure::ByNumber } => Some(quote! { read_nullable_struct_in_tag }),
        _ => None,
    };
    let nullable = by.map(|by| {
        quote! {
            #[automatically_derived]
            impl<'a> crate::DecodeNullable<'a> for #kind {
                fn read_nullable(
                    reader: &mut crate::Reader<'a>,
                    at: crate::Version,
                ) -> ::core::result::Result<::core::option::Option<Self>, crate::DecodeError> {
                    crate::derived::#by(reader, at)
                }
            }
        }
    });
    // The reader is copied so that the compiler can keep it in registers: after an error nobody asks where it stood.
    quote! {
        #[automatically_derived]
        impl<'a> crate::Decode<'a> for #kind {
            fn read(
                reader: &mut crate::Reader<'a>,
                at: crate::Version,
            ) -> ::core::result::Result<Self, crate::DecodeError> {
                let mut value = Self::default();
                crate::Decode::fill(&mut value, reader, at)?;
                ::core::result::Result::Ok(value)
            }

            fn fill(
                &mut self,
                outer: &mut crate::Reader<'a>,
                at: crate::Version,
            ) -> ::core::result::Result<(), crate::DecodeError> {
                let reader = &mut outer.clone();
                #(#untagged)*
                #tags
                outer.clone_from(reader);
                ::core::result::Result::Ok(())
            }
        }
        #nullable
    }
}

/// Reads the value, with the field's name put into its errors.
fn read_value(field: &Field) -> TokenStream {
    let name = &field.name;
    let text = field.text();
    let whole = quote! { reader.field(&mut self.#name, at, #text)?; };
    match field.nullable {
        Nullable::Never | Nullable::Always => whole,
        Nullable::In(range) => match range.condition() {
            None => whole,
            Some(condition) => quote! {
                if #condition {
                    #whole
                } else {
                    reader.field(self.#name.get_or_insert_default(), at, #text)?;
                }
            },
        },
    }
}

/// A field that the version lacks keeps its default.
fn read_field(field: &Field) -> TokenStream {
    let value = read_value(field);
    match field.versions.condition() {
        None => value,
        Some(condition) => quote! { if #condition { #value } },
    }
}

fn read_tags(structure: &Structure) -> TokenStream {
    let tagged = structure.tagged();
    let arms = tagged.iter().map(|(tag, field)| {
        let Field { name, default, .. } = field;
        let value = read_value(field);
        let guard = field.versions.condition().map(|condition| quote! { if #condition });
        // A tag may come twice; the last one counts.
        quote! { #tag #guard => { self.#name = #default; #value } }
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
    let unknown = structure.keeps_unknown_tags.then(|| quote! { self.unknown_tags = });
    // Another copy, so that only this rare case needs the reader to be in memory.
    quote! {
        if at.flexible {
            let count = reader.tag_count()?;
            if count > 0 {
                let rest = &mut reader.clone();
                #unknown rest.some_tags(count, #known)?;
                reader.clone_from(rest);
            }
        }
    }
}
