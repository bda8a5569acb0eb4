//! How much code the derive makes: it is compiled for every field of every message.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{DeriveInput, Item};

/// The most lines of formatted Rust for each field, on the average of all structures.
const LINES_PER_FIELD: usize = 25;

/// Every Rust file below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The structures of `file` that have the derive.
fn messages(file: &Path) -> Vec<DeriveInput> {
    let items = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap().items;
    let structures = items.into_iter().filter_map(|item| if let Item::Struct(item) = item { Some(item) } else { None });
    let derived = |attribute: &syn::Attribute| {
        let mut found = false;
        attribute.path().is_ident("derive")
            && attribute
                .parse_nested_meta(|meta| {
                    found |= meta.path.is_ident("Message");
                    Ok(())
                })
                .is_ok()
            && found
    };
    structures.filter(|item| item.attrs.iter().any(derived)).map(DeriveInput::from).collect()
}

#[test]
fn a_field_becomes_at_most_25_lines_of_rust() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    let (mut structures, mut fields, mut lines) = (0, 0, 0);
    for file in ["messages", "records"].iter().flat_map(|folder| sources(&source.join(folder))) {
        for message in messages(&file) {
            let syn::Data::Struct(data) = &message.data else { continue };
            fields += data.fields.len();
            structures += 1;
            let expanded = crate::expand(&message).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let mut whole: syn::File = syn::parse2(expanded).unwrap();
            // What only tests and tools of the developers compile is not part of the product.
            whole.items.retain(|item| {
                !matches!(item, Item::Impl(item) if item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")))
            });
            let formatted = prettyplease::unparse(&whole);
            lines += formatted.lines().filter(|line| !line.trim().is_empty()).count();
        }
    }
    println!("{lines} lines for {fields} fields of {structures} structures: {:.1} each", lines as f64 / fields as f64);
    assert!(structures > 100, "only {structures} structures were found");
    assert!(lines <= fields * LINES_PER_FIELD, "{lines} lines for {fields} fields: above {LINES_PER_FIELD} each");
}
