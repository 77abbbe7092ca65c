// Texts of the player's pages, in English and Portuguese.

const TEXTS = {
  en: {
    "page.watch": "Player",
    "page.channels": "Channels",
    "page.tracker": "Tracker",
    "skip": "Skip to the video",
    "language": "Language",
    "search": "Search channels",
    "search.none": "No channel matches “{words}”.",
    "list.loading": "Loading the channels…",
    "list.failed": "The list of channels could not be read.",
    "list.empty": "There are no channels yet.",
    "list.count": "{count} of {all} channels",
    "choose": "Choose a channel.",
    "address": "Address of a stream or video",
    "address.hint": "HLS (.m3u8) is shared with other viewers; anything else plays as it is.",
    "address.watch": "Watch",
    "address.bad": "An address that begins with http:// or https:// is needed.",
    "full": "Full screen",
    "full.leave": "Leave full screen",
    "retry": "Try again",
    "light.video": "Video",
    "light.tracker": "Tracker",
    "light.p2p": "P2P",
    "video.idle": "nothing chosen",
    "video.loading": "loading",
    "video.buffering": "buffering",
    "video.playing": "playing",
    "video.paused": "paused",
    "video.ended": "ended",
    "video.error": "error",
    "tracker.none": "not used",
    "tracker.connecting": "connecting",
    "tracker.ready": "connected",
    "tracker.failed": "does not answer",
    "p2p.none": "not used",
    "p2p.connecting": "looking for viewers",
    "p2p.alone": "nobody else here",
    "p2p.active": "active",
    "p2p.inactive": "inactive",
    "badge.idle": "Ready",
    "badge.loading": "Loading",
    "badge.connecting": "Connecting",
    "badge.active": "P2P active",
    "badge.alone": "Over HTTP",
    "badge.direct": "Direct",
    "badge.inactive": "P2P inactive",
    "badge.error": "Error",
    "curtain.libraries": "Loading the player…",
    "curtain.stream": "Opening the stream…",
    "curtain.buffering": "Buffering…",
    "error.libraries": "The player could not be loaded.",
    "error.source": "This address cannot be played.",
    "error.network": "The stream cannot be reached.",
    "error.media": "The browser cannot play this video.",
    "error.hashes": "The list that protects this stream cannot be read or is not genuine.",
    "why.webrtc": "This browser has no WebRTC: everything comes over HTTP.",
    "why.native": "This browser plays HLS by itself: everything comes over HTTP.",
    "why.off": "Sharing is switched off: everything comes over HTTP.",
    "why.tracker": "The tracker does not answer: what no viewer sends comes over HTTP.",
    "why.hashes": "Sharing is off, since received data could not be checked.",
    "why.invalid": "Data that a viewer sent was false and has been thrown away.",
    "figures": "Statistics, every two seconds",
    "figures.peers": "Viewers connected",
    "figures.download": "Download",
    "figures.upload": "Upload",
    "figures.share": "Share of data via P2P",
    "figures.downloaded": "Downloaded",
    "figures.uploaded": "Uploaded",
    "unit.rate": "{value} KB/s",
    "unit.size": "{value} MB",
    "unit.share": "{value} %",
  },
  pt: {
    "page.watch": "Player",
    "page.channels": "Canais",
    "page.tracker": "Rastreador",
    "skip": "Ir para o vídeo",
    "language": "Idioma",
    "search": "Procurar canais",
    "search.none": "Nenhum canal corresponde a “{words}”.",
    "list.loading": "Carregando os canais…",
    "list.failed": "Não foi possível ler a lista de canais.",
    "list.empty": "Ainda não há canais.",
    "list.count": "{count} de {all} canais",
    "choose": "Escolha um canal.",
    "address": "Endereço de uma transmissão ou vídeo",
    "address.hint": "HLS (.m3u8) é compartilhado com outros espectadores; o resto toca como está.",
    "address.watch": "Assistir",
    "address.bad": "É preciso um endereço que comece com http:// ou https://.",
    "full": "Tela cheia",
    "full.leave": "Sair da tela cheia",
    "retry": "Tentar de novo",
    "light.video": "Vídeo",
    "light.tracker": "Rastreador",
    "light.p2p": "P2P",
    "video.idle": "nada escolhido",
    "video.loading": "carregando",
    "video.buffering": "aguardando dados",
    "video.playing": "tocando",
    "video.paused": "em pausa",
    "video.ended": "terminado",
    "video.error": "erro",
    "tracker.none": "não usado",
    "tracker.connecting": "conectando",
    "tracker.ready": "conectado",
    "tracker.failed": "não responde",
    "p2p.none": "não usado",
    "p2p.connecting": "procurando espectadores",
    "p2p.alone": "ninguém mais aqui",
    "p2p.active": "ativo",
    "p2p.inactive": "inativo",
    "badge.idle": "Pronto",
    "badge.loading": "Carregando",
    "badge.connecting": "Conectando",
    "badge.active": "P2P ativo",
    "badge.alone": "Por HTTP",
    "badge.direct": "Direto",
    "badge.inactive": "P2P inativo",
    "badge.error": "Erro",
    "curtain.libraries": "Carregando o player…",
    "curtain.stream": "Abrindo a transmissão…",
    "curtain.buffering": "Aguardando dados…",
    "error.libraries": "Não foi possível carregar o player.",
    "error.source": "Este endereço não pode ser reproduzido.",
    "error.network": "A transmissão está fora de alcance.",
    "error.media": "O navegador não consegue reproduzir este vídeo.",
    "error.hashes": "A lista que protege esta transmissão não pode ser lida ou não é autêntica.",
    "why.webrtc": "Este navegador não tem WebRTC: tudo vem por HTTP.",
    "why.native": "Este navegador reproduz HLS por conta própria: tudo vem por HTTP.",
    "why.off": "O compartilhamento está desligado: tudo vem por HTTP.",
    "why.tracker": "O rastreador não responde: o que nenhum espectador envia vem por HTTP.",
    "why.hashes": "O compartilhamento está desligado, pois os dados recebidos não podem ser verificados.",
    "why.invalid": "Um espectador enviou dados falsos, que foram descartados.",
    "figures": "Estatísticas, a cada dois segundos",
    "figures.peers": "Espectadores conectados",
    "figures.download": "Download",
    "figures.upload": "Upload",
    "figures.share": "Parcela dos dados via P2P",
    "figures.downloaded": "Total baixado",
    "figures.uploaded": "Total enviado",
    "unit.rate": "{value} KB/s",
    "unit.size": "{value} MB",
    "unit.share": "{value} %",
  },
};

