//! Generates writing. One body counts and writes: it is generic over the sink.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::input::{Field, NullStructure, Nullable, Role, Structure};

/// `Encode`, and `EncodeNullable` where the structure may be null as a whole.
pub fn encode(structure: &Structure) -> TokenStream {
    let kind = structure.kind(&quote! { 'a });
    // Named only where there is something to borrow: the fields' types, which appear in the body, say `'a`.
    let generics = structure.borrows.then(|| quote! { <'a> });
    let untagged = structure.untagged().map(write_field);
    let tags = write_tags(structure);
    let by = match structure.role {
        Role::Part { nullable: NullStructure::ByByte } => Some(quote! { write_nullable_struct }),
        Role::Part { nullable: NullStructure::ByNumber } => Some(quote! { write_nullable_struct_in_tag }),
        _ => None,
    };
    let nullable = by.map(|by| {
        quote! {
            #[automatically_derived]
            impl #generics crate::EncodeNullable for #kind {
                fn write_nullable<S: crate::Sink>(
                    value: ::core::option::Option<&Self>,
                    sink: &mut S,
                    at: crate::Version,
                ) -> ::core::result::Result<(), crate::EncodeError> {
                    crate::derived::#by(value, sink, at)
                }
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #generics crate::Encode for #kind {
            fn write<S: crate::Sink>(
                &self,
                sink: &mut S,
                at: crate::Version,
            ) -> ::core::result::Result<(), crate::EncodeError> {
                #(#untagged)*
                #tags
                ::core::result::Result::Ok(())
            }
        }
        #nullable
    }
}

fn named(field: &Field) -> TokenStream {
    let text = field.text();
    quote! { .map_err(|error| error.within(#text))? }
}

fn write_field(field: &Field) -> TokenStream {
    let name = &field.name;
    let named = named(field);
    let text = field.text();
    let whole = quote! { sink.field(&self.#name, at, #text)?; };
    let present = match field.nullable {
        Nullable::Never | Nullable::Always => whole,
        Nullable::In(range) => match range.condition() {
            None => whole,
            Some(condition) => quote! {
                if #condition {
                    #whole
                } else {
                    crate::derived::required(&self.#name)
                        .and_then(|value| crate::Encode::write(value, sink, at))#named;
                }
            },
        },
    };
    match (field.versions.condition(), refuse_value(field)) {
        (None, _) => present,
        (Some(condition), None) => quote! { if #condition { #present } },
        (Some(condition), Some(absent)) => quote! { if #condition { #present } else { #absent } },
    }
}

/// What happens in a version without the field.
fn refuse_value(field: &Field) -> Option<TokenStream> {
    let Field { name, kind, default, .. } = field;
    let named = named(field);
    (!field.ignorable).then(|| {
        quote! {
            let default: #kind = #default;
            crate::derived::must_be_default(&self.#name, &default)#named;
        }
    })
}

fn write_tags(structure: &Structure) -> TokenStream {
    let tagged = structure.tagged();
    let decisions = tagged.iter().map(|(tag, field)| {
        let Field { name, kind, default, .. } = field;
        let is_written = format_ident!("write_tag_{}", tag.base10_digits());
        let differs = quote! { { let default: #kind = #default; self.#name != default } };
        match (field.versions.condition(), refuse_value(field)) {
            (None, _) => quote! { let #is_written = #differs; },
            (Some(condition), None) => quote! { let #is_written = #condition && #differs; },
            (Some(condition), Some(absent)) => {
                quote! { let #is_written = if #condition { #differs } else { #absent false }; }
            }
        }
    });
    let counts = tagged.iter().map(|(tag, _)| format_ident!("write_tag_{}", tag.base10_digits()));
    let keeps = structure.keeps_unknown_tags;
    let unknown_count = if keeps {
        quote! { self.unknown_tags.count() }
    } else {
        quote! { 0_u32 }
    };
    let writes = tagged.iter().map(|(tag, field)| {
        let is_written = format_ident!("write_tag_{}", tag.base10_digits());
        let name = &field.name;
        let named = named(field);
        let before = keeps.then(|| quote! { written = self.unknown_tags.write_below(sink, written, #tag); });
        quote! {
            if #is_written {
                #before
                crate::Sink::tagged(sink, at, #tag, &self.#name)#named;
            }
        }
    });
    let start = match (keeps, tagged.is_empty()) {
        (true, false) => quote! { let mut written = 0_usize; },
        (true, true) => quote! { let written = 0_usize; },
        (false, _) => quote! {},
    };
    let rest = keeps.then(|| quote! { self.unknown_tags.write_rest(sink, written); });
    let refuse = keeps.then(|| quote! { else { self.unknown_tags.refuse()?; } });
    quote! {
        #(#decisions)*
        if at.flexible {
            sink.unsigned_varint(#unknown_count #(+ u32::from(#counts))*);
            #start
            #(#writes)*
            #rest
        } #refuse
    }
}
