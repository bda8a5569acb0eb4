//! Derives everything a Kafka structure needs from its field attributes: default, reading, writing, owning, and its place among the messages.
//! Knows no message. Versions stay run-time branches, so that one structure serves them all.
//!
//! On the structure, `#[message(...)]`, for whole messages only:
//! - `request = Fetch, response = FetchResponse`: a request of that API; versions come from the table of API keys.
//! - `response_to = Fetch`: its response.
//! - `versions = "0-2", flexible = "0+"`: a record, which has versions of its own.
//! - `nullable`: a structure inside a message that may be null as a whole.
//! - `nullable_in_tag`: the same as a tagged field, where null is written in another way (KIP-893).
//!
//! On a field, `#[field(...)]`, in the order of the wire:
//! - `versions = "4+"`: the versions that have the field; without it, all.
//! - `nullable = "7+"`: those in which it may be null; the type is an `Option`.
//! - `tag = 0`: a tagged field.
//! - `default = -1`: Kafka's default where it is not the type's own; `null` for `None`. An `Option` without it is `Some` of the type's default.
//! - `name = "groupId"`: Kafka's name, where it is not the field's own in camelCase.
//! - `ignorable`: in a version that lacks the field its value is left out in silence. Otherwise a value other than the default is an error.
//!
//! A field named `unknown_tags` keeps the tagged fields that are not known.

mod decode;
mod describe;
mod encode;
mod input;
mod layout;
mod schema;
#[cfg(test)]
mod tests;
mod values;
mod whole;

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, parse_macro_input};

/// See the crate's documentation.
#[proc_macro_derive(Message, attributes(message, field))]
pub fn derive_message(tokens: TokenStream) -> TokenStream {
    let derive = parse_macro_input!(tokens as DeriveInput);
    expand(&derive).unwrap_or_else(syn::Error::into_compile_error).into()
}

fn expand(derive: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let structure = input::Structure::parse(derive)?;
    let default = values::default(&structure);
    let decode = decode::decode(&structure);
    let encode = encode::encode(&structure);
    let into_owned = values::into_owned(&structure);
    let sample = values::sample(&structure);
    let layout = layout::layout(&structure);
    let describe = describe::describe(&structure);
    let schema = schema::schema(&structure);
    let whole = whole::message(&structure);
    Ok(quote! { #default #decode #encode #layout #into_owned #sample #describe #schema #whole })
}
