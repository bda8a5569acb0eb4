//! Reads the structure and its attributes. Generates nothing.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{
    Data, DeriveInput, Error, Expr, ExprLit, Fields, GenericArgument, Lit, LitInt, LitStr, PathArguments, Result, Type,
};

/// Versions from `min` to `max`.
#[derive(Clone, Copy)]
pub struct Range {
    pub min: i16,
    pub max: i16,
}

impl Range {
    const ALL: Self = Self { min: 0, max: i16::MAX };
    pub const NONE: Self = Self { min: 0, max: -1 };

    /// `7+`, `0-14` or `3`.
    fn parse(text: &LitStr) -> Result<Self> {
        let value = text.value();
        let number = |digits: &str| {
            digits.parse::<i16>().map_err(|_| Error::new(text.span(), "expected \"4+\", \"0-3\" or \"2\""))
        };
        if let Some(min) = value.strip_suffix('+') {
            return Ok(Self { min: number(min)?, max: i16::MAX });
        }
        match value.split_once('-') {
            Some((min, max)) => Ok(Self { min: number(min)?, max: number(max)? }),
            None => number(&value).map(|only| Self { min: only, max: only }),
        }
    }

    fn covers(self, other: Self) -> bool {
        self.min <= other.min && self.max >= other.max
    }

    /// The condition that the version at hand lies in the range, or `None` when it always does.
    pub fn condition(self) -> Option<TokenStream> {
        let Self { min, max } = self;
        (!self.covers(Self::ALL)).then(|| quote! { at.within(#min, #max) })
    }
}

/// How a structure inside a message says that it is null as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NullStructure {
    Never,
    /// By a byte before it, -1 or 1.
    ByByte,
    /// By a variable-length number before it, 0 or 1, in a tagged field.
    ByNumber,
}

/// In which versions a field may be null.
#[derive(Clone, Copy)]
pub enum Nullable {
    Never,
    Always,
    In(Range),
}

/// One field.
pub struct Field {
    pub name: Ident,
    pub kind: Type,
    pub versions: Range,
    pub nullable: Nullable,
    pub tag: Option<LitInt>,
    /// An expression of the field's type.
    pub default: TokenStream,
    pub ignorable: bool,
    /// Kafka's name, where it is not the field's own in camelCase.
    kafka_name: Option<LitStr>,
}

impl Field {
    /// The name as it appears in errors.
    pub fn text(&self) -> String {
        self.name.to_string().trim_start_matches("r#").to_owned()
    }

    /// Kafka's name, in camelCase.
    pub fn kafka_name(&self) -> String {
        if let Some(name) = &self.kafka_name {
            return name.value();
        }
        let text = self.text();
        let (first, rest) = text.split_once('_').unwrap_or((&text, ""));
        let capitals = rest.split('_').flat_map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters)
        });
        first.chars().chain(capitals).collect()
    }
}

/// What a whole message is.
pub enum Role {
    Part { nullable: NullStructure },
    Request { key: Ident, response: Ident },
    Response { key: Ident },
    Record { versions: Range, flexible: Option<Range> },
}

/// The structure that the derive is on.
pub struct Structure {
    pub name: Ident,
    /// True when the structure borrows from the frame.
    pub borrows: bool,
    pub role: Role,
    /// Without the unknown tags.
    pub fields: Vec<Field>,
    pub keeps_unknown_tags: bool,
}

impl Structure {
    pub fn parse(input: &DeriveInput) -> Result<Self> {
        let Data::Struct(data) = &input.data else {
            return Err(Error::new_spanned(input, "only structures are messages"));
        };
        let Fields::Named(named) = &data.fields else {
            return Err(Error::new_spanned(input, "a message has named fields"));
        };
        let mut fields = Vec::new();
        let mut keeps_unknown_tags = false;
        for field in &named.named {
            if field.ident.as_ref().is_some_and(|name| name == "unknown_tags") {
                keeps_unknown_tags = true;
            } else {
                fields.push(parse_field(field)?);
            }
        }
        let borrows = input.generics.lifetimes().next().is_some();
        Ok(Self { name: input.ident.clone(), borrows, role: parse_role(input)?, fields, keeps_unknown_tags })
    }

