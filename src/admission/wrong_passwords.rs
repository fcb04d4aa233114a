//! Bounds how often an address may guess an administrator's password.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::addresses::{AddressTable, Expires};
use crate::policy::Refusal;
use crate::token_bucket::{Bucket, Rate};

/// Wrong passwords of one address.
const WRONG: Rate = Rate::one_per(Duration::from_secs(6), 10);

/// The addresses that gave wrong passwords lately.
#[derive(Debug, Default)]
pub(super) struct WrongPasswords(Mutex<AddressTable<Wrong>>);

#[derive(Debug, Default)]
struct Wrong(Bucket);

impl Expires for Wrong {
    fn is_expired(&mut self, now: Instant) -> bool {
        self.0.is_full(now)
    }
}

impl WrongPasswords {
    /// Asks `is_right` about a password, if the address has not failed too often. Right ones cost nothing.
    pub fn check(&self, address: IpAddr, is_right: impl FnOnce() -> bool) -> Result<(), Refusal> {
        let now = Instant::now();
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Wrong(bucket)) = table.entry(address, now) else {
            // So many addresses guess at once that not even the right one is let in.
            return Err(Refusal::Login { wait: Some(Duration::from_secs(60)) });
        };
        let checked = match WRONG.take(*bucket, 1, now) {
            Err(wait) => Err(Refusal::Login { wait: Some(wait) }),
            Ok(_) if is_right() => Ok(()),
            Ok(left) => {
                *bucket = left;
                Err(Refusal::Login { wait: None })
            }
        };
        table.remove_if_expired(address, now);
        checked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_guesses_ten_times_and_then_waits() {
        let passwords = WrongPasswords::default();
        let (mine, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut asked = 0;
        for _ in 0..50 {
            let wrong = passwords.check(mine, || {
                asked += 1;
                false
            });
            assert!(wrong.is_err());
        }
        assert_eq!(asked, 10);
        let wait = Some(Duration::from_secs(6));
        assert_eq!(
            passwords.check(mine, || true),
            Err(Refusal::Login { wait }),
            "not even the right one"
        );
        assert_eq!(passwords.check(other, || true), Ok(()));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(passwords.check(mine, || true), Ok(()));
        assert_eq!(passwords.check(mine, || false), Err(Refusal::Login { wait: None }));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(passwords.check(mine, || true), Ok(()));
        assert!(passwords.0.lock().unwrap().get_mut(mine).is_none(), "it is forgotten");
    }
}
