//! Routes, and the list of them: what is served is declared once, with the rule of the policy that
//! guards it.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodFilter, MethodRouter};

use super::about::{About, Gives, Takes};
use super::given::Shape;
use crate::app::App;
use crate::query::Resource;

/// A route, as it is declared.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its method; none for all. What answers GET answers HEAD, too.
    pub method: Option<Method>,
    /// Its address, with `{name}` for each part that callers fill in.
    pub path: String,
    /// What it is about.
    pub(crate) about: About,
    /// The policy rule that a caller has to pass, as Mistral calls it: `executions:create`. None
    /// where any caller may.
    pub rule: Option<&'static str>,
    /// Whether those are answered, too, who do not say who they are.
    pub is_open: bool,
}

/// Routes with what answers them.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<App>,
    declared: Vec<Route>,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// `handler` answers GET.
    pub(super) fn get<H: Handler<T, App>, T: 'static>(
        self,
        path: &str,
        rule: impl Into<Option<&'static str>>,
        handler: H,
    ) -> Self {
        self.on(Method::GET, MethodFilter::GET, path, rule.into(), handler)
    }

    /// `handler` answers POST.
    pub(super) fn post<H: Handler<T, App>, T: 'static>(
        self,
        path: &str,
        rule: impl Into<Option<&'static str>>,
        handler: H,
    ) -> Self {
        self.on(Method::POST, MethodFilter::POST, path, rule.into(), handler)
    }

    /// `handler` answers PUT.
    pub(super) fn put<H: Handler<T, App>, T: 'static>(
        self,
        path: &str,
        rule: impl Into<Option<&'static str>>,
        handler: H,
    ) -> Self {
        self.on(Method::PUT, MethodFilter::PUT, path, rule.into(), handler)
    }

    /// `handler` answers DELETE.
    pub(super) fn delete<H: Handler<T, App>, T: 'static>(
        self,
        path: &str,
        rule: impl Into<Option<&'static str>>,
        handler: H,
    ) -> Self {
        let (method, filter) = (Method::DELETE, MethodFilter::DELETE);
        self.on(method, filter, path, rule.into(), handler)
    }

    /// `handler` answers all methods.
    pub(super) fn any<H: Handler<T, App>, T: 'static>(
        self,
        path: &str,
        rule: impl Into<Option<&'static str>>,
        handler: H,
    ) -> Self {
        self.declare(None, path, rule.into(), routing::any(handler))
    }

    fn on<H: Handler<T, App>, T: 'static>(
        self,
        method: Method,
        filter: MethodFilter,
        path: &str,
        rule: Option<&'static str>,
        handler: H,
    ) -> Self {
        self.declare(Some(method), path, rule, routing::on(filter, handler))
    }

    fn declare(
        mut self,
        method: Option<Method>,
        path: &str,
        rule: Option<&'static str>,
        answers: MethodRouter<App>,
    ) -> Self {
        self.declared.push(Route {
            method,
            path: path.to_owned(),
            about: About::default(),
            rule,
            is_open: false,
        });
        self.router = self.router.route(path, answers);
        self
    }

    /// These, for all: also for those who do not say who they are.
    pub(super) fn open(mut self) -> Self {
        for route in &mut self.declared {
            route.is_open = true;
        }
        self
    }

    /// What the route before does, in a few words.
    pub(super) fn about(self, summary: &'static str) -> Self {
        self.with(|about| about.summary = summary)
    }

    /// The route before takes an object.
    pub(super) fn takes(self, shape: &'static Shape) -> Self {
        self.with(|about| about.takes = Takes::Json(shape))
    }

    /// The route before takes definitions.
    pub(super) fn takes_definitions(self) -> Self {
        self.with(|about| about.takes = Takes::Definitions)
    }

    /// The route before gives a page of rows.
    pub(super) fn lists(self, resource: &'static Resource) -> Self {
        self.with(|about| about.gives = Gives::List(resource))
    }

    /// The route before gives one row.
    pub(super) fn gives(self, resource: &'static Resource) -> Self {
        self.with(|about| about.gives = Gives::One(resource))
    }

    /// The route before gives a text of this type.
    pub(super) fn gives_text(self, kind: &'static str) -> Self {
        self.with(|about| about.gives = Gives::Text(kind))
    }

    /// The route before gives server-sent events.
    pub(super) fn gives_events(self) -> Self {
        self.gives_text("text/event-stream")
    }

    /// The route before gives no body.
    pub(super) fn gives_nothing(self) -> Self {
        self.with(|about| about.gives = Gives::Nothing)
    }

    /// The query of the route before may have these.
    pub(super) fn options(self, options: &'static [&'static str]) -> Self {
        self.with(|about| about.options = options)
    }

    fn with(mut self, change: impl FnOnce(&mut About)) -> Self {
        if let Some(route) = self.declared.last_mut() {
            change(&mut route.about);
        }
        self
    }

    /// These, and `others`.
    pub(super) fn merge(mut self, others: Self) -> Self {
        self.declared.extend(others.declared);
        self.router = self.router.merge(others.router);
        self
    }

    /// These, and `others` below `path`.
    pub(super) fn nest(mut self, path: &str, others: Self) -> Self {
        let below = others.declared.into_iter().map(|route| Route {
            path: format!("{path}{}", route.path),
            ..route
        });
        self.declared.extend(below);
        self.router = self.router.nest(path, others.router);
        self
    }

    /// What answers, and what was declared.
    pub(super) fn into_parts(self) -> (Router<App>, Vec<Route>) {
        (self.router, self.declared)
    }
}
