//! Generates what a structure says of itself, field by field, to be compared with Kafka's schemas. For tests: nothing of it is in a shipped binary.

use proc_macro2::TokenStream;
use quote::quote;

use crate::input::{Field, Nullable, Range, Structure};

/// `Described`, one line for each field.
pub fn schema(structure: &Structure) -> TokenStream {
    let kind = structure.kind(&quote! { '_ });
    let name = structure.name.to_string();
    let keeps_unknown_tags = structure.keeps_unknown_tags;
    let fields = structure.fields.iter().map(describe);
    quote! {
        #[cfg(any(test, feature = "testing"))]
        #[automatically_derived]
        impl crate::testing::Described for #kind {
            fn kind() -> crate::testing::Kind {
                let default = Self::default();
                let _ = &default;
                crate::testing::structure(#name, #keeps_unknown_tags, vec![#(#fields,)*])
            }

            fn text(&self) -> String {
                "{}".to_owned()
            }
        }
    }
}

fn describe(field: &Field) -> TokenStream {
    let Field { name, versions, tag, ignorable, .. } = field;
    let text = field.kafka_name();
    let nullable = match field.nullable {
        Nullable::Never => Range::NONE,
        Nullable::Always => *versions,
        Nullable::In(range) => range,
    };
    let (Range { min, max }, Range { min: null_min, max: null_max }) = (versions, nullable);
    let tag = match tag {
        Some(tag) => quote! { Some(#tag) },
        None => quote! { None },
    };
    quote! {
        crate::testing::field(#text, &default.#name, (#min, #max), (#null_min, #null_max), #tag, #ignorable)
    }
}
