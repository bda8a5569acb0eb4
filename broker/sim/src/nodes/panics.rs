//! Panics of tasks, which a node survives and a history does not. What happens on other threads is theirs.

use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::Once;

thread_local! {
    static FIRST: RefCell<Option<String>> = const { RefCell::new(None) };
}

static WATCHED: Once = Once::new();

/// Keeps what panics on this thread from now on, beside what is done about panics anyway.
pub fn watch() {
    WATCHED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
            FIRST.with_borrow_mut(|first| _ = first.get_or_insert_with(|| panic.to_string()));
            before(panic);
        }));
    });
    _ = take();
}

/// The first panic on this thread since this was last asked.
pub fn take() -> Option<String> {
    FIRST.with_borrow_mut(Option::take)
}
