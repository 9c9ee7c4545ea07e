"use strict";
// One slide at a time: keys, mouse, swipes, the address's hash, notes here or in a second window.

const root = document.documentElement;
const pages = [...document.querySelectorAll(".page")];
const speaker = window.name === "minifcn-speaker" && window.opener !== null;
const find = (id) => document.getElementById(id);
const started = Date.now();
let now = 0; // the slide that is shown, from 0
let step = 0; // how many of its fragments are shown
let typed = ""; // digits, until Enter
let partner = speaker ? window.opener : null; // the other window

const fragments = (slide) => [...pages[slide].querySelectorAll(".fragment")];
const has = (mode) => root.classList.contains(mode);

function show(slide, shown, tell = true) {
  const moved = slide !== now || !pages[now].classList.contains("current");
  now = Math.max(0, Math.min(pages.length - 1, slide));
  const hidden = fragments(now);
  step = Math.max(0, Math.min(hidden.length, shown));
  pages.forEach((page, i) => {
    page.classList.toggle("current", i === now);
    page.classList.toggle("next", speaker && i === now + 1);
  });
  hidden.forEach((part, i) => part.classList.toggle("shown", i < step));
  root.style.setProperty("--done", pages.length > 1 ? now / (pages.length - 1) : 1);
  if (moved) {
    const section = pages[now].querySelector(".slide");
    find("status").textContent =
      `Slide ${now + 1} of ${pages.length}: ${section.getAttribute("aria-label")}`;
    if (location.hash !== `#${now + 1}`) history.replaceState(null, "", `#${now + 1}`);
    section.tabIndex = -1;
    section.focus({ preventScroll: !has("overview") });
  }
  if (tell && partner) partner.postMessage({ lecture: document.title, slide: now, step }, "*");
}

function next() {
  if (!has("overview") && step < fragments(now).length) show(now, step + 1);
  else if (now < pages.length - 1) show(now + 1, 0);
}

function previous() {
  if (!has("overview") && step > 0) show(now, step - 1);
  else if (now > 0) show(now - 1, Infinity);
}

function overview() {
  root.classList.remove("with-notes");
  root.classList.toggle("overview");
  pages[now].scrollIntoView({ block: "nearest" });
}

function sheets() {
  root.classList.remove("overview");
  root.classList.toggle("sheets");
  root.classList.toggle("live", !has("sheets"));
  find("sheetbar").hidden = !has("sheets");
  pages[now].scrollIntoView({ block: "nearest" });
}

function scheme() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.scheme = (root.dataset.scheme || system) === "dark" ? "light" : "dark";
}

function fullscreen() {
  const done = document.fullscreenElement
    ? document.exitFullscreen()
    : root.requestFullscreen && root.requestFullscreen();
  if (done) done.catch(() => {}); // the browser may refuse; the slides are as they were
}

function openSpeaker() {
  if (speaker) return;
  const address = location.href.replace(/#.*/, "") + `#${now + 1}`;
  partner = window.open(address, "minifcn-speaker", "popup,width=1200,height=800");
}

const actions = {
  next,
  previous,
  overview,
  sheets,
  scheme,
  fullscreen,
  notes: () => speaker || has("overview") || root.classList.toggle("with-notes"),
  speaker: openSpeaker,
  help: () => (find("help").open ? find("help").close() : find("help").showModal()),
  print: () => window.print(),
  first: () => show(0, 0),
  last: () => show(pages.length - 1, 0),
};
const keys = {
  ArrowRight: "next", ArrowDown: "next", PageDown: "next", " ": "next",
  ArrowLeft: "previous", ArrowUp: "previous", PageUp: "previous",
  Home: "first", End: "last", Escape: "overview", o: "overview", s: "notes", w: "speaker",
  d: "scheme", f: "fullscreen", p: "sheets", "?": "help",
};

function type(digits) {
  typed = digits;
  find("typed").textContent = typed;
  find("typed").hidden = !typed;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (find("help").open && event.key !== "?") return; // the dialogue closes itself
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const own = event.target.closest("button, a, summary"); // these have keys of their own
  if (own && (key === "Enter" || key === " ")) return;
  if (/^[0-9]$/.test(key)) {
    type((typed + key).slice(-4));
  } else if (key === "Enter") {
    if (typed) show(Number(typed) - 1, 0);
    else if (has("overview")) overview();
    type("");
  } else if (key === "Backspace") {
    type(typed.slice(0, -1));
  } else if (has("sheets") && !["p", "s", "d", "Escape", "?"].includes(key)) {
    return; // there, keys scroll
  } else if (keys[key]) {
    event.preventDefault();
    if (typed) type("");
    else if (key === "Escape" && has("sheets")) sheets();
    else if (key === "ArrowDown" && has("overview")) move(1);
    else if (key === "ArrowUp" && has("overview")) move(-1);
    else actions[keys[key]]();
  }
});

// In the overview, a row further down or up.
function move(rows) {
  const top = pages[now].offsetTop;
  const left = pages[now].offsetLeft;
  const others = pages.filter((page) => (page.offsetTop - top) * rows > 0);
  if (!others.length) return;
  const line = rows > 0 ? others[0].offsetTop : others.at(-1).offsetTop;
  const row = others.filter((page) => page.offsetTop === line);
  const away = (page) => Math.abs(page.offsetLeft - left);
  show(pages.indexOf(row.reduce((a, b) => (away(b) < away(a) ? b : a))), 0);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) {
    actions[button.dataset.do]();
    if (event.detail) button.blur(); // by mouse: the space bar shall turn the slide again
  } else if (has("overview")) {
    const page = event.target.closest(".page");
    if (page) {
      show(pages.indexOf(page), 0);
      overview();
    }
  } else if (has("live") && !event.target.closest("a, summary, dialog, .notes")) {
    const place = event.clientX / innerWidth; // on the margins, as text may be marked
    if (place > 0.94) next();
    else if (place < 0.06) previous();
  }
});

let touch = null;
document.addEventListener("touchstart", (event) => {
  const one = event.touches.length === 1 ? event.touches[0] : null;
  touch = one && { x: one.clientX, y: one.clientY };
}, { passive: true });
document.addEventListener("touchend", (event) => {
  if (!touch || !has("live") || has("overview")) return;
  const x = event.changedTouches[0].clientX - touch.x;
  const y = event.changedTouches[0].clientY - touch.y;
  touch = null;
  if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) (x < 0 ? next : previous)();
});

let resting = 0;
document.addEventListener("pointermove", () => {
  root.classList.add("pointing");
  clearTimeout(resting);
  resting = setTimeout(() => root.classList.remove("pointing"), 2000);
});

window.addEventListener("message", (event) => {
  const { lecture, slide, step: shown } = event.data || {};
  if (event.source !== partner || lecture !== document.title) return;
  if (slide === undefined) show(now, step); // the other window has just opened: tell it
  else if (Number.isInteger(slide) && (slide !== now || shown !== step)) show(slide, shown, false);
});

window.addEventListener("hashchange", () => show(wanted(), 0));

function wanted() {
  const number = /^#[0-9]{1,4}$/.test(location.hash) ? Number(location.hash.slice(1)) : now + 1;
  return number - 1;
}

function clock() {
  const minutes = Math.floor((Date.now() - started) / 60000);
  const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  find("clock").textContent = `${time}, ${minutes} min`;
}

find("bar").hidden = speaker;
if (speaker) {
  root.classList.add("speaker");
  find("clock").hidden = false;
  clock();
  setInterval(clock, 1000);
  partner.postMessage({ lecture: document.title }, "*");
}
show(wanted(), 0, false);
