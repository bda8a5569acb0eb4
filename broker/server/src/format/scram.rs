//! `--add-scram`: a SCRAM credential (RFC 5802, KIP-900) out of the text `SCRAM-SHA-256=[name=alice,password=…]`. Keeps no password.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use barnabas_protocol::records::metadata::UserScramCredentialRecord;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

/// A credential that cannot be made. Names the mistake, never a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// Not of the form.
    #[error("--add-scram: expected SCRAM-SHA-256=[name=…,password=…] or SCRAM-SHA-512=[…]")]
    Malformed,
    /// A part without `=`, or one that there is not.
    #[error("--add-scram: {key} is not one of name, password, saltedpassword, salt and iterations (each as key=value)")]
    Unknown {
        /// Its key.
        key: String,
    },
    /// A part that has to be there.
    #[error("--add-scram: {missing} is missing")]
    Missing {
        /// What.
        missing: &'static str,
    },
    /// Bytes that are not base64.
    #[error("--add-scram: {key} is not base64")]
    Base64 {
        /// Of which part.
        key: &'static str,
    },
    /// Iterations out of bounds.
    #[error("--add-scram: iterations={given} must be a number from {min} to {MAX_ITERATIONS}")]
    Iterations {
        /// What was given.
        given: String,
        /// The fewest allowed.
        min: u32,
    },
}

/// How often a password is hashed at most, as Kafka allows it.
const MAX_ITERATIONS: u32 = 16_384;
/// How often at least, and where nothing is said.
const MIN_ITERATIONS: u32 = 4096;

struct Mechanism {
    name: &'static str,
    id: i8,
    derivation: pbkdf2::Algorithm,
    hmac: hmac::Algorithm,
    digest: &'static digest::Algorithm,
}

fn mechanisms() -> [Mechanism; 2] {
    [
        Mechanism {
            name: "SCRAM-SHA-256",
            id: 1,
            derivation: pbkdf2::PBKDF2_HMAC_SHA256,
            hmac: hmac::HMAC_SHA256,
            digest: &digest::SHA256,
        },
        Mechanism {
            name: "SCRAM-SHA-512",
            id: 2,
            derivation: pbkdf2::PBKDF2_HMAC_SHA512,
            hmac: hmac::HMAC_SHA512,
            digest: &digest::SHA512,
        },
    ]
}

/// The record of one `--add-scram`. `random_salt` is taken where none is given.
///
/// # Errors
/// See [`ScramError`].
pub fn parse(text: &str, random_salt: [u8; 24]) -> Result<UserScramCredentialRecord<'static>, ScramError> {
    let (name, parts) = text.trim().split_once('=').ok_or(ScramError::Malformed)?;
    let mechanism = mechanisms().into_iter().find(|mechanism| mechanism.name == name).ok_or(ScramError::Malformed)?;
    let parts = parts.strip_prefix('[').and_then(|parts| parts.strip_suffix(']')).ok_or(ScramError::Malformed)?;
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for part in parts.split(',') {
        // What stands before the first sign may be a password that has a comma in it.
        let (key, value) = part.split_once('=').ok_or(ScramError::Malformed)?;
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        found.insert(key.trim(), quoted.unwrap_or(value));
    }
    let mut take = |key: &'static str| found.remove(key);
    let name = take("name").ok_or(ScramError::Missing { missing: "name" })?.to_owned();
    let salt = take("salt").map(|text| decode("salt", text)).transpose()?;
    let iterations = iterations(take("iterations"))?;
    let (password, salted) = (take("password"), take("saltedpassword"));
    if let Some(key) = found.keys().next() {
        return Err(ScramError::Unknown { key: (*key).to_owned() });
    }
    let (salt, salted) = match (password, salted, salt) {
        (Some(password), _, salt) => {
            let salt = salt.unwrap_or_else(|| random_salt.to_vec());
            let salted = derive(&mechanism, password, &salt, iterations);
            (salt, salted)
        }
        (None, Some(salted), Some(salt)) => (salt, decode("saltedpassword", salted)?),
        (None, Some(_), None) => return Err(ScramError::Missing { missing: "salt (beside saltedpassword)" }),
        (None, None, _) => return Err(ScramError::Missing { missing: "password or saltedpassword" }),
    };
    let key = hmac::Key::new(mechanism.hmac, &salted);
    let client_key = hmac::sign(&key, b"Client Key");
    let server_key = hmac::sign(&key, b"Server Key");
    let stored_key = digest::digest(mechanism.digest, client_key.as_ref());
    Ok(UserScramCredentialRecord {
        name: Cow::Owned(name),
        mechanism: mechanism.id,
        salt: Cow::Owned(salt),
        stored_key: Cow::Owned(stored_key.as_ref().to_vec()),
        server_key: Cow::Owned(server_key.as_ref().to_vec()),
        iterations: i32::try_from(iterations.get()).unwrap_or(i32::MAX),
        ..UserScramCredentialRecord::default()
    })
}

