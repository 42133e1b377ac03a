"""The live charts of the curve page: one element for the whole grid, drawn with plotly.js in the browser."""

from glmcore.ui.curve_charts.element import LABELS, ChartsState, Picked, charts_state, show_charts

__all__ = ["LABELS", "ChartsState", "Picked", "charts_state", "show_charts"]
