"""The review page in a real Chromium: by keyboard, by finger, in two languages, by several, through kills."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.test_pages import ARGS, BEYOND, CONTRAST
from tests.serve.reviewing import N_OF_PERSON, Place, Server, place_with_photos
from trifacet.clean.store import SETTLED, Store, outcome, standing
from trifacet.core.decisions import VERDICT

pytestmark = pytest.mark.browser

N_PEOPLE = 3
LEAST_TOUCH_PX = 44  # a side of what a finger presses. Source: WCAG 2.2, 2.5.5
BLINDED = "--blind"
KOREAN = {"male": "남성", "female": "여성"}
KEEP = """for (const [name, value] of Object.entries(KEPT))
    if (!localStorage.getItem(name)) localStorage.setItem(name, JSON.stringify(value));"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place_with_photos(tmp_path_factory.mktemp("reviewed"), n_people=N_PEOPLE)


@pytest.fixture
def place(photos: Place, tmp_path: Path) -> Place:
    return replace(photos, store_path=tmp_path / "rulings.db")


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """Opens the page as a reviewer, each in a browser's context of their own; what the page complains of is kept."""
    with ExitStack() as stack:

        def open_page(server: Server, who: str, *, which: str = "rule", language: str = "en", **more: Any) -> Page:
            context: BrowserContext = stack.enter_context(_context(browser, **more))
            kept = {"trifacet-who": who, "trifacet-pass": which, "trifacet-language": language}
            context.add_init_script(KEEP.replace("KEPT", json.dumps(kept)))
            page = context.new_page()
            page.goto(server.url)
            page.wait_for_selector("body[data-row]")
            return page

        yield open_page


class _context:
    """A context of the browser that is closed at the end."""

    def __init__(self, browser: Browser, **more: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | more)

    def __enter__(self) -> BrowserContext:
        return self.context

    def __exit__(self, *_: object) -> None:
        self.context.close()


def at(page: Page, row: int | str) -> None:
    """Waits until this row is shown, with its picture, and the page takes the next key."""
    page.wait_for_selector(f'body[data-row="{row}"]:not([data-busy])', state="attached")


def press(page: Page, key: str, *, to: int | str) -> None:
    page.keyboard.press(key)
    at(page, to)


def message(page: Page, text: str) -> None:
    page.wait_for_selector(f"#message:text({text!r})")


def choose(page: Page, name: str) -> None:
    """Goes to a pass by keyboard."""
    page.focus(f"[data-pass={name}]")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"nav [data-pass={name}][aria-current=true]")


def stands(place: Place) -> dict[tuple[str, str, str], str]:
    """What stands in the store: of each photo's row, attribute and reviewer."""
    rows = {photo: row for row, photo in enumerate(place.manifest.photo_ids)}
    found = standing(Store(place.store_path).events())
    return {(str(rows[r.subject]), r.attribute, r.who): r.new for r in found}


def count(page: Page) -> str:
    return page.inner_text("#count")


def test_three_passes_by_keyboard_with_undo_redo_and_reload(place: Place, opened: Opened) -> None:
    with Server(place) as server:
        page = opened(server, "ann", which="look")
        at(page, 0)
        press(page, "Space", to=1)  # fine
        press(page, "f", to=2)  # flagged
        press(page, "f", to=3)
        choose(page, "flagged")
        at(page, 1)
        press(page, "Enter", to=2)  # confirmed
        press(page, "x", to="end")  # dismissed
        assert stands(place) == {
            ("0", VERDICT, "ann"): "seen",
            ("1", VERDICT, "ann"): "confirmed",
            ("2", VERDICT, "ann"): "dismissed",
        }
        choose(page, "rule")
        at(page, 0)
        press(page, "2", to=1)
        press(page, "w", to=2)
        press(page, "z", to=1)  # taken back
        press(page, "z", to=0)
        assert not [key for key in stands(place) if key[1] != VERDICT]
        press(page, "Shift+Z", to=0)  # ruled again
        message(page, "ruled again")
        press(page, "Shift+Z", to=1)
        press(page, "Shift+Z", to=1)
        message(page, "nothing to take back")
        page.reload()
        at(page, 2)  # goes on where it was
        assert count(page) == f"2 / {N_PEOPLE * N_OF_PERSON}"
        press(page, "z", to=1)  # also after a reload
        press(page, "q", to=2)
        press(page, "Enter", to=3)  # the labels are right
        press(page, "x", to=4)  # dropped
        press(page, "c", to=5)  # unsure
    found = stands(place)
    given = place.manifest.table.row(2, named=True)
    assert (found["0", "mask", "ann"], found["1", "gender", "ann"]) == ("incorrect", "male")
    assert [found["2", name, "ann"] for name in ("mask", "gender", "age")] == [
        given[n] for n in ("mask", "gender", "age")
    ]
    assert (found["3", "use", "ann"], found["4", VERDICT, "ann"]) == ("dropped", "unsure")


