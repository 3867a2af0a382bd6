//! `karez line`

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use karez_catalog::Catalog;
use karez_federation::follow::{line_allowance, line_load, line_read, line_used};
use karez_federation::policy::line::{Line, Window};
use karez_federation::policy::units::{Days, parse_bytes, parse_hours, parse_offset, parse_rate, show_bytes};
use karez_types::Timestamp;
use serde_json::{Value, json};

use super::cli::{Line as Command, LineSet};
use crate::config::Settings;
use crate::{node, print};

/// Runs one command.
pub async fn run(command: Command, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let (catalog, now) = (hub.catalog(), hub.clock().now());
    match command {
        Command::Set(set) => {
            let line = changed(line_load(catalog, &set.name).await?, &set)?;
            catalog.line_set(&line.name, &serde_json::to_string(&line)?).await?;
            let (json, _) = view(catalog, &line, now).await?;
            let allowance = line_allowance(catalog, &line, now).await?;
            print::either(as_json, &json, &format!("The line {} is now: {}.", line.name, allowance.why));
        }
        Command::List => {
            let (mut json, mut cells) = (Vec::new(), Vec::new());
            for row in catalog.line_list().await? {
                let (value, row) = view(catalog, &line_read(&row.name, &row.settings), now).await?;
                json.push(value);
                cells.push(row);
            }
            let heading = ["LINE", "COST", "THIS MONTH", "NOW"];
            let when_empty = "No lines are set: peers are asked at any time, as fast as it goes.";
            print::table(as_json, &Value::Array(json), &heading, &cells, when_empty);
        }
        Command::Remove { name } => {
            if !catalog.line_delete(&name).await? {
                bail!("there is no line {name}. To see all: karez line list");
            }
            print::either(as_json, &json!({ "removed": name }), &format!("The line {name} is forgotten."));
        }
    }
    catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Changes what was named.
fn changed(mut line: Line, set: &LineSet) -> anyhow::Result<Line> {
    line.name.clone_from(&set.name);
    if let Some(rate) = &set.rate {
        line.rate_bytes_per_sec_max = if rate == "none" { None } else { Some(parse_rate(rate)?) };
    }
    if let Some(month) = &set.month {
        line.month_bytes_max = if month == "none" { None } else { Some(parse_bytes(month)?) };
    }
    if let Some(cost) = &set.cost {
        line.cost = cost.parse().map_err(|error: String| anyhow!(error))?;
    }
    if let Some(offset) = &set.utc_offset {
        line.utc_offset = parse_offset(offset)?;
    }
    if set.window.iter().any(|window| window == "always") {
        line.windows.clear();
    } else if !set.window.is_empty() {
        line.windows = set.window.iter().map(|text| window(text)).collect::<anyhow::Result<_>>()?;
    }
    line.check().map_err(|error| anyhow!(error))?;
    Ok(line)
}

/// Reads `22:00-06:00` or `sat,sun 00:00-24:00`.
fn window(text: &str) -> anyhow::Result<Window> {
    let (days, hours) = match text.trim().rsplit_once(' ') {
        Some((days, hours)) => (Days::parse(days.trim())?, hours),
        None => (Days::ALL, text),
    };
    Ok(Window { days, hours: parse_hours(hours)?, rate_bytes_per_sec_max: None })
}

/// Returns a line for programs and for people.
async fn view(catalog: &Catalog, line: &Line, now: Timestamp) -> anyhow::Result<(Value, Vec<String>)> {
    let allowance = line_allowance(catalog, line, now).await?;
    let used = line_used(catalog, line, now).await?;
    let mut json = serde_json::to_value(line)?;
    json["used_bytes"] = used.into();
    json["is_open"] = allowance.may_start.into();
    json["until"] = serde_json::to_value(allowance.until)?;
    json["why"] = allowance.why.as_str().into();
    Ok((json, vec![line.name.clone(), line.cost.to_string(), show_bytes(used), allowance.why]))
}

#[cfg(test)]
mod tests {
    use karez_federation::policy::line::CostClass;

    use super::*;

    fn set() -> LineSet {
        LineSet { name: "sat".into(), rate: None, window: Vec::new(), month: None, cost: None, utc_offset: None }
    }

    #[test]
    fn what_is_not_named_stays() {
        let all = LineSet {
            rate: Some("1 Mbit/s".into()),
            window: vec!["22:00-06:00".into(), "sat,sun 00:00-24:00".into()],
            month: Some("20 GB".into()),
            cost: Some("night".into()),
            utc_offset: Some("+05:00".into()),
            ..set()
        };
        let line = changed(Line::open("sat", CostClass::Metered), &all).unwrap();
        assert_eq!((line.rate_bytes_per_sec_max, line.month_bytes_max), (Some(125_000), Some(20_000_000_000)));
        assert_eq!((line.windows.len(), line.cost, line.utc_offset), (2, CostClass::Night, 300));
        let less = LineSet { window: vec!["always".into()], month: Some("none".into()), ..set() };
        let line = changed(line, &less).unwrap();
        assert_eq!((line.rate_bytes_per_sec_max, line.month_bytes_max, line.windows.len()), (Some(125_000), None, 0));
    }

    #[test]
    fn wrong_words_are_refused() {
        let line = || Line::open("sat", CostClass::Metered);
        for wrong in [
            LineSet { rate: Some("fast".into()), ..set() },
            LineSet { rate: Some("0 Mbit/s".into()), ..set() },
            LineSet { window: vec!["22-6".into()], ..set() },
            LineSet { month: Some("20 Gb".into()), ..set() },
            LineSet { cost: Some("cheap".into()), ..set() },
            LineSet { name: "a b".into(), ..set() },
        ] {
            assert!(changed(line(), &wrong).is_err(), "{wrong:?}");
        }
    }
}
