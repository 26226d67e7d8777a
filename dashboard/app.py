"""The script that Streamlit runs for every view: navigation, and the page that is asked for."""

from __future__ import annotations

import streamlit as st

from dashboard import pages
from dashboard.kit import layout


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="hearspace", page_icon="🔉", layout="wide")
    layout.style()
    shown = pages.pages()
    page = st.navigation(shown, position="top")
    with st.container(horizontal=True, key="hs-nav"):
        for other in shown:
            st.page_link(other)
    st.set_page_config(page_title=f"{page.title} · hearspace")
    page.run()


main()
