//! What each message looks like on the wire, by API, for tools that show them. Follows from the list of messages.

use crate::{ApiKey, MessageLayout};

macro_rules! layouts {
    ($($key:ident $module:ident $request:ident $response:ident;)*) => {
        impl ApiKey {
            /// The look of the API's requests; `None` for an API that Kafka has removed.
            #[must_use]
            pub fn request_layout(self) -> Option<&'static MessageLayout> {
                match self {
                    $(Self::$key => Some(const { &MessageLayout::of::<crate::messages::$request<'static>>() }),)*
                    _ => None,
                }
            }

            /// The look of its responses.
            #[must_use]
            pub fn response_layout(self) -> Option<&'static MessageLayout> {
                match self {
                    $(Self::$key => Some(const { &MessageLayout::of::<crate::messages::$response<'static>>() }),)*
                    _ => None,
                }
            }
        }
    };
}
crate::every_message!(layouts);
