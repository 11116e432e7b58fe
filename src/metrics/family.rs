//! Metric families made at the moment of a scrape from plain numbers.
//!
//! The counters live where the counting happens (storage and wire know nothing
//! of Prometheus); this turns them into what the text encoder prints.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

/// A value that can go down.
pub(super) fn gauge(name: &str, help: &str, value: f64) -> MetricFamily {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    family(
        name,
        help,
        MetricType::GAUGE,
        vec![Metric::from_gauge(gauge)],
    )
}

/// Values that can go down, told apart by one label.
pub(super) fn labelled_gauge(
    name: &str,
    help: &str,
    label: &str,
    values: &[(String, f64)],
) -> MetricFamily {
    let metrics = values.iter().map(|(value_of_label, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(label.to_owned());
        pair.set_value(value_of_label.clone());
        let mut gauge = Gauge::default();
        gauge.set_value(*value);
        let mut metric = Metric::from_gauge(gauge);
        metric.set_label(vec![pair]);
        metric
    });
    family(name, help, MetricType::GAUGE, metrics.collect())
}

/// A count since the start of the process.
pub(super) fn counter(name: &str, help: &str, value: u64) -> MetricFamily {
    family(name, help, MetricType::COUNTER, vec![counted(value)])
}

/// Counts since the start of the process, told apart by one label.
pub(super) fn labelled_counter(
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, u64)],
) -> MetricFamily {
    let metrics = values.iter().map(|(value_of_label, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(label.to_owned());
        pair.set_value((*value_of_label).to_owned());
        let mut metric = counted(*value);
        metric.set_label(vec![pair]);
        metric
    });
    family(name, help, MetricType::COUNTER, metrics.collect())
}

fn counted(value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::default();
    metric.set_counter(counter);
    metric
}

/// Durations by upper bound. `buckets` holds, for each bound in seconds in
/// ascending order, how many observations fell between the bound before and
/// this one; `overflow` those above the last.
pub(super) fn histogram(
    name: &str,
    help: &str,
    buckets: impl IntoIterator<Item = (f64, u64)>,
    overflow: u64,
    sum_seconds: f64,
) -> MetricFamily {
    let mut below = 0u64;
    let mut cumulative = Vec::new();
    for (bound, inside) in buckets {
        below = below.saturating_add(inside);
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(below);
        cumulative.push(bucket);
    }
    let mut histogram = Histogram::default();
    histogram.set_bucket(cumulative);
    histogram.set_sample_count(below.saturating_add(overflow));
    histogram.set_sample_sum(sum_seconds);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    family(name, help, MetricType::HISTOGRAM, vec![metric])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn text(families: &[MetricFamily]) -> String {
        prometheus::TextEncoder::new()
            .encode_to_string(families)
            .unwrap()
    }

    #[test]
    fn buckets_are_cumulative_and_end_in_infinity() {
        let family = histogram("t_seconds", "Help.", [(0.001, 3), (0.01, 4)], 2, 0.5);
        let text = text(&[family]);
        for line in [
            "# TYPE t_seconds histogram",
            "t_seconds_bucket{le=\"0.001\"} 3",
            "t_seconds_bucket{le=\"0.01\"} 7",
            "t_seconds_bucket{le=\"+Inf\"} 9",
            "t_seconds_sum 0.5",
            "t_seconds_count 9",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn labels_are_written() {
        let family = labelled_counter("t_total", "Help.", "operation", &[("a", 1), ("b", 2)]);
        let text = text(&[family, gauge("t_ratio", "Help.", 0.25)]);
        assert!(text.contains("t_total{operation=\"a\"} 1"), "{text}");
        assert!(text.contains("t_total{operation=\"b\"} 2"), "{text}");
        assert!(text.contains("t_ratio 0.25"), "{text}");
    }
}
