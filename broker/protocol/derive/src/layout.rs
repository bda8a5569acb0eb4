//! Generates the table of what a structure looks like on the wire, one line for each field, for reading bytes without the structure.

use proc_macro2::TokenStream;
use quote::quote;

use crate::input::{Field, Nullable, Range, Structure};

/// `Layout`.
pub fn layout(structure: &Structure) -> TokenStream {
    let kind = structure.kind(&quote! { 'a });
    // Named only where there is something to borrow: the fields' types say `'a`.
    let generics = structure.borrows.then(|| quote! { <'a> });
    let untagged = structure.untagged().map(field);
    let tagged = structure.tagged().into_iter().map(|(_, tagged)| field(tagged));
    quote! {
        #[automatically_derived]
        impl #generics crate::derived::Layout for #kind {
            const SHAPE: crate::derived::Shape = crate::derived::Shape::Struct(&[#(#untagged,)* #(#tagged,)*]);
        }
    }
}

fn field(field: &Field) -> TokenStream {
    let Field { kind, versions, tag, .. } = field;
    let name = field.kafka_name();
    let nullable = match field.nullable {
        Nullable::Never => None,
        Nullable::Always => Some(*versions),
        Nullable::In(range) => Some(range),
    };
    let (versions, nullable) = (range(Some(*versions)), range(nullable));
    let tag = tag.as_ref().map_or_else(|| quote! { None }, |tag| quote! { Some(#tag) });
    quote! { crate::derived::FieldLayout::of::<#kind>(#name, #versions, #nullable, #tag) }
}

fn range(range: Option<Range>) -> TokenStream {
    let (min, max) = range.map_or((0, -1), |Range { min, max }| (min, max));
    quote! { (#min, #max) }
}
