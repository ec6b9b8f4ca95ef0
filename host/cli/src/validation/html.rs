//! A run of validations as one page: nothing is loaded, no script is needed.

use std::fmt::Write as _;

use super::markup::escape;
use super::result::{Outcome, Report, Status};
use crate::text::duration;

/// The look of the page.
const STYLE: &str = include_str!("report.css");

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n\
         <title>Validations: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        report.counts()
    );
    head(&mut page, report);
    overview(&mut page, report);
    for (number, result) in report.results.iter().enumerate() {
        details(&mut page, number, result);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn head(page: &mut String, report: &Report) {
    // Writing to a string cannot fail, here and below.
    let _ = write!(page, "<h1>Validations</h1>\n<p class=\"counts\">");
    for status in Status::ALL {
        let count = report.count(status);
        if count > 0 {
            let _ = write!(page, "{} <b>{count}</b> ", pill(status));
        }
    }
    page.push_str("</p>\n");
    if report.interrupted {
        page.push_str("<p><b>The run was interrupted.</b> Not all of it is known.</p>\n");
    }
    page.push_str("<dl class=\"facts\">\n");
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(value));
    };
    fact("Began", &report.started_at.date());
    fact("Took", &duration(report.took().as_secs_f64()));
    if let Some(plan) = &report.plan {
        fact("Plan", plan);
    }
    if let Some(cloud) = &report.cloud {
        fact("Cloud", cloud);
    }
    fact("Run", &report.id);
    page.push_str("</dl>\n");
}

fn overview(page: &mut String, report: &Report) {
    page.push_str(
        "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Status</th>\
         <th scope=\"col\">Validation</th><th scope=\"col\">Groups</th>\
         <th scope=\"col\">Found</th><th scope=\"col\">Took</th></tr></thead>\n<tbody>\n",
    );
    for (number, result) in report.results.iter().enumerate() {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td><a href=\"#v{number}\">{}</a><br><code>{}</code></td>\
             <td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            pill(result.status),
            escape(&result.name),
            escape(&result.id),
            escape(&result.groups.join(", ")),
            result.findings.len(),
            duration(result.took().as_secs_f64())
        );
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn details(page: &mut String, number: usize, result: &Outcome) {
    let _ = write!(
        page,
        "<section id=\"v{number}\">\n<h2>{} {}</h2>\n<p class=\"about\"><code>{}</code>",
        pill(result.status),
        escape(&result.name),
        escape(&result.id),
    );
    if !result.description.is_empty() {
        let _ = write!(page, " · {}", escape(&result.description));
    }
    page.push_str("</p>\n");
    if let Some(cause) = result.cause {
        let _ = writeln!(page, "<p>No answer: {}.</p>", cause.blame());
    }
    let _ = writeln!(page, "<p class=\"summary\">{}</p>", escape(&result.summary));
    if !result.findings.is_empty() {
        page.push_str("<ul>\n");
        for finding in &result.findings {
            let _ = write!(
                page,
                "<li><b>{}</b>: <span class=\"message\">{}</span>",
                escape(&finding.subject),
                escape(&finding.message)
            );
            if let Some(hint) = &finding.hint {
                let _ = write!(
                    page,
                    "<br><span class=\"hint\"><i>Hint:</i> {}</span>",
                    escape(hint)
                );
            }
            page.push_str("</li>\n");
        }
        page.push_str("</ul>\n");
    }
    if !result.notes.is_empty() {
        page.push_str("<details><summary>Notes for the operator</summary>\n<ul>\n");
        for note in &result.notes {
            let _ = writeln!(page, "<li class=\"message\">{}</li>", escape(note));
        }
        page.push_str("</ul>\n</details>\n");
    }
    page.push_str("</section>\n");
}

fn pill(status: Status) -> String {
    let word = status.as_str();
    format!("<span class=\"pill {}\">{word}</span>", word.to_lowercase())
}