const NAMES = { en: "English", pt: "Português" };
const STORAGE_KEY = "language";

let language = initial();

function initial() {
  const tags = [new URLSearchParams(location.search).get("lang"), stored(), ...(navigator.languages ?? [navigator.language])];
  const supported = tags.map((tag) => tag?.slice(0, 2).toLowerCase()).filter((tag) => tag in TEXTS);
  return supported[0] ?? "en";
}

function stored() {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null; // the browser may forbid storage
  }
}

/** Return a text in the current language; `{name}` is replaced by a value. */
export function say(key, values = {}) {
  const text = TEXTS[language][key];
  if (text === undefined) throw new Error(`no text ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Return a number as the current language writes it. */
export function number(value, digits = 0) {
  return value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Fill the elements that name a text: data-say for the content, data-say-label for aria-label. */
export function translate(root = document) {
  document.documentElement.lang = language;
  for (const node of root.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
  for (const node of root.querySelectorAll("[data-say-label]")) node.setAttribute("aria-label", say(node.dataset.sayLabel));
}

/** Fill a select element with the languages; `changed` is called after each change. */
export function offerLanguages(select, changed) {
  for (const [tag, name] of Object.entries(NAMES)) select.add(new Option(name, tag, false, tag === language));
  for (const option of select.options) option.lang = option.value;
  select.addEventListener("change", () => {
    language = select.value;
    try {
      localStorage.setItem(STORAGE_KEY, language);
    } catch {
      // the choice then holds for this page only
    }
    translate();
    changed();
  });
}

export const keys = Object.fromEntries(Object.entries(TEXTS).map(([tag, texts]) => [tag, Object.keys(texts)]));
