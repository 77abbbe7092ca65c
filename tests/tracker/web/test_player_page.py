"""Player page and channels page in Chromium: what they show, and what they play."""

import json
import os
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha384
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import pytest
from p2p_tracker.web.libraries import CDN
from playwright.sync_api import Browser, Route

from p2psim.testbed.browser.chromium import FLAGS, find_chromium, find_libraries
from p2psim.testbed.origin.media import make_clip
from p2psim.testbed.run import CACHE
from tests.browsing import CLIP, Visitor, chromium, needs_chromium, serving, tracking, visiting
from tests.tracker.web.media_server import answering, film

pytestmark = needs_chromium

Address: TypeAlias = dict[str, Any]
OpenPage: TypeAlias = Callable[..., Visitor]
"""Function that opens a page in a browser context of its own, with the options of `Visitor`."""

SHARING = {"latency": 20, "buffer": 6, "highDemandTimeWindow": 5}
COUNT_CONNECTIONS = """
globalThis.opened = [];
for (const name of ["RTCPeerConnection", "WebSocket"]) {
  globalThis[name] = class extends globalThis[name] {
    constructor(...options) { super(...options); opened.push(this); }
  };
}
globalThis.stillOpen = () => opened.filter((each) => each instanceof EventTarget &&
  (each.connectionState === undefined ? each.readyState < 2 : each.signalingState !== "closed")).length;
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def origin() -> Iterator[Address]:
    with serving() as (_, address):
        yield address


@pytest.fixture(scope="module")
def tracker() -> Iterator[Address]:
    with tracking() as (_, address):
        yield address


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    with visiting(browser) as (open_page, visitors):
        yield open_page
        assert [visitor.errors for visitor in visitors] == [[] for _ in visitors]


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    """Yield the URL of a server with an MP4 file, and with an HLS recording whose URL does not end in .m3u8."""
    clip = make_clip(CLIP, CACHE)
    playlist = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
    playlist += "".join(f"#EXTINF:2.0,\n/{number}.ts\n" for number in range(8)) + "#EXT-X-ENDLIST\n"
    bodies = {f"/{number}.ts": ("video/mp2t", clip.segment(0, number)) for number in range(8)}
    bodies |= {"/film.mp4": ("video/mp4", film()), "/stream": ("application/x-mpegURL", playlist.encode())}

    with answering(lambda path: bodies.get(path, ("text/plain", b""))) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def picture(visitor: Visitor, name: str) -> None:
    """Save a screenshot, if the variable SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        visitor.page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def fits(visitor: Visitor) -> bool:
    """Return whether nothing of the page extends beyond its width."""
    return bool(visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


# -- the page of one stream -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_viewers_share_a_stream(open_page: OpenPage, tracker: Address, origin: Address) -> None:
    held: list[Route] = []
    desk = open_page(width=1100, height=930)
    desk.context.route("**/libraries/**", lambda route: held.append(route))
    desk.watch(tracker, origin["master"], name="Canal Um", quality="HD", logo="/web/none.png", **SHARING)
    phone = open_page(width=390, height=844, language="pt-BR")
    desk.page.get_by_text("Loading the player…").wait_for()
    assert desk.page.inner_text(".badge").strip() == "Loading"
    assert desk.page.locator(".badge").get_attribute("data-colour") == "blue"
    for route in held:
        route.continue_()
    desk.context.unroute("**/libraries/**")
    desk.until(video="playing", tracker="white", p2p="white")
    assert desk.page.inner_text(".badge").strip() == "Over HTTP"
    phone.watch(tracker, origin["master"], name="Canal Um", **SHARING).until(video="playing", p2p="green")
    desk.until(p2p="green")
    phone.until_figure("share", 1)
    desk.until_figure("uploaded", 0.1)
    assert desk.page.inner_text("h1") == desk.page.title() == "Canal Um"
    assert desk.page.inner_text(".logo") == "C"  # the picture does not exist
    assert desk.page.inner_text(".quality") == "HD"
    assert phone.page.inner_text(".quality") == "360p"
    assert desk.page.inner_text(".badge").strip() == "P2P active"
    assert phone.page.inner_text(".badge").strip() == "P2P ativo"
    assert desk.figure("peers") == phone.figure("peers") == 1
    units = {
        name: desk.page.inner_text(f"[data-figure={name}]").split()[1] for name in ("download", "uploaded", "share")
    }
    assert units == {"download": "KB/s", "uploaded": "MB", "share": "%"}
    shown = float(phone.page.get_by_role("progressbar").get_attribute("aria-valuenow") or "nan")
    assert 1 <= shown <= 100
    assert fits(desk)
    assert fits(phone)
    picture(desk, "watch-desk")
    picture(phone, "watch-phone")

    desk.page.get_by_role("button", name="Full screen").click()
    desk.page.wait_for_function("document.fullscreenElement !== null")
    desk.page.locator("video").press("f")
    desk.page.wait_for_function("document.fullscreenElement === null")
    desk.page.get_by_label("Language").select_option("pt")
    desk.page.get_by_text("Parcela dos dados via P2P").wait_for()
    assert desk.page.inner_text(".badge").strip() == "P2P ativo"
    assert desk.page.locator("html").get_attribute("lang") == "pt"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("http://127.0.0.1:9/none.m3u8", "The stream cannot be reached."),
        ("javascript:alert(1)", "This address cannot be played."),
        ("http://127.0.0.1:9/none.mp4", "The browser cannot play this video."),
    ],
)
def test_errors_are_shown_and_can_be_retried(open_page: OpenPage, tracker: Address, source: str, message: str) -> None:
    visitor = open_page(width=390, height=700)
    visitor.watch(tracker, source).until(video="error")
    alert = visitor.page.get_by_role("alert").filter(has_text=message)
    alert.wait_for()
    assert visitor.page.inner_text(".badge").strip() == "Error"
    assert visitor.page.locator(".badge").get_attribute("data-colour") == "red"
    visitor.page.get_by_role("button", name="Try again").click()
    alert.wait_for()
    assert fits(visitor)
    if message.startswith("The stream"):
        picture(visitor, "watch-error")


