from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def test_queued_job_is_shown_and_cancelled(page: Any, site: SimpleNamespace) -> None:
    from jobs.specs import EmbedAudio

    dataset = site.workspace.dataset("small")
    job = site.workspace.queue.submit(EmbedAudio(dataset=dataset.ref, encoder="handcrafted"))
    page.goto(f"{site.url}/jobs")
    card = page.locator(f".st-key-job-{job.key}")
    card.get_by_text("embed small with handcrafted").wait_for()
    assert page.get_by_text("No worker is running").count() == 1
    card.get_by_role("button", name="Cancel").click()
    card.get_by_role("button", name="Retry").wait_for()
    assert site.workspace.queue.get(job.key).state == "cancelled"
    site.workspace.queue.append_log(job.key, "first light")
    card.get_by_role("button", name="Log").click()
    card.get_by_text("first light").wait_for()
    card.get_by_role("button", name="Retry").click()
    card.get_by_role("button", name="Cancel").wait_for()
    assert site.workspace.queue.get(job.key).state == "queued"

    # What happens elsewhere appears by itself.
    site.workspace.queue.claim(job.key)
    site.workspace.queue.finish(job.key, "failed", "The model's weights are not here.")
    card.get_by_text("The model's weights are not here.").wait_for()


def test_home_says_what_there_is(page: Any, site: SimpleNamespace) -> None:
    page.goto(site.url)
    page.get_by_role("heading", name="small").wait_for()
    page.get_by_role("cell", name="aisfx").wait_for()
    # Every page has its place in the bar: none hides behind "more".
    page.wait_for_function(
        """() => {
          const links = [...document.querySelectorAll('[data-testid="stTopNavLink"]')];
          const last = links.find((link) => link.innerText.trim() === "Jobs");
          return last?.getBoundingClientRect().left > 1000
            && !document.querySelector('[data-testid="stTopNavSection"]');
        }"""
    )
    page.get_by_role("button", name="Explore").click()
    page.wait_for_selector(".hsm[data-drawn]")
    assert "/explore" in page.url


def test_empty_workspace_says_what_to_do(browser: Any, empty_site: str) -> None:
    page = browser.new_page()
    page.goto(empty_site)
    page.get_by_text("This workspace is empty").wait_for()
    page.get_by_text("hearspace add mysounds").wait_for()
    page.goto(f"{empty_site}/explore")
    page.get_by_text("There is no dataset to look at yet").wait_for()
    page.close()
