"""What runs wrote, made visible: log reader, decimation, plotly figures. Knows files, not processes.

Empty until its issue.
"""
