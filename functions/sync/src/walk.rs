//! The way of a task through the tenants and their sources.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tidegate_core::{
    Error, ErrorCode, Result,
    deadline::Deadline,
    id::TenantId,
    ports::{Filter, MAX_PAGE, Place},
    source::Source,
};
use uuid::Uuid;

use crate::Tasks;

/// What is kept back of a run's time for noting how far it came.
const MARGIN: Duration = Duration::from_secs(5);

/// Goes through the tenants, or through the sources of each, in the order of their ids, from where the run before ended.
pub(crate) struct Walk<'a> {
    tasks: &'a Tasks,
    task: &'static str,
    deadline: Deadline,
    /// What one step may take; none is begun with less time left.
    step: Duration,
    /// The tenants that were read and not begun.
    tenants: VecDeque<TenantId>,
    /// Where the next tenants are read; none when there are no others.
    more: Option<Option<Uuid>>,
    /// The tenant whose sources are gone through, and the last of them.
    within: Option<(TenantId, Option<Uuid>)>,
    /// How far the way went.
    place: Option<Place>,
}

impl<'a> Walk<'a> {
    /// Goes on where the last run of the task ended. A step takes no longer than `step`. `InvalidRequest` when the run has
    /// no time for one.
    pub(crate) async fn begin(
        tasks: &'a Tasks,
        task: &'static str,
        deadline: Deadline,
        step: Duration,
    ) -> Result<Self> {
        let left = deadline.remaining(tasks.clock.instant());
        if left < step + MARGIN {
            let (least, left) = ((step + MARGIN).as_secs(), left.as_secs());
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                format!("`{task}` needs {least} seconds and has {left}: raise `deploy.functions.sync.timeout_s`"),
            ));
        }
        let place = tasks.progress.place(task).await?;
        let within = place.and_then(|place| Some((place.tenant, Some(place.source?.as_uuid()))));
        let more = Some(place.map(|place| place.tenant.as_uuid()));
        Ok(Self { tasks, task, deadline, step, tenants: VecDeque::new(), more, within, place })
    }

    /// The next tenant. None at the end, and when the time is short.
    pub(crate) async fn tenant(&mut self) -> Result<Option<TenantId>> {
        if self.is_late() {
            return Ok(None);
        }
        let next = self.next_tenant().await?;
        self.place = next.map(|tenant| Place { tenant, source: None }).or(self.place);
        Ok(next)
    }

    /// The next sources, `most` of them and of several tenants if there are so many. None at the end, and when the time
    /// is short.
    pub(crate) async fn sources(&mut self, most: usize) -> Result<Option<Vec<Arc<Source>>>> {
        let mut sources = Vec::with_capacity(most);
        while sources.len() < most && !self.is_late() {
            let (tenant, after) = match self.within {
                Some(within) => within,
                None => match self.next_tenant().await? {
                    Some(tenant) => (tenant, None),
                    None => break,
                },
            };
            let page = self.tasks.sources.list(tenant, &Filter::default(), after, most - sources.len()).await?;
            self.within = page.next.map(|last| (tenant, Some(last)));
            let source = page.next.and_then(|_| page.items.last().map(|last| last.id));
            self.place = Some(Place { tenant, source });
            sources.extend(page.items);
        }
        Ok(Some(sources).filter(|sources| !sources.is_empty()))
    }

    /// Notes how far the way went: what lies behind is done.
    pub(crate) async fn note(&self) -> Result<()> {
        self.tasks.progress.note(self.task, self.place).await
    }

    /// Ends the run, and gives back whether it came to the end of the way. Then the next run begins at the beginning.
    pub(crate) async fn end(mut self) -> Result<bool> {
        let is_at_end = self.within.is_none() && self.next_tenant().await?.is_none();
        if is_at_end && self.place.is_some() {
            self.tasks.progress.note(self.task, None).await?;
        }
        Ok(is_at_end)
    }

    async fn next_tenant(&mut self) -> Result<Option<TenantId>> {
        if self.tenants.is_empty()
            && let Some(after) = self.more
        {
            let page = self.tasks.tenants.page(after, MAX_PAGE).await?;
            self.tenants.extend(page.items.iter().map(|tenant| tenant.id));
            self.more = page.next.map(Some);
        }
        Ok(self.tenants.pop_front())
    }

    fn is_late(&self) -> bool {
        self.deadline.remaining(self.tasks.clock.instant()) < self.step + MARGIN
    }
}
