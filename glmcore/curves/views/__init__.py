"""From curves to what is looked at: axes, smoothing, decimation, marks, groups, figures. Touches no file."""
