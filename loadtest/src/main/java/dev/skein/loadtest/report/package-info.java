/// Reports of a load test: text for a terminal, JSON for programs, one HTML page for people.
///
/// All three are pure functions of a [dev.skein.loadtest.report.Report]. The page holds everything in itself:
/// styles, and charts drawn as SVG by [dev.skein.loadtest.report.Chart], so it can be mailed, archived, and opened
/// without a network. Of several runs a figure is the median, with the least and the most beside it; percentile
/// curves and courses over time pool the runs.
@NullMarked
package dev.skein.loadtest.report;

import org.jspecify.annotations.NullMarked;