@pytest.mark.slow
def test_a_stream_that_becomes_reachable_starts_by_itself(
    open_page: OpenPage, tracker: Address, origin: Address
) -> None:
    visitor = open_page()
    visitor.context.route("**/master.m3u8*", lambda route: route.abort("connectionrefused"))
    visitor.watch(tracker, origin["master"], **SHARING).until(video="error")
    visitor.context.unroute("**/master.m3u8*")
    visitor.until(video="playing")
    assert not visitor.page.locator(".failure").is_visible()


@pytest.mark.slow
def test_without_an_address_the_page_shows_a_form(open_page: OpenPage, tracker: Address, files: str) -> None:
    visitor = open_page()
    visitor.page.goto(f"{tracker['http']}/watch")
    visitor.page.get_by_label("Address of a stream or video").fill(f"{files}/film.mp4")
    visitor.page.get_by_role("button", name="Watch").click()
    visitor.until(video="playing")
    assert visitor.page.title() == "film.mp4"


@pytest.mark.slow
def test_other_videos_than_hls_are_played_over_http(open_page: OpenPage, tracker: Address, files: str) -> None:
    visitor = open_page().watch(tracker, f"{files}/film.mp4").until(video="playing", p2p="white")
    assert visitor.page.inner_text(".badge").strip() == "Direct"
    assert visitor.page.inner_text("[data-figure=share]") == "–"


@pytest.mark.slow
def test_hls_is_recognised_by_its_content_type(open_page: OpenPage, tracker: Address, files: str) -> None:
    visitor = open_page().watch(tracker, f"{files}/stream").until(video="playing", tracker="white")
    visitor.until_figure("downloaded", 0.2)
    assert visitor.page.inner_text(".badge").strip() == "Over HTTP"


@pytest.mark.slow
def test_a_browser_without_media_source_plays_hls_itself(open_page: OpenPage, tracker: Address, files: str) -> None:
    visitor = open_page(scripts=("delete globalThis.MediaSource; delete globalThis.ManagedMediaSource",))
    visitor.watch(tracker, f"{files}/stream").until(p2p="red")
    visitor.page.get_by_text("This browser plays HLS by itself").wait_for()
    assert visitor.page.locator("video").get_attribute("src") == f"{files}/stream"


