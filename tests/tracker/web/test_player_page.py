"""The player's pages in a real browser, by what a person sees."""

import io
import json
import os
import ssl
import subprocess
import threading
from base64 import b64encode
from contextlib import contextmanager
from hashlib import sha384
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from p2p_tracker.web.libraries import CDN

from p2psim.testbed.browser.chromium import FLAGS, find_chromium, find_libraries
from p2psim.testbed.origin.media import make_clip
from p2psim.testbed.run import CACHE
from tests.browsing import CLIP, Visitor, chromium, needs_chromium, serving, tracking, visiting

pytestmark = needs_chromium

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
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def origin():
    with serving() as found:
        yield found[1]


@pytest.fixture(scope="module")
def tracker():
    with tracking() as found:
        yield found[1]


@pytest.fixture
def visit(browser):
    with visiting(browser) as (come, visitors):
        yield come
        assert [visitor.errors for visitor in visitors] == [[] for _ in visitors]


@pytest.fixture(scope="module")
def files():
    """A server of a film that is no HLS, and of a recording whose address does not look like HLS."""
    clip = make_clip(CLIP, CACHE)
    playlist = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
    playlist += "".join(f"#EXTINF:2.0,\n/{number}.ts\n" for number in range(8)) + "#EXT-X-ENDLIST\n"
    bodies = {f"/{number}.ts": ("video/mp2t", clip.segment(0, number)) for number in range(8)}
    bodies |= {"/film.mp4": ("video/mp4", film()), "/stream": ("application/x-mpegURL", playlist.encode())}

    with answering(lambda path: bodies.get(path, ("text/plain", b""))) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def answering(answer, trust=None):
    """Run a server that gives (type, body) for a path, by TLS if there is a context for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            kind, body = answer(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # visitors leave when they like
    if trust is not None:
        server.socket = trust.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def film():
    """Make a few seconds of MP4."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for index in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((180, 320, 3), index * 4, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def picture(visitor, name):
    if folder := os.environ.get("SCREENSHOTS"):
        visitor.page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def fits(visitor):
    return visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# -- the page of one stream -------------------------------------------------------------------------------------------


def test_two_people_watch_and_share(visit, tracker, origin):
    held = []
    desk = visit(width=1100, height=930)
    desk.context.route("**/libraries/**", lambda route: held.append(route))
    desk.watch(tracker, origin["master"], name="Canal Um", quality="HD", logo="/web/none.png", **SHARING)
    phone = visit(width=390, height=844, language="pt-BR")
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
    assert desk.page.inner_text(".logo") == "C"  # the picture is not there
    assert desk.page.inner_text(".quality") == "HD"
    assert phone.page.inner_text(".quality") == "360p"
    assert desk.page.inner_text(".badge").strip() == "P2P active"
    assert phone.page.inner_text(".badge").strip() == "P2P ativo"
    assert desk.figure("peers") == phone.figure("peers") == 1
    units = {
        name: desk.page.inner_text(f"[data-figure={name}]").split()[1] for name in ("download", "uploaded", "share")
    }
    assert units == {"download": "KB/s", "uploaded": "MB", "share": "%"}
    shown = float(phone.page.get_by_role("progressbar").get_attribute("aria-valuenow"))
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


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("http://127.0.0.1:9/none.m3u8", "The stream cannot be reached."),
        ("javascript:alert(1)", "This address cannot be played."),
        ("http://127.0.0.1:9/none.mp4", "The browser cannot play this video."),
    ],
)
def test_errors_are_shown_and_can_be_tried_again(visit, tracker, source, says):
    visitor = visit(width=390, height=700)
    visitor.watch(tracker, source).until(video="error")
    alert = visitor.page.get_by_role("alert").filter(has_text=says)
    alert.wait_for()
    assert visitor.page.inner_text(".badge").strip() == "Error"
    assert visitor.page.locator(".badge").get_attribute("data-colour") == "red"
    visitor.page.get_by_role("button", name="Try again").click()
    alert.wait_for()
    assert fits(visitor)
    if says.startswith("The stream"):
        picture(visitor, "watch-error")


def test_a_stream_that_comes_back_plays_by_itself(visit, tracker, origin):
    visitor = visit()
    visitor.context.route("**/master.m3u8*", lambda route: route.abort("connectionrefused"))
    visitor.watch(tracker, origin["master"], **SHARING).until(video="error")
    visitor.context.unroute("**/master.m3u8*")
    visitor.until(video="playing")
    assert not visitor.page.locator(".failure").is_visible()


def test_without_an_address_there_is_a_form(visit, tracker, files):
    visitor = visit()
    visitor.page.goto(f"{tracker['http']}/watch")
    visitor.page.get_by_label("Address of a stream or video").fill(f"{files}/film.mp4")
    visitor.page.get_by_role("button", name="Watch").click()
    visitor.until(video="playing")
    assert visitor.page.title() == "film.mp4"


def test_what_is_no_hls_plays_as_it_is(visit, tracker, files):
    visitor = visit().watch(tracker, f"{files}/film.mp4").until(video="playing", p2p="white")
    assert visitor.page.inner_text(".badge").strip() == "Direct"
    assert visitor.page.inner_text("[data-figure=share]") == "–"


def test_hls_is_known_by_its_type_too(visit, tracker, files):
    visitor = visit().watch(tracker, f"{files}/stream").until(video="playing", tracker="white")
    visitor.until_figure("downloaded", 0.2)
    assert visitor.page.inner_text(".badge").strip() == "Over HTTP"