def test_a_second_reviewer_disagrees_and_a_third_settles(place: Place, opened: Opened) -> None:
    with Server(place) as server:
        ann, bob = (opened(server, who) for who in ("ann", "bob"))
        for page, key in ((ann, "1"), (bob, "2")):
            at(page, 0)
            press(page, key, to=1)
            press(page, "q", to=2)
        choose(bob, "settle")
        cem = opened(server, "cem", which="settle")
        at(cem, 0)
        assert count(cem) == "0 / 1"
        assert [*filter(None, cem.inner_text("#why").splitlines())] == [
            "ann says: mask worn",
            "bob says: mask incorrect",
        ]
        assert "bob" in cem.inner_text("[data-action='mask=incorrect']")
        cem.click("#team")
        cem.wait_for_selector("#people[open]")
        told = cem.inner_text("#people")
        cem.keyboard.press("Escape")
        press(cem, "1", to="end")
        at(bob, 0)
        bob.reload()
        at(bob, "end")  # settled by another
        assert count(bob) == "1 / 1"
    assert "ann\t\n\t0 / 1" in told
    assert "mask\tann, bob\t0.00\t0 %\t1" in told
    assert "gender\tann, bob\t–\t100 %\t1" in told
    found = outcome(Store(place.store_path).events())
    assert found.disagreements == ()
    assert [(d.who, d.new, d.certainty) for d in found.decisions if d.attribute == "mask"] == [("cem", "worn", SETTLED)]


def test_findings_come_first_with_what_the_model_says(place: Place, opened: Opened) -> None:
    with Server(place, with_findings=True) as server:
        page = opened(server, "ann")
        at(page, 1)
        assert count(page) == f"0 / {3 * N_PEOPLE}"
        given = place.manifest.table["gender"][1]
        other = "female" if given == "male" else "male"
        assert f"gender\t{given}\t{other} 93 %" in page.inner_text("#labels")
        assert "model 93 %" in page.inner_text(f"[data-action='gender={other}']")
        assert f"the model says {other}" in page.inner_text("#why")
        page.click("#language")
        page.wait_for_selector(f"#why p:text('모델의 판단: {KOREAN[other]} (0.93)')")
        page.click("#language")
        page.wait_for_selector(f"#why p:text('the model says {other}')")
        page.select_option("#kinds", "swap")
        at(page, 2)
        assert count(page) == f"0 / {2 * N_PEOPLE}"
        assert page.get_attribute("#why img", "alt") == f"beside it: {place.manifest.photo_ids[3]}"
        press(page, "Enter", to=3)  # the label that is doubted is right, and no other is ruled on
    kept = {("2", "use", "ann"): ""}  # and the photo is one to use
    assert stands(place) == {("2", "mask", "ann"): place.manifest.table["mask"][2]} | kept


def test_a_doubt_about_a_person_is_answered_for_the_person(place: Place, opened: Opened) -> None:
    with Server(place, with_findings=True) as server:
        page = opened(server, "ann")
        at(page, 1)
        assert page.inner_text("#wholeLine").startswith("all 7 photos of this person: gender, age")
        page.click("[data-action='mask=worn']", modifiers=["Shift"])  # it stays; a mask is of the photo alone
        page.wait_for_selector("[data-action='mask=worn'].own")
        page.keyboard.press("Shift+W")
        page.wait_for_selector("[data-action='gender=female'].own")
        assert stands(place) == {("1", "mask", "ann"): "worn"} | {(str(r), "gender", "ann"): "female" for r in range(7)}
        press(page, "z", to=1)
        page.wait_for_selector("[data-action='gender=female']:not(.own)")
        page.keyboard.press("y")
        page.keyboard.type("33")
        page.keyboard.press("Shift+Enter")
        page.wait_for_selector("#years[placeholder='33']")
        assert stands(place)["6", "age_years", "ann"] == "33"
        page.keyboard.press("p")  # not of the person, after all
        page.keyboard.press("Shift+W")
        page.wait_for_selector("[data-action='gender=female'].own")
    assert [key for key in stands(place) if key[1] == "gender"] == [("1", "gender", "ann")]


