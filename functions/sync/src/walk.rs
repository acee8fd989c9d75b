//! The way of a task through the tenants and their sources.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tidegate_core::{
    Error, ErrorCode, Result,
    deadline::Deadline,
    id::TenantId,
    ports::{Filter, MAX_PAGE, Page, Place},
    source::Source,
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::Tasks;

/// What is kept back of a run's time for noting how far it came.
const MARGIN: Duration = Duration::from_secs(5);
/// How long listing sources may take, before each step that goes through them.
pub(crate) const LIST: Duration = Duration::from_secs(10);

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
    /// How many tenants were passed over, because their sources could not be listed.
    unlisted: usize,
    /// How far the way went.
    place: Option<Place>,
}

/// How a run ended.
pub(crate) struct Ended {
    /// Whether it came to the end of the way.
    pub(crate) finished: bool,
    /// How many tenants it passed over, because their sources could not be listed.
    pub(crate) unlisted: usize,
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
        Ok(Self { tasks, task, deadline, step, tenants: VecDeque::new(), more, within, unlisted: 0, place })
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
            let page = self.list(tenant, after, most - sources.len()).await;
            self.within = page.next.map(|last| (tenant, Some(last)));
            let source = page.next.and_then(|_| page.items.last().map(|last| last.id));
            self.place = Some(Place { tenant, source });
            sources.extend(page.items);
        }
        Ok(Some(sources).filter(|sources| !sources.is_empty()))
    }

    /// A page of the sources of a tenant, which is empty and the last when it cannot be read: the others are gone on with.
    async fn list(&mut self, tenant: TenantId, after: Option<Uuid>, most: usize) -> Page<Source> {
        let late = Error::new(ErrorCode::Unavailable, "the sources were not listed in time");
        let filter = Filter::default();
        let listed = timeout(LIST, self.tasks.sources.list(tenant, &filter, after, most)).await.unwrap_or(Err(late));
        listed.unwrap_or_else(|error| {
            tracing::error!(task = self.task, %tenant, ?error, "the sources of a tenant could not be listed");
            self.unlisted += 1;
            Page { items: Vec::new(), next: None }
        })
    }

    /// Notes how far the way went: what lies behind is done.
    pub(crate) async fn note(&self) -> Result<()> {
        self.tasks.progress.note(self.task, self.place).await
    }

    /// Ends the run. When it came to the end of the way, the next one begins at the beginning.
    pub(crate) async fn end(mut self) -> Result<Ended> {
        let finished = self.within.is_none() && self.next_tenant().await?.is_none();
        if self.place.is_some() {
            // Tenants that were passed over lie behind too, and no step noted that.
            self.tasks.progress.note(self.task, self.place.filter(|_| !finished)).await?;
        }
        Ok(Ended { finished, unlisted: self.unlisted })
    }

    async fn next_tenant(&mut self) -> Result<Option<TenantId>> {
        while self.tenants.is_empty()
            && let Some(after) = self.more
        {
            let page = self.tasks.tenants.page(after, MAX_PAGE).await?;
            let open = page.items.iter().filter(|tenant| !tenant.is_closed());
            self.tenants.extend(open.map(|tenant| tenant.id));
            self.more = page.next.map(Some);
        }
        Ok(self.tenants.pop_front())
    }

    fn is_late(&self) -> bool {
        self.deadline.remaining(self.tasks.clock.instant()) < self.step + MARGIN
    }
}