@pytest.mark.slow
def test_a_protected_stream_is_not_shared_where_signatures_cannot_be_verified(
    open_page: OpenPage, tracker: Address, origin: Address
) -> None:
    visitor = open_page(scripts=("Object.defineProperty(crypto, 'subtle', { value: undefined });",))
    visitor.watch(tracker, origin["master"], **SHARING).until(video="playing", p2p="red")
    visitor.page.get_by_text("received data could not be checked").wait_for()
    visitor.until_figure("downloaded", 1)
    assert visitor.figure("share") == 0


# -- libraries from the CDN --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare_tracker() -> Iterator[Address]:
    """Yield the address of a tracker without installed libraries."""
    with tracking("--libraries", "") as (_, address):
        yield address


@pytest.fixture(scope="module")
def cdn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Run a substitute of the CDN with the installed files; the bytes under "tail" are appended to each."""
    folder, certificates = find_libraries(), tmp_path_factory.mktemp("cdn")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=cdn "
        f"-keyout {certificates}/key.pem -out {certificates}/cert.pem"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    state: dict[str, Any] = {"tail": b""}

    def answer(path: str) -> tuple[str, bytes]:
        package, _, rest = path.removeprefix("/npm/").partition("@")
        return "text/javascript", (folder / package / rest.partition("/")[2]).read_bytes() + state["tail"]

    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    with answering(answer, trust) as server:
        state["port"] = server.server_port
        yield state


@pytest.fixture(scope="module")
def far_browser(cdn: dict[str, Any], browser: Browser) -> Iterator[Browser]:
    """Run a browser in which the CDN's host name resolves to the substitute."""
    host = urlsplit(CDN).hostname
    flags = [f"--host-resolver-rules=MAP {host} 127.0.0.1:{cdn['port']}", "--ignore-certificate-errors"]
    running = browser.browser_type.launch(executable_path=find_chromium(), args=[*FLAGS, *flags], headless=True)
    yield running
    running.close()


@pytest.mark.slow
def test_libraries_that_are_not_installed_come_from_the_cdn(
    far_browser: Browser, bare_tracker: Address, origin: Address
) -> None:
    Visitor(far_browser).watch(bare_tracker, origin["master"], **SHARING).until(video="playing", tracker="white")


@pytest.mark.slow
def test_libraries_with_another_hash_are_not_run(
    cdn: dict[str, Any], far_browser: Browser, bare_tracker: Address, origin: Address
) -> None:
    cdn["tail"] = b"\nglobalThis.evil = 1;"
    visitor = Visitor(far_browser).watch(bare_tracker, origin["master"], **SHARING).until(video="error")
    visitor.page.get_by_text("The player could not be loaded.").wait_for()
    assert visitor.page.evaluate("globalThis.evil") is None
    cdn["tail"] = b""
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.until(video="playing")


def test_the_hashes_of_the_table_equal_those_of_the_packages() -> None:
    table = json.loads((Path("tracker") / "p2p_tracker" / "web" / "static" / "libraries.json").read_bytes())
    for package, entry in table.items():
        body = (find_libraries() / package / entry["file"]).read_bytes()
        assert entry["integrity"] == "sha384-" + b64encode(sha384(body).digest()).decode()