def test_a_drop_beside_a_confirmation_is_settled(place: Place, opened: Opened) -> None:
    with Server(place) as server:
        ann, bob = (opened(server, who) for who in ("ann", "bob"))
        for page, key in ((ann, "x"), (bob, "Enter")):
            at(page, 0)
            press(page, key, to=1)
        choose(bob, "settle")
        at(bob, 0)
        assert [*filter(None, bob.inner_text("#why").splitlines())] == ["ann says: use dropped", "bob says: use kept"]
        press(bob, "Enter", to="end")
        assert "trifacet apply" in bob.inner_text("#end")
    found = outcome(Store(place.store_path).events())
    assert found.disagreements == ()
    assert [(d.who, d.new) for d in found.decisions if d.attribute == "use"] == [("bob", "")]


def test_a_dialog_that_was_closed_is_not_opened_by_the_next_answer(place: Place, opened: Opened) -> None:
    with Server(place) as server:
        page = opened(server, "ann")
        at(page, 0)
        for name, dialog in (("keys", "mapping"), ("team", "people")):
            page.click(f"#{name}")
            page.wait_for_selector(f"#{dialog}[open]")
            page.keyboard.press("Escape")
            page.wait_for_selector(f"#{dialog}:not([open])", state="attached")
        press(page, "Enter", to=1)


def test_a_blind_reviewer_sees_the_proposal_only_after_answering(place: Place, opened: Opened) -> None:
    with Server(place, BLINDED, with_findings=True) as server:
        page = opened(server, "ann")
        at(page, 1)
        before = page.inner_text("main")
        page.keyboard.press("Shift+W")  # answers and stays
        page.wait_for_selector("[data-action='gender=female'].own")
        after = page.inner_text("main")
    assert "model" not in before
    assert "93 %" in after


def test_a_person_is_ruled_on_as_a_whole_and_taken_back_as_one(place: Place, opened: Opened) -> None:
    with Server(place) as server:
        page = opened(server, "ann")
        at(page, 0)
        page.keyboard.press("p")
        press(page, "w", to=N_OF_PERSON)
        assert len(stands(place)) == N_OF_PERSON
        press(page, "z", to=0)
        assert stands(place) == {}
        press(page, "Shift+Z", to=0)
        message(page, "ruled again")
        assert len(stands(place)) == N_OF_PERSON


def test_an_answer_given_in_another_window_is_not_overwritten(place: Place, opened: Opened) -> None:
    with Server(place) as server:
        one, two = (opened(server, "ann") for _ in range(2))
        for page in (one, two):
            at(page, 0)
        press(one, "1", to=1)
        two.keyboard.press("2")
        message(two, "You answered this elsewhere meanwhile: look again.")
        two.wait_for_selector("[data-action='mask=worn'].own")
        assert stands(place) == {("0", "mask", "ann"): "worn"}
        press(two, "2", to=1)  # now it is meant
    assert stands(place) == {("0", "mask", "ann"): "incorrect"}


def test_a_server_killed_in_mid_session_loses_nothing(place: Place, opened: Opened) -> None:
    with Server(place) as server:
        page = opened(server, "ann")
        at(page, 0)
        for row in range(3):
            press(page, "w", to=row + 1)
        server.kill()
        page.keyboard.press("w")
        message(page, "The server does not answer: your last answer may not be saved. Try again.")
        at(page, 3)
        with Server(place, port=server.port):
            assert len(stands(place)) == 3
            press(page, "w", to=4)
            page.reload()
            at(page, 4)
            press(page, "z", to=3)
            assert len(stands(place)) == 3


def test_a_photo_that_was_deleted_meanwhile_can_still_be_ruled_unusable(place: Place, opened: Opened) -> None:
    gone = place.manifest.paths[0]
    content = gone.read_bytes()
    try:
        gone.unlink()
        with Server(place) as server:
            page = opened(server, "ann")
            message(page, "This photo is gone, or no photo any more.")
            press(page, "v", to=1)
    finally:
        gone.write_bytes(content)
    assert stands(place) == {("0", "use", "ann"): "unusable"}


