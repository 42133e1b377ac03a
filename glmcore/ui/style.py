"""The few rules of style that Streamlit has no option for."""

# Keys of buttons that show an icon alone; their label is there for screen readers.
_ICON_BUTTONS = (
    "[class*='st-key-edit_']",
    "[class*='st-key-previous_']",
    "[class*='st-key-next_']",
    "[class*='st-key-answer_menu_']",
    ".st-key-regenerate",
    ".st-key-conversation_menu",
)
_ICON_LABELS = ", ".join(f"{button} button [data-testid='stMarkdownContainer']" for button in _ICON_BUTTONS)

STYLE = f"""<style>
/* Streamlit's own "Stop" ends the drawing only, not the answer; it would be taken for ours. */
[data-testid='stStatusWidget'] {{display: none}}
/* Titles in the conversation list start where the eye looks for them. */
[class*='st-key-open_'] button > div {{justify-content: flex-start}}
{_ICON_LABELS} {{position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)}}
</style>"""

# A page that is wide for what it shows: less empty room around it.
WIDE_STYLE = """<style>
@media (min-width: 640px) {[data-testid='stMainBlockContainer'] {padding: 4rem 2.5rem 6rem}}
</style>"""
