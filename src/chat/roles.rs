//! Roles: what a person may do beyond what everybody may.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Roles of one person at most. Of more, the first count.
const MAX_ROLES: usize = 32;
/// Bytes of the name of a role. A longer one is none.
const MAX_BYTES: usize = 64;

/// What decides who may mute, kick and ban whom: somebody may do that to people of a lower rank, and to no others.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rank {
    /// Whoever is no moderator.
    #[default]
    Nobody,
    Moderator,
    Admin,
    /// Who acts by the admin API. No person has it.
    Operator,
}

impl Rank {
    /// The role that people are shown beside the name.
    pub fn shown(self) -> Option<&'static str> {
        match self {
            Rank::Nobody | Rank::Operator => None,
            Rank::Moderator => Some(Roles::MODERATOR),
            Rank::Admin => Some(Roles::ADMIN),
        }
    }
}

/// The roles of a person: names that a token gives, each once, at most 32. Guests have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles(Option<Arc<[Box<str>]>>);

impl Roles {
    /// Who has it may delete messages, mute, kick and ban.
    pub const MODERATOR: &'static str = "moderator";
    /// Who has it may do all that moderators may, to moderators as well.
    pub const ADMIN: &'static str = "admin";

    /// The roles of these names. A name has 1–64 bytes; others are left out.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<Box<str>> = Vec::new();
        for name in names {
            let fits = (1..=MAX_BYTES).contains(&name.len());
            if fits && all.len() < MAX_ROLES && all.iter().all(|it| **it != *name) {
                all.push(name.into());
            }
        }
        Roles((!all.is_empty()).then(|| all.into()))
    }

    /// Whether a role of exactly this name is among them.
    pub fn has(&self, role: &str) -> bool {
        self.iter().any(|it| it == role)
    }

    /// The names, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|all| all.iter()).map(|it| &**it)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether they have power over others: moderators and administrators.
    pub fn may_moderate(&self) -> bool {
        self.has(Self::MODERATOR) || self.is_admin()
    }

    /// The highest rank that they give.
    pub fn rank(&self) -> Rank {
        match self.may_moderate() {
            true if self.is_admin() => Rank::Admin,
            true => Rank::Moderator,
            false => Rank::Nobody,
        }
    }

    /// The role that people are shown beside the name: `admin` or `moderator`.
    pub fn shown(&self) -> Option<&'static str> {
        self.rank().shown()
    }

    /// Reads such a role.
    pub fn read_shown(role: &str) -> Option<&'static str> {
        [Self::ADMIN, Self::MODERATOR].into_iter().find(|it| *it == role)
    }

    /// Whether nobody has power over who has them.
    pub fn is_admin(&self) -> bool {
        self.has(Self::ADMIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_few_and_short_and_known_by_their_exact_names() {
        let none = Roles::default();
        assert!(none.is_empty() && !none.may_moderate() && none == Roles::new([]));
        let long = "x".repeat(65);
        assert!(Roles::new(["", &long]).is_empty());
        let roles = Roles::new(["team", "moderator", "team"]);
        assert_eq!(roles.iter().collect::<Vec<_>>(), ["team", "moderator"]);
        assert!(roles.has("team") && roles.may_moderate() && !roles.is_admin());
        assert!(!Roles::new(["Moderator", "admins", "moderator "]).may_moderate());
        assert!(Roles::new(["admin"]).may_moderate());
        let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        assert_eq!(Roles::new(many.iter().map(String::as_str)).iter().count(), 32);
    }

    #[test]
    fn one_role_of_power_is_shown_the_greater_one() {
        for (roles, shown) in [
            (&["moderator"][..], Some("moderator")),
            (&["moderator", "admin"], Some("admin")),
            (&["team"], None),
            (&[], None),
        ] {
            assert_eq!(Roles::new(roles.iter().copied()).shown(), shown);
        }
        for (word, read) in
            [("moderator", Some("moderator")), ("admin", Some("admin")), ("team", None), ("", None)]
        {
            assert_eq!(Roles::read_shown(word), read, "{word}");
        }
    }
}
