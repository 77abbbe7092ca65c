// Page of one stream: /watch?src=URL, with name=, logo= and quality= for its header (see also settings.js).

import { settingsOf } from "./settings.js";
import { webAddress } from "./source.js";
import { Stage } from "./stage.js";
import { offerLanguages, say, translate } from "./strings.js";

const parameters = new URLSearchParams(location.search);
const element = (id) => document.getElementById(id);

translate();
const address = parameters.get("src");
if (address === null) {
  element("ask").hidden = false;
  document.title = say("page.watch");
  element("ask").addEventListener("submit", (event) => {
    const isGood = webAddress(element("src").value.trim(), "about:blank") !== null;
    element("bad").textContent = isGood ? "" : say("address.bad");
    if (!isGood) event.preventDefault();
  });
  offerLanguages(element("language"), () => (document.title = say("page.watch")));
} else {
  const stage = new Stage(element("stage"), settingsOf(parameters));
  element("stage").hidden = false;
  offerLanguages(element("language"), () => stage.refresh());
  stage.open({
    name: parameters.get("name") || nameOf(address),
    url: address,
    logo: parameters.get("logo") ?? "",
    quality: parameters.get("quality") ?? "",
  });
}

/** Return a name for a stream from its URL: the folder of a playlist, or the file name. */
function nameOf(url) {
  const full = webAddress(url);
  if (full === null) return url;
  const parts = new URL(full).pathname.split("/").filter(Boolean).map(decodeURIComponent);
  const last = parts.pop() ?? "";
  return /^(master|index|playlist|)(\.m3u8)?$/i.test(last) ? (parts.pop() ?? new URL(full).host) : last;
}