# -- the page of all channels -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory, origin: Address, files: str) -> Iterator[tuple[Address, Path]]:
    """Yield the address of a tracker with a list of channels, and the file of the list."""
    path = tmp_path_factory.mktemp("list") / "channels.json"
    channels = [
        {
            "name": "Notícias",
            "url": origin["master"],
            "quality": "360p",
            "group": "Ao vivo",
            "options": {"httpErrorRetries": 5},
        },
        {"name": "Film", "url": f"{files}/film.mp4", "group": "Recorded"},
        {"name": "Recording", "url": f"{files}/stream", "group": "Recorded"},
    ]
    path.write_text(json.dumps(channels))
    with tracking("--channels", str(path)) as (_, address):
        yield address, path


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1200, 800), (390, 844)], ids=["desk", "phone"])
def test_changing_the_channel_needs_no_reload_and_leaves_no_connection_open(
    open_page: OpenPage, listing: tuple[Address, Path], width: int, height: int
) -> None:
    address, _ = listing
    visitor = open_page(width=width, height=height, scripts=(COUNT_CONNECTIONS,))
    page = visitor.page
    page.goto(f"{address['http']}/channels?ice=off")
    page.get_by_text("3 of 3 channels").wait_for()
    page.evaluate("globalThis.marker = 1")
    for _ in range(2):
        page.get_by_role("button", name="Film").click()
        visitor.until(video="playing", p2p="white")
        assert page.title() == page.inner_text("h1") == "Film"
        page.wait_for_function("stillOpen() === 0")
        page.get_by_role("button", name="Notícias").click()
        visitor.until(video="playing", tracker="white")
        assert page.title() == "Notícias"
        assert page.locator("[aria-current=true]").inner_text().startswith("N")
        assert page.locator("video").count() == 1
    assert page.evaluate("stillOpen()") > 0
    assert page.evaluate("marker") == 1
    assert page.url.endswith("#Not%C3%ADcias")
    assert fits(visitor)
    picture(visitor, f"channels-{width}")
    page.get_by_role("button", name="Recording").click()
    page.get_by_role("button", name="Film").click()  # before the recording has started
    visitor.until(video="playing")
    page.wait_for_function("stillOpen() === 0")
    assert visitor.page.inner_text(".badge").strip() == "Direct"


@pytest.mark.slow
def test_channels_are_found_by_words_of_their_texts(open_page: OpenPage, listing: tuple[Address, Path]) -> None:
    visitor = open_page(language="pt-PT")
    page = visitor.page
    page.goto(f"{listing[0]['http']}/channels?ice=off#Film")
    visitor.until(video="playing")  # the URL names the channel
    page.get_by_label("Procurar canais").fill("NOTICIAS vivo")
    page.get_by_text("1 de 3 canais").wait_for()
    assert page.locator(".channel:visible .name").all_inner_texts() == ["Notícias"]
    page.get_by_label("Procurar canais").fill("nada")
    page.get_by_text("Nenhum canal corresponde a “nada”.").wait_for()
    page.get_by_label("Procurar canais").fill("")
    page.locator(".channel").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.querySelector('.name').textContent") == "Film"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("document.title === 'Recording'")


@pytest.mark.slow
def test_an_unreadable_list_shows_an_error(open_page: OpenPage, listing: tuple[Address, Path]) -> None:
    address, path = listing
    good = path.read_text()
    path.write_text("[{")
    visitor = open_page(width=390, height=700)
    try:
        visitor.page.goto(f"{address['http']}/channels")
        visitor.page.get_by_text("The list of channels could not be read.").wait_for()
        assert str(path) in visitor.page.inner_text("#state")
        assert fits(visitor)
    finally:
        path.write_text(good)
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.page.get_by_text("3 of 3 channels").wait_for()


# -- accessibility ----------------------------------------------------------------------------------------------------

CONTRAST = """
() => {
  const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = (colour) => {
    const [red, green, blue] = colour.match(/[\\d.]+/g).map(Number).map(channel);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const words = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!words || !node.checkVisibility() || node.closest(".curtain, .failure, .skip")) continue;
    const pair = [getComputedStyle(node).color, ground(node)].map(luminance).sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) poor.push([node.className || node.tagName, ratio]);
  }
  return poor;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/watch?src=http://127.0.0.1:9/x.mp4", "/channels", "/watch"])
def test_texts_have_contrast_and_controls_have_names(
    open_page: OpenPage, listing: tuple[Address, Path], scheme: Literal["light", "dark"], path: str
) -> None:
    visitor = open_page()
    visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    visitor.page.goto(listing[0]["http"] + path, wait_until="networkidle")
    assert visitor.page.evaluate(CONTRAST) == []
    for control in visitor.page.locator("button:visible, input:visible, select:visible").all():
        named = "node => node.labels?.length > 0 || node.getAttribute('aria-label') || node.textContent.trim()"
        assert control.evaluate(named)
    running = "document.getAnimations().filter(({ playState }) => playState === 'running').length"
    assert visitor.page.evaluate(running) == 0
