//! A plot as SVG: curves over the number of objects, which grows by factors and so has a
//! logarithmic axis.

use std::fmt::Write;

use super::table::real;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 50.0;
/// Each with a dash of its own, so that they can be told apart without colours.
const STYLES: [(&str, &str); 2] = [("#0b5fa5", "none"), ("#c2570c", "6 4")];

/// A curve: its name and its points, by the number of objects.
pub(super) type Curve<'a> = (&'a str, &'a [(usize, f64)]);

/// At most two curves.
pub(super) fn plot(title: &str, curves: &[Curve<'_>]) -> String {
    let points = || curves.iter().flat_map(|(_, points)| points.iter().copied());
    let sizes = points().map(|(size, _)| real(size.max(1)).log10());
    let (first, last) =
        sizes.fold((f64::MAX, f64::MIN), |(low, high), size| (low.min(size), high.max(size)));
    let top = round_up(points().map(|(_, value)| value).fold(0.0, f64::max));
    let span = if last > first { last - first } else { 1.0 };
    let x = |size: usize| {
        LEFT + 20.0 + (real(size.max(1)).log10() - first) / span * (WIDTH - LEFT - RIGHT - 40.0)
    };
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
            font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{title}</text>\n"
    );
    for step in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (at, value) = (y(top * step), top * step);
        let digits = if top < 8.0 { 2 } else { 0 };
        line(&mut svg, (LEFT, at), (WIDTH - RIGHT, at), "#dddddd");
        text(&mut svg, (LEFT - 6.0, at + 4.0), "end", &format!("{value:.digits$}"));
    }
    let mut sizes: Vec<usize> = points().map(|(size, _)| size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for size in sizes {
        line(&mut svg, (x(size), y(0.0)), (x(size), y(0.0) + 5.0), "#333333");
        text(&mut svg, (x(size), y(0.0) + 19.0), "middle", &size.to_string());
    }
    text(&mut svg, (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 10.0), "middle", "objects");
    for (number, ((name, points), (colour, dash))) in curves.iter().zip(STYLES).enumerate() {
        let path: Vec<String> = points
            .iter()
            .map(|(size, value)| format!("{:.1},{:.1}", x(*size), y(*value)))
            .collect();
        let style = format!(
            "fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\""
        );
        let _ = writeln!(svg, "<polyline points=\"{}\" {style}/>", path.join(" "));
        for (size, value) in *points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"/>",
                x(*size),
                y(*value)
            );
        }
        let (at, middle) = (LEFT + 160.0 * real(number), TOP - 14.0);
        let _ = writeln!(svg, "<path d=\"M{at} {}h28\" {style}/>", middle - 4.0);
        text(&mut svg, (at + 34.0, middle), "start", name);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Writing into a String does not fail.
fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let (x1, y1, x2, y2) = (from.0, from.1, to.0, to.1);
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>"
    );
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>",
        at.0, at.1
    );
}

/// The next of 1, 2, 4 and 8 times a power of ten, whose quarters are easy to read.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(0.01).log10().floor());
    let step = [1.0, 2.0, 4.0, 8.0, 10.0].into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::{plot, round_up};

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, expected) in
            [(0.9, 1.0), (3.0, 4.0), (81.0, 100.0), (100.0, 100.0), (430.0, 800.0)]
        {
            assert!((round_up(value) - expected).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn one_size_is_a_plot_too() {
        let svg = plot("Ready", &[("operator", &[(100, 5.0)]), ("control", &[])]);
        assert!(svg.starts_with("<svg") && !svg.contains("NaN"), "{svg}");
    }
}
