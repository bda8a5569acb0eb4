//! Making a value outlive the frame that it was read from, by copying what it borrows.

use std::borrow::Cow;

use barnabas_types::Uuid;

/// A value that can stop borrowing.
pub trait IntoOwned {
    /// The same type without a borrow.
    type Owned: 'static;

    /// Copies what is borrowed, moves the rest.
    fn into_owned(self) -> Self::Owned;
}

macro_rules! owned_already {
    ($($kind:ty)*) => {$(
        impl IntoOwned for $kind {
            type Owned = Self;

            #[inline]
            fn into_owned(self) -> Self {
                self
            }
        }
    )*};
}

owned_already!(bool i8 i16 i32 i64 u16 u32 f64 Uuid);

impl<B: ToOwned + ?Sized + 'static> IntoOwned for Cow<'_, B> {
    type Owned = Cow<'static, B>;

    fn into_owned(self) -> Cow<'static, B> {
        Cow::Owned(Self::into_owned(self))
    }
}

impl<T: IntoOwned> IntoOwned for Vec<T> {
    type Owned = Vec<T::Owned>;

    fn into_owned(self) -> Vec<T::Owned> {
        self.into_iter().map(T::into_owned).collect()
    }
}

impl<T: IntoOwned> IntoOwned for Option<T> {
    type Owned = Option<T::Owned>;

    fn into_owned(self) -> Option<T::Owned> {
        self.map(T::into_owned)
    }
}
