// Loads hls.js and p2p-media-loader on first use; the browser checks the hash of each file, wherever it comes from.

const TABLE = new URL("./libraries.json", import.meta.url);

let table = null;
const loaded = new Map();

function once(name, load) {
  if (!loaded.has(name)) {
    const loading = load();
    loading.catch(() => loaded.delete(name)); // so that a later call tries again
    loaded.set(name, loading);
  }
  return loaded.get(name);
}

async function entry(name) {
  table ??= fetch(TABLE).then((response) => response.json());
  try {
    const { version, integrity } = (await table)[name];
    return { url: new URL(`/libraries/${name}@${version}.js`, import.meta.url).href, integrity };
  } catch (error) {
    table = null;
    throw error;
  }
}

async function text(name) {
  const { url, integrity } = await entry(name);
  const response = await fetch(url, { integrity });
  if (!response.ok) throw new Error(`${name}: status ${response.status}`);
  return response.text();
}

function module(source) {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return { address, exports: import(address) };
}

async function script(name) {
  const { url, integrity } = await entry(name);
  await new Promise((resolve, reject) => {
    const node = document.createElement("script");
    Object.assign(node, { src: url, integrity, crossOrigin: "anonymous", onload: resolve });
    node.onerror = () => reject(new Error(`${name} cannot be loaded`));
    document.head.append(node);
  });
}

/** Return hls.js. */
export function loadHls() {
  return once("hls.js", async () => {
    await script("hls.js");
    return globalThis.Hls;
  });
}

/** Return hls.js with the mixin of p2p-media-loader. */
export function loadSharingHls() {
  return once("p2p-media-loader", async () => {
    const [Hls, core, plugin] = await Promise.all([
      loadHls(),
      text("p2p-media-loader-core"),
      text("p2p-media-loader-hlsjs"),
    ]);
    // The plug-in imports the core by its bare name. Browsers resolve bare names only with an import map, and older
    // browsers do not check the hashes of modules loaded through import maps.
    const { address } = module(core);
    const { exports } = module(plugin.replace('from "p2p-media-loader-core"', `from "${address}"`));
    const { HlsJsP2PEngine } = await exports;
    return HlsJsP2PEngine.injectMixin(Hls);
  });
}