    /// The type, borrowing for `lifetime` when it borrows at all.
    pub fn kind(&self, lifetime: &TokenStream) -> TokenStream {
        let name = &self.name;
        if self.borrows {
            quote! { #name<#lifetime> }
        } else {
            quote! { #name }
        }
    }

    /// Tagged fields by their tag.
    pub fn tagged(&self) -> Vec<(&LitInt, &Field)> {
        let mut tagged: Vec<_> = self.fields.iter().filter_map(|field| Some((field.tag.as_ref()?, field))).collect();
        tagged.sort_by_key(|(tag, _)| tag.base10_parse::<u32>().unwrap_or(u32::MAX));
        tagged
    }

    /// The fields before the tagged ones.
    pub fn untagged(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.tag.is_none())
    }
}

fn parse_role(input: &DeriveInput) -> Result<Role> {
    let (mut request, mut response, mut response_to, mut versions, mut flexible) = (None, None, None, None, None);
    let mut nullable = NullStructure::Never;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("message")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("nullable") {
                nullable = NullStructure::ByByte;
                return Ok(());
            }
            if meta.path.is_ident("nullable_in_tag") {
                nullable = NullStructure::ByNumber;
                return Ok(());
            }
            let value = meta.value()?;
            if meta.path.is_ident("request") {
                request = Some(value.parse::<Ident>()?);
            } else if meta.path.is_ident("response") {
                response = Some(value.parse::<Ident>()?);
            } else if meta.path.is_ident("response_to") {
                response_to = Some(value.parse::<Ident>()?);
            } else if meta.path.is_ident("versions") {
                versions = Some(Range::parse(&value.parse()?)?);
            } else if meta.path.is_ident("flexible") {
                flexible = Some(Range::parse(&value.parse()?)?);
            } else {
                return Err(meta.error(
                    "expected request, response, response_to, versions, flexible, nullable or nullable_in_tag",
                ));
            }
            Ok(())
        })?;
    }
    match (request, response, response_to, versions) {
        (Some(key), Some(response), None, None) => Ok(Role::Request { key, response }),
        (None, None, Some(key), None) => Ok(Role::Response { key }),
        (None, None, None, Some(versions)) => Ok(Role::Record { versions, flexible }),
        (None, None, None, None) => Ok(Role::Part { nullable }),
        _ => Err(Error::new_spanned(input, "either request and response, or response_to, or versions")),
    }
}

fn parse_field(field: &syn::Field) -> Result<Field> {
    let name = field.ident.clone().ok_or_else(|| Error::new_spanned(field, "a message has named fields"))?;
    let (mut versions, mut nullable, mut tag, mut default, mut ignorable) = (Range::ALL, None, None, None, false);
    let mut kafka_name = None;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("field")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("ignorable") {
                ignorable = true;
            } else if meta.path.is_ident("versions") {
                versions = Range::parse(&meta.value()?.parse()?)?;
            } else if meta.path.is_ident("nullable") {
                nullable = Some(Range::parse(&meta.value()?.parse()?)?);
            } else if meta.path.is_ident("tag") {
                tag = Some(meta.value()?.parse::<LitInt>()?);
            } else if meta.path.is_ident("default") {
                default = Some(meta.value()?.parse::<Expr>()?);
            } else if meta.path.is_ident("name") {
                kafka_name = Some(meta.value()?.parse::<LitStr>()?);
            } else {
                return Err(meta.error("expected versions, nullable, tag, default, name or ignorable"));
            }
            Ok(())
        })?;
    }
    let optional = is_option(&field.ty);
    let nullable = match nullable {
        Some(range) if optional && range.covers(versions) => Nullable::Always,
        Some(range) if optional => Nullable::In(range),
        None if !optional => Nullable::Never,
        _ => return Err(Error::new_spanned(field, "a field is an Option exactly when some version has null for it")),
    };
    if tag.is_some() && matches!(nullable, Nullable::In(_)) {
        return Err(Error::new_spanned(field, "a tagged field may be null in all versions or in none"));
    }
    let default = default_value(default, optional);
    Ok(Field { name, kind: field.ty.clone(), versions, nullable, tag, default, ignorable, kafka_name })
}

/// The default as an expression of the field's type.
fn default_value(default: Option<Expr>, optional: bool) -> TokenStream {
    let value = match default {
        Some(Expr::Path(path)) if path.path.is_ident("null") => return quote! { ::core::option::Option::None },
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => quote! { ::std::borrow::Cow::Borrowed(#text) },
        Some(expression) => quote! { #expression },
        None => quote! { ::core::default::Default::default() },
    };
    if optional {
        quote! { ::core::option::Option::Some(#value) }
    } else {
        value
    }
}

fn is_option(kind: &Type) -> bool {
    option_inner(kind).is_some()
}

fn option_inner(kind: &Type) -> Option<&Type> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}
