//! Enums whose values have a name in a text: a link, the stored settings, a list of a form.

/// Defines an enum with a name for each value, and with `ALL`, `name` and `from_name`.
macro_rules! named_enum {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $Enum:ident {
            $($(#[$value_meta:meta])* $Value:ident = $name:literal,)+
        }
    ) => {
        $(#[$meta])*
        $visibility enum $Enum {
            $($(#[$value_meta])* $Value,)+
        }

        impl $Enum {
            /// All values, in the order in which they are offered.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$Value),+];

            /// Returns its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$Value => $name,)+
                }
            }

            /// Returns the value with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.name() == name)
            }
        }
    };
}

pub(crate) use named_enum;
