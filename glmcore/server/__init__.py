"""What one server process shares, and its life from start to end. Knows neither Streamlit nor HTTP."""
