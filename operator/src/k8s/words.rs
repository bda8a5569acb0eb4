//! An API server's refusal in its own words. The client's error prints the whole reply, which nobody wants to read in a condition.

/// What went wrong, in one line.
pub fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn a_refusal_is_its_message_and_its_code() {
        let refused = kube::Error::Api(Box::new(Status::failure("no such thing", "NotFound").with_code(404)));
        assert_eq!(words(&refused), "no such thing (404)");
    }
}
