//! The check of tokens, by the settings.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};

use crate::accounts::{Accounts, Claims, Origin, check_url};
use crate::config::{self, Auth, Settings};

/// What checks tokens; `None` if there are guests alone.
///
/// # Errors
/// If the file with the keys has none.
pub fn open(settings: &Settings) -> Result<Option<Arc<Accounts>>> {
    if settings.auth == Auth::None {
        return Ok(None);
    }
    let origin = match (&settings.auth_secret, &settings.auth_keys) {
        (Some(secret), _) => Origin::Secret(secret.as_bytes().to_vec()),
        (None, Some(url)) if config::is_url(url) => {
            Origin::Url(check_url(url).map_err(|error| anyhow!(error)).context("auth-keys")?)
        }
        (None, Some(path)) => Origin::File(PathBuf::from(path)),
        (None, None) => return Err(anyhow!("auth: there are no keys")),
    };
    let claims = Claims {
        issuer: settings.auth_issuer.clone(),
        audience: settings.auth_audience.clone(),
        name: settings.auth_name_claim.clone(),
        roles: settings.auth_roles_claim.clone(),
        rooms: settings.auth_rooms_claim.clone(),
    };
    let accounts = Accounts::new(settings.auth == Auth::Required, claims, origin)
        .map_err(|error| anyhow!(error))
        .context("auth-keys")?;
    Ok(Some(Arc::new(match &settings.auth_cookie {
        Some(name) => accounts.cookie(name),
        None => accounts,
    })))
}