def test_a_browser_without_media_source_plays_hls_itself(visit, tracker, files):
    visitor = visit(scripts=("delete globalThis.MediaSource; delete globalThis.ManagedMediaSource",))
    visitor.watch(tracker, f"{files}/stream").until(p2p="red")
    visitor.page.get_by_text("This browser plays HLS by itself").wait_for()
    assert visitor.page.locator("video").get_attribute("src") == f"{files}/stream"


def test_where_signatures_cannot_be_checked_nothing_is_shared(visit, tracker, origin):
    visitor = visit(scripts=("Object.defineProperty(crypto, 'subtle', { value: undefined });",))
    visitor.watch(tracker, origin["master"], **SHARING).until(video="playing", p2p="red")
    visitor.page.get_by_text("received data could not be checked").wait_for()
    visitor.until_figure("downloaded", 1)
    assert visitor.figure("share") == 0


# -- libraries from elsewhere -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare_tracker():
    """A tracker that has no libraries of its own."""
    with tracking("--libraries", "") as found:
        yield found[1]


@pytest.fixture(scope="module")
def cdn(tmp_path_factory):
    """Stand in for the CDN, with the files that npm installed; what is under "tail" is added to them."""
    folder, made = find_libraries(), tmp_path_factory.mktemp("cdn")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=cdn "
        f"-keyout {made}/key.pem -out {made}/cert.pem"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    state = {"tail": b""}

    def answer(path):
        package, _, rest = path.removeprefix("/npm/").partition("@")
        return "text/javascript", (folder / package / rest.partition("/")[2]).read_bytes() + state["tail"]

    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(made / "cert.pem", made / "key.pem")
    with answering(answer, trust) as server:
        state["port"] = server.server_port
        yield state


@pytest.fixture(scope="module")
def far_browser(cdn, browser):
    """A browser that takes our server for the CDN, of the driver that runs already."""
    host = urlsplit(CDN).hostname
    flags = [f"--host-resolver-rules=MAP {host} 127.0.0.1:{cdn['port']}", "--ignore-certificate-errors"]
    found = browser.browser_type.launch(executable_path=find_chromium(), args=[*FLAGS, *flags], headless=True)
    yield found
    found.close()


def test_libraries_come_from_the_cdn_where_they_are_not_installed(far_browser, bare_tracker, origin):
    Visitor(far_browser).watch(bare_tracker, origin["master"], **SHARING).until(video="playing", tracker="white")


def test_libraries_that_were_changed_are_not_run(cdn, far_browser, bare_tracker, origin):
    cdn["tail"] = b"\nglobalThis.evil = 1;"
    visitor = Visitor(far_browser).watch(bare_tracker, origin["master"], **SHARING).until(video="error")
    visitor.page.get_by_text("The player could not be loaded.").wait_for()
    assert visitor.page.evaluate("globalThis.evil") is None
    cdn["tail"] = b""
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.until(video="playing")


def test_the_hashes_of_the_table_are_those_of_the_packages():
    table = json.loads((Path("tracker") / "p2p_tracker" / "web" / "static" / "libraries.json").read_bytes())
    for package, entry in table.items():
        body = (find_libraries() / package / entry["file"]).read_bytes()
        assert entry["integrity"] == "sha384-" + b64encode(sha384(body).digest()).decode()


# -- the page of all channels -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listing(tmp_path_factory, origin, files):
    """A tracker with a list of channels, and the file of the list."""
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
    with tracking("--channels", str(path)) as found:
        yield found[1], path


@pytest.mark.parametrize(("width", "height"), [(1200, 800), (390, 844)], ids=["desk", "phone"])
def test_channels_change_without_a_reload_and_leave_nothing_behind(visit, listing, width, height):
    address, _ = listing
    visitor = visit(width=width, height=height, scripts=(COUNT_CONNECTIONS,))
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
    page.get_by_role("button", name="Film").click()  # before the other has begun
    visitor.until(video="playing")
    page.wait_for_function("stillOpen() === 0")
    assert visitor.page.inner_text(".badge").strip() == "Direct"


def test_channels_are_found_by_their_words(visit, listing):
    visitor = visit(language="pt-PT")
    page = visitor.page
    page.goto(f"{listing[0]['http']}/channels?ice=off#Film")
    visitor.until(video="playing")  # the address names it
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


def test_a_list_that_cannot_be_read_says_so(visit, listing):
    address, path = listing
    good = path.read_text()
    path.write_text("[{")
    visitor = visit(width=390, height=700)
    try:
        visitor.page.goto(f"{address['http']}/channels")
        visitor.page.get_by_text("The list of channels could not be read.").wait_for()
        assert str(path) in visitor.page.inner_text("#state")
        assert fits(visitor)
    finally:
        path.write_text(good)
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.page.get_by_text("3 of 3 channels").wait_for()


# -- for everybody ----------------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/watch?src=http://127.0.0.1:9/x.mp4", "/channels", "/watch"])
def test_words_stand_out_and_controls_have_names(visit, listing, scheme, path):
    visitor = visit()
    visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    visitor.page.goto(listing[0]["http"] + path, wait_until="networkidle")
    assert visitor.page.evaluate(CONTRAST) == []
    for control in visitor.page.locator("button:visible, input:visible, select:visible").all():
        named = "node => node.labels?.length > 0 || node.getAttribute('aria-label') || node.textContent.trim()"
        assert control.evaluate(named)
    running = "document.getAnimations().filter(({ playState }) => playState === 'running').length"
    assert visitor.page.evaluate(running) == 0
