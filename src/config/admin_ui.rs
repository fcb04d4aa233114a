//! What the Admin UI sees.

use std::str::FromStr;

/// The setting `admin-ui`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AdminUi {
    /// There is no such namespace.
    Off,
    /// Numbers alone.
    #[default]
    Production,
    /// Each socket with its rooms, and each event that clients send or get.
    Development,
}

impl FromStr for AdminUi {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(AdminUi::Off),
            "production" => Ok(AdminUi::Production),
            "development" => Ok(AdminUi::Development),
            other => {
                let other: String = other.chars().take(64).collect();
                Err(format!("expected off, production or development, not {other:?}"))
            }
        }
    }
}
