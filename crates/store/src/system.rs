//! The machine's clock and random numbers.

use std::time::Instant;

use chrono::{DateTime, Utc};
use tidegate_core::{
    Error, Result,
    ports::{Clock, Ids},
};
use uuid::Uuid;

/// The clocks of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// Ids and randomness of the operating system. Ids of one process sort by the order they were made in.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<()> {
        fill_random(buffer)
    }
}

/// Fills a buffer from the operating system's generator.
pub(crate) fn fill_random(buffer: &mut [u8]) -> Result<()> {
    getrandom::fill(buffer).map_err(|error| Error::internal(error).with_context("no random numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_order_they_are_made_in() {
        let ids: Vec<_> = (0..1000).map(|_| SystemIds.uuid()).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }

    #[test]
    fn two_random_fills_differ() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemIds.random(&mut a).unwrap();
        SystemIds.random(&mut b).unwrap();
        assert_ne!(a, b);
    }
}