fn decode(key: &'static str, text: &str) -> Result<Vec<u8>, ScramError> {
    STANDARD.decode(text).map_err(|_| ScramError::Base64 { key })
}

fn iterations(given: Option<&str>) -> Result<NonZeroU32, ScramError> {
    let fewest = NonZeroU32::new(MIN_ITERATIONS).unwrap_or(NonZeroU32::MIN);
    let Some(given) = given else { return Ok(fewest) };
    let number =
        given.parse().ok().filter(|number: &NonZeroU32| (MIN_ITERATIONS..=MAX_ITERATIONS).contains(&number.get()));
    number.ok_or_else(|| ScramError::Iterations { given: given.to_owned(), min: MIN_ITERATIONS })
}

fn derive(mechanism: &Mechanism, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
    let mut salted = vec![0; mechanism.digest.output_len()];
    pbkdf2::derive(mechanism.derivation, iterations, salt, password.as_bytes(), &mut salted);
    salted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_becomes_the_keys_of_rfc_5802() {
        // Made by Apache Kafka 4.3.1's storage tool from the same password and salt.
        let text = "SCRAM-SHA-256=[name=alice,salt=\"emN5am1xYmx2M3gxNWJhODU1MHBmZnZ0NQ==\",password=alice-secret]";
        let record = parse(text, [0; 24]).unwrap();
        assert_eq!((&*record.name, record.mechanism, record.iterations), ("alice", 1, 4096));
        assert_eq!(STANDARD.encode(&record.stored_key), "0aphfcwQTkMvUSHvKevx6at4+u69dLVqysIy3CrBgwA=");
        assert_eq!(STANDARD.encode(&record.server_key), "wstQTkqQ9XUkJh6YmqhfAFi3+OS5jwiloQyAxNl7Snc=");
    }

    #[test]
    fn a_salted_password_and_a_password_make_the_same_keys() {
        let salt = STANDARD.encode([7; 24]);
        let by_password = parse("SCRAM-SHA-512=[name=bob,password=b,iterations=8192]", [7; 24]).unwrap();
        let mechanism = &mechanisms()[1];
        let salted = STANDARD.encode(derive(mechanism, "b", &[7; 24], NonZeroU32::new(8192).unwrap()));
        let text = format!("SCRAM-SHA-512=[name=bob,salt={salt},saltedpassword=\"{salted}\",iterations=8192]");
        assert_eq!(parse(&text, [0; 24]).unwrap(), by_password);
        assert_eq!(by_password.stored_key.len(), 64);
    }

    #[test]
    fn mistakes_are_named_without_the_password() {
        for (text, expected) in [
            ("SCRAM-SHA-1=[name=a,password=geheim]", "expected SCRAM-SHA-256"),
            ("SCRAM-SHA-256=name=a,password=geheim", "expected SCRAM-SHA-256"),
            ("SCRAM-SHA-256=[name=a,password=x,geheim]", "expected SCRAM-SHA-256"),
            ("SCRAM-SHA-256=[password=geheim]", "name is missing"),
            ("SCRAM-SHA-256=[name=a]", "password or saltedpassword is missing"),
            ("SCRAM-SHA-256=[name=a,saltedpassword=geheim]", "salt (beside saltedpassword) is missing"),
            ("SCRAM-SHA-256=[name=a,salt=!,password=geheim]", "salt is not base64"),
            ("SCRAM-SHA-256=[name=a,password=geheim,iterations=4095]", "iterations=4095 must be"),
            ("SCRAM-SHA-256=[name=a,password=geheim,iterations=99999]", "to 16384"),
            ("SCRAM-SHA-256=[name=a,password=geheim,colour=red]", "colour is not one of"),
        ] {
            let error = parse(text, [0; 24]).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("geheim"), "{text}: {error}");
        }
    }
}