def test_keys_are_changed_and_a_korean_keyboard_answers_too(place: Place, opened: Opened) -> None:
    with Server(place) as server:
        page = opened(server, "ann", language="ko")
        at(page, 0)
        assert page.inner_text("nav [aria-current=true]") == "판정"
        link = page.context.new_cdp_session(page)
        link.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": "ㅈ", "code": "KeyW"})  # where w is
        at(page, 1)
        page.click("#keys")
        page.click("[data-binds='gender=male']")
        page.keyboard.press("w")
        assert page.inner_text("#clash") == "이미 쓰는 키입니다: 여성"
        page.click("[data-binds='gender=male']")
        page.keyboard.press("m")
        page.click("#mapping button[value=close]")
        page.keyboard.press("q")  # is no key any more
        press(page, "m", to=2)
        page.reload()
        at(page, 2)
        press(page, "m", to=3)
    assert [stands(place)[str(row), "gender", "ann"] for row in range(3)] == ["female", "male", "male"]


def test_a_focused_button_is_pressed_by_enter_and_nothing_else_is(place: Place, opened: Opened) -> None:
    with Server(place) as server:
        page = opened(server, "ann")
        at(page, 0)
        page.focus("[data-action=unsure]")
        press(page, "Enter", to=1)
        page.focus("#who")
        page.keyboard.type("x")  # a name is typed, no photo dropped
        page.keyboard.press("Tab")
        page.wait_for_selector("#count:text('0 / ')")
    assert stands(place) == {("0", VERDICT, "ann"): "unsure"}


def test_a_finger_answers_by_buttons_and_by_swiping(place: Place, opened: Opened) -> None:
    narrow: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with Server(place) as server:
        page = opened(server, "ann", which="look", **narrow)
        at(page, 0)
        swipe(page, -150)  # flagged
        at(page, 1)
        swipe(page, 150)  # fine
        at(page, 2)
        swipe(page, 20)  # too short
        page.tap("[data-action=flag]")
        at(page, 3)
        page.tap("[data-pass=rule]")
        at(page, 0)
        page.tap("[data-action='gender=female']")
        at(page, 1)
        assert page.evaluate(SMALL_BUTTONS, LEAST_TOUCH_PX) == []
        page.tap("[data-action=undo]")
        at(page, 0)
    assert stands(place) == {(str(row), VERDICT, "ann"): v for row, v in enumerate(("flagged", "seen", "flagged"))}


SMALL_BUTTONS = """(least) => [...document.querySelectorAll("button, select, input:not([type=checkbox]), #wholeLine")]
    .filter((e) => e.getClientRects().length && e.getBoundingClientRect().height < least)
    .map((e) => e.outerHTML.slice(0, 60))"""


def swipe(page: Page, by_px: int) -> None:
    box = page.locator("#stage").bounding_box()
    assert box is not None
    link = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    link.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 6):
        point = {"x": x + by_px * step / 5, "y": y}
        link.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    link.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_zoomed_photo_is_larger_and_can_be_moved(place: Place, opened: Opened) -> None:
    with Server(place) as server:
        page = opened(server, "ann")
        at(page, 0)
        size = "() => [document.getElementById('photo').clientWidth, document.getElementById('stage').scrollLeft]"
        width, _ = page.evaluate(size)
        page.keyboard.press("b")
        page.wait_for_selector("#stage.zoomed")
        wide, left = page.evaluate(size)
        page.mouse.move(300, 300)
        page.mouse.down()
        page.mouse.move(200, 300)
        page.mouse.up()
        moved = page.evaluate(size)[1]
        press(page, "w", to=1)
        assert page.evaluate(size)[0] == width  # the next photo is whole again
    assert (wide, moved) == (pytest.approx(2.5 * width, abs=2), left + 100)


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_the_page_reads_well_and_is_open_to_all(
    place: Place, opened: Opened, language: str, scheme: str, width: int
) -> None:
    faults: list[object] = []
    with Server(place, with_findings=True) as server:
        page = opened(server, "ann", language=language, viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda told: faults.append(told.text))
        page.on("pageerror", lambda problem: faults.append(problem))
        at(page, 1)
        for state in ("rule", "keys", "team", "look", "settle"):
            if width == 360 and state in ("keys", "team"):
                page.click("#menu")
            if state in ("keys", "team"):
                page.click(f"#{state}")
                page.wait_for_selector("dialog[open]")
            elif state != "rule":
                page.click(f"nav [data-pass={state}]")
                page.wait_for_selector(f"nav [data-pass={state}][aria-current=true]")
            faults += [(state, f["id"], f["nodes"][0]["html"][:150]) for f in Axe().run(page).response["violations"]]
            faults += [(state, beyond) for beyond in page.evaluate(BEYOND)]
            ratio, text = page.evaluate(CONTRAST)
            faults += [(state, ratio, text)] if ratio < 4.5 else []
            page.keyboard.press("Escape")
            if width == 360 and state in ("keys", "team"):
                page.click("#menu")
    assert faults == []
