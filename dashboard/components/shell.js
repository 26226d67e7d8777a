// Runs before everything else on every page: keeps the history of the browser to what the reader did, and
// says so calmly when the server is away.
(() => {
  const { base, run } = document.currentScript.dataset;

  // -- history: an address that a page completes by itself replaces the one that was asked for, so that Back
  // goes to where the reader came from and not to the same page with half an address.
  let acted = false; // on this page, since the address was last written; a link to another is no part of it
  for (const kind of ["pointerdown", "keydown", "change", "drop"])
    addEventListener(kind, (event) => {
      if (event.isTrusted && !event.target.closest?.("a[href]")) acted = true;
    }, { capture: true, passive: true });
  addEventListener("popstate", () => { acted = false; }, true);
  const push = history.pushState;
  history.pushState = function (state, title, url) {
    const to = new URL(url ?? location.href, location.href);
    const completed = to.pathname === location.pathname && !acted;
    acted = false;
    return completed ? history.replaceState(state, title, url) : push.call(history, state, title, url);
  };

  // -- connection
  const SOON = 600, OFTEN = 1000; // milliseconds until the notice is shown, and between two questions
  let sockets = 0, leaving = false, away = 0, notice = null;
  addEventListener("pagehide", () => { leaving = true; });
  addEventListener("pageshow", () => { leaving = false; });

  // True if the server that drew this page answers; the page is drawn anew where it is another one.
  async function answers() {
    try {
      const answer = await fetch(`${base}assets/run`, { cache: "no-store" });
      if (!answer.ok) return false;
      if ((await answer.text()) !== run) { location.reload(); return false; }
      return true;
    } catch { return false; }
  }
  async function ask() {
    if ((await answers()) && sockets > 0) return back();
    if (away) away = setTimeout(ask, OFTEN);
  }
  function lost() {
    if (leaving || away) return;
    // What is clicked now would be lost.
    document.getElementById("root").inert = true;
    away = setTimeout(() => { if (away) { show(); ask(); } }, SOON);
  }
  function back() {
    clearTimeout(away);
    away = 0;
    document.getElementById("root").inert = false;
    notice?.remove();
    notice = null;
  }
  function show() {
    if (notice) return;
    const dark = getComputedStyle(document.querySelector(".stApp") || document.body).colorScheme === "dark";
    notice = document.createElement("div");
    notice.id = "hearspace-away";
    notice.setAttribute("role", "status");
    notice.style.cssText = "position:fixed;inset:auto 0 1.5rem 0;margin:0 auto;z-index:1000001;box-sizing:border-box;" +
      "width:min(30rem,calc(100vw - 2rem));padding:0.9rem 1.1rem;border-radius:12px;font:15px/1.45 system-ui,sans-serif;" +
      "box-shadow:0 4px 22px rgba(0,0,0,.25);" +
      (dark ? "background:#23272e;color:#f4f5f6;border:1px solid #4a505a" : "background:#fff;color:#22262c;border:1px solid #d5d7da");
    const head = document.createElement("strong");
    head.textContent = "hearspace does not answer.";
    notice.append(head, " It was stopped, or the connection to it is interrupted. Nothing is lost: this page goes on by itself when it is back.");
    document.body.append(notice);
  }
  addEventListener("visibilitychange", () => { if (away && !document.hidden) answers(); });

  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(url, protocols) {
      super(url, protocols);
      if (!String(url).includes("/_stcore/stream")) return;
      let open = false;
      this.addEventListener("open", () => {
        open = true;
        sockets += 1;
        if (away) ask();
      });
      this.addEventListener("close", () => {
        if (open) sockets -= 1;
        open = false;
        if (sockets === 0) lost();
      });
    }
  };
})();
