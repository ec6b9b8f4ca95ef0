//! How things are at the moment: what is counted elsewhere, read when somebody asks.

use std::fmt::Error;
use std::time::Duration;

use ostro_core::TimesTaken;
use ostro_journal::StateCounts;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::app::App;
use crate::limits::LimitFigures;
use crate::single::SingleFigures;

#[derive(Debug)]
pub(super) struct Figures {
    runtime: ostro_runtime::Figures,
    journal: ostro_journal::Figures,
    limits: LimitFigures,
    single: SingleFigures,
    subscribers: usize,
}

impl Figures {
    pub(super) fn of(app: &App) -> Self {
        Self {
            runtime: app.runtime.figures(),
            journal: app.journal.figures(),
            limits: app.limits.figures(),
            single: app.single.figures(),
            subscribers: app.feed.subscribers(),
        }
    }

    fn states(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        // Nobody has counted yet, or somebody else has the journal.
        let Some(tally) = &self.journal.tally else {
            return Ok(());
        };
        writer.states(
            "executions",
            "Executions that are kept, by state",
            &tally.executions,
        )?;
        writer.states(
            "tasks",
            "Task executions that are kept, by state",
            &tally.tasks,
        )
    }

    fn work(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let Self {
            runtime, single, ..
        } = self;
        for (name, help, value) in [
            (
                "executions_in_memory",
                "Executions that are in memory",
                runtime.executions_in_memory,
            ),
            (
                "action_slots",
                "How many actions of workflows may run at a time",
                runtime.action_slots,
            ),
            (
                "actions_running",
                "Actions of workflows that run",
                runtime.actions_running,
            ),
            (
                "actions_waiting",
                "Actions of workflows that wait for a slot",
                runtime.actions_waiting,
            ),
            (
                "single_actions_running",
                "Actions without a workflow that run",
                single.running,
            ),
            (
                "single_actions_waiting",
                "Actions without a workflow that wait for a slot",
                single.waiting,
            ),
            (
                "turns_stalled",
                "Turns that wait for a disk that has failed",
                runtime.turns_stalled,
            ),
        ] {
            writer.gauge(name, help, value)?;
        }
        writer.times(
            "turn_duration_seconds",
            "How long turns took from their decision until they were durable",
            &runtime.turn_times,
        )
    }

    fn journal(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let journal = &self.journal;
        for (name, help, value) in [
            (
                "journal_commits",
                "Commits of turns in the journal",
                journal.commits,
            ),
            (
                "journal_turns",
                "Turns that the journal has committed",
                journal.turns,
            ),
            (
                "journal_failures",
                "Groups of turns that the disk did not take",
                journal.failures,
            ),
        ] {
            writer.counter(name, help, value)?;
        }
        writer.times(
            "journal_commit_duration_seconds",
            "How long commits of the journal took",
            &journal.commit_times,
        )?;
        writer.gauge(
            "journal_queue_turns",
            "Turns that wait to be written",
            journal.queued_turns,
        )?;
        writer.gauge(
            "journal_queue_bytes",
            "Bytes of the turns that wait to be written",
            journal.queued_bytes,
        )
    }

    fn http(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let limits = &self.limits;
        writer.gauge(
            "http_connections",
            "Connections that are there",
            limits.connections,
        )?;
        writer.counter(
            "http_connections_refused",
            "Connections that were too many",
            limits.refused,
        )?;
        writer.gauge(
            "http_requests_under_way",
            "Requests that have come and are not answered",
            limits.requests,
        )?;
        writer.gauge(
            "feed_subscribers",
            "Those who watch the feed",
            self.subscribers,
        )
    }
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut writer = Writer(encoder);
        self.states(&mut writer)?;
        self.work(&mut writer)?;
        self.journal(&mut writer)?;
        self.http(&mut writer)
    }
}

struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: usize) -> Result<(), Error> {
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        self.0
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn states(&mut self, name: &str, help: &str, counts: &StateCounts) -> Result<(), Error> {
        let kind = MetricType::Gauge;
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (state, count) in counts.iter() {
            let labels = [("state", state.as_str())];
            family.encode_family(&labels)?.encode_gauge(&count)?;
        }
        Ok(())
    }

    fn times(&mut self, name: &str, help: &str, times: &TimesTaken) -> Result<(), Error> {
        let bound = |(bound, count): (Option<Duration>, u64)| {
            let bound = bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64());
            (bound, count)
        };
        let buckets: Vec<(f64, u64)> = times.classes().map(bound).collect();
        let sum = times.sum().as_secs_f64();
        self.0
            .encode_descriptor(name, help, None, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(sum, times.count(), &buckets, None)
    }
}
