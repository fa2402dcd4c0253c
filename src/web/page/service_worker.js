// Keeps the app for use without a network: all of its files as one version, until somebody asks for the
// next one. `cargo xtask dist` writes VERSION and FILES before this text; each entry of FILES is a name,
// and whether the name changes with the content.

// A host may have several of these in different folders, and they share the browser's caches.
const OURS = `mqtt-crawl ${self.registration.scope} `;
const CACHE = OURS + VERSION;
const HOME = new URL("./", self.location).href;

const keepAll = async () => {
  const cache = await caches.open(CACHE);
  // Files that the page has just loaded aren't loaded again.
  await cache.addAll(FILES.map(([name, isHashed]) => new Request(name, { cache: isHashed ? "default" : "no-cache" })));
};

const dropOthers = async () => {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(OURS) && name !== CACHE).map((name) => caches.delete(name)));
};

const answer = async (request) => {
  const cache = await caches.open(CACHE);
  return (await cache.match(request, { ignoreSearch: request.mode === "navigate" })) ?? fetch(request);
};

self.addEventListener("install", (event) => event.waitUntil(keepAll()));
self.addEventListener("activate", (event) => event.waitUntil(dropOthers()));
self.addEventListener("message", () => self.skipWaiting());
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(HOME)) event.respondWith(answer(event.request));
});
