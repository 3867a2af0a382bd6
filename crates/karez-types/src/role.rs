//! Who may do what: token roles, organisation roles, visibility.

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// Returns the word used in the API, in the database and on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// Returns the value that this word names.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                Self::from_word(word).ok_or_else(|| format!("use one of: {}", [$($word),+].join(", ")))
            }
        }
    };
}
pub(crate) use word_enum;

word_enum!(
    /// What an access token may do on behalf of its user, weakest first.
    TokenRole {
        /// Read what the user may read.
        Read = "read",
        /// Also change what the user may change.
        Write = "write",
    }
);

word_enum!(
    /// What a member may do in an organisation, weakest first.
    OrgRole {
        /// Reads the organisation's private repositories.
        Read = "read",
        /// Also pushes to and creates repositories.
        Write = "write",
        /// Also deletes and moves repositories, changes settings and members.
        Admin = "admin",
    }
);

word_enum!(
    /// Who may see a repository.
    Visibility {
        /// Everyone, also without a token.
        Public = "public",
        /// Members of the owner only; to all others it does not exist.
        Private = "private",
    }
);
