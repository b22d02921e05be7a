// A timeline as one page that needs nothing else: no server, no other file. Everything of the guest's goes through JSON and `textContent`, so that
// what it prints stays text.
import { escapeHtml } from "../machine/report/html.ts";
import type { Timeline } from "./timeline.ts";

/** What the page says of the run. */
export interface PageFacts {
  readonly title: string;
  /** "passed", "failed: why". */
  readonly verdict: string;
  readonly failed: boolean;
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** The failure, or the death report. */
  readonly report: string;
  /** The screen at the end, as a PNG in base64. */
  readonly png?: string;
}

const COLOURS = "#000 #00a #0a0 #0aa #a00 #a0a #a50 #aaa #555 #55f #5f5 #5ff #f55 #f5f #ff5 #fff".split(" ");

const STYLE = `
:root{color-scheme:light dark;--fg:#1b1f24;--bg:#fff;--soft:#f3f5f8;--line:#d0d7de;--dim:#667;--bad:#c0262d;--good:#1a7f37;--mark:#0969da;--spot:#4c7fd0}
@media (prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--soft:#161b22;--line:#30363d;--dim:#9aa4b0;--bad:#ff7b72;--good:#56d364;--mark:#58a6ff;--spot:#6ea8fe}}
*{box-sizing:border-box}body{margin:0;font:14px/1.45 system-ui,sans-serif;color:var(--fg);background:var(--bg)}
header{padding:12px 16px 4px}h1{font-size:18px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:13px;margin:0;padding:6px 10px;color:var(--dim);font-weight:600;position:sticky;top:0;background:var(--bg)}
.verdict{font-weight:600;color:var(--good);overflow-wrap:anywhere}.verdict.bad{color:var(--bad)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:0 12px;margin:6px 0}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere;font-family:ui-monospace,monospace;font-size:12px}
pre{font:12px/1.45 ui-monospace,monospace;margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
details{margin:4px 16px;border:1px solid var(--line);border-radius:6px}summary{padding:6px 10px;cursor:pointer}details pre{padding:0 10px 10px;max-height:26vh;overflow:auto}
#bar{display:flex;gap:8px;align-items:center;padding:4px 16px;flex-wrap:wrap}button{font:inherit;color:inherit;background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:2px 10px;cursor:pointer}
#now{font-family:ui-monospace,monospace}canvas{display:block;width:100%;touch-action:none;cursor:crosshair;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
main{display:grid;grid-template-columns:minmax(200px,1fr) minmax(300px,2fr) minmax(240px,1.4fr);min-height:300px}
main>section{border-right:1px solid var(--line);min-width:0;height:58vh;overflow:auto}
.row{padding:2px 10px;cursor:pointer;overflow-wrap:anywhere;font-size:12px}.row:hover,.row.on{background:var(--soft)}.row.bad{color:var(--bad)}.row time{color:var(--dim);font-family:ui-monospace,monospace;margin-right:8px}
#serial pre{padding:0 10px 10px}.later{opacity:.35}#screen pre{display:inline-block;white-space:pre;margin:0 10px 10px;background:#000;line-height:1.2}#screen img{max-width:100%;padding:0 10px}
.count{color:var(--dim)}@media (max-width:900px){main{grid-template-columns:1fr}main>section{height:auto;max-height:50vh}}`;

// It runs in a browser, and is text here.
const SCRIPT = String.raw`
"use strict";
const D = JSON.parse(document.getElementById("data").textContent), $ = (id) => document.getElementById(id);
const make = (tag, text, cls) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; if (cls) e.className = cls; return e; };
const time = (t) => { const ns = t * 1e9 / D.hz; return ns >= 1e9 ? (ns / 1e9).toFixed(3) + " s" : ns >= 1e6 ? (ns / 1e6).toFixed(3) + " ms" : ns >= 1e3 ? (ns / 1e3).toFixed(3) + " us" : ns.toFixed(0) + " ns"; };
const canvas = $("lanes"), ctx = canvas.getContext("2d"), ROW = 20, LEFT = 130, TOP = 22;
const lanes = [...(D.steps.length ? [{ name: "script", steps: D.steps }] : []),
  ...D.consoles.map((c) => ({ name: c.name, spots: c.pieces.map(([t, s], i) => [t, t, 1, s]) })), ...D.lanes];
let from = 0, to = Math.max(1, D.end), now = D.end, con = 0, filter = "";
const rows = lanes.map((l) => l.steps ? 1 + Math.min(3, Math.max(0, ...l.steps.map((s) => s.depth))) : 1);
const height = TOP + rows.reduce((a, b) => a + b, 0) * ROW + 4;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
function draw() {
  const w = canvas.clientWidth, r = devicePixelRatio || 1;
  canvas.width = w * r; canvas.height = height * r; canvas.style.height = height + "px";
  ctx.setTransform(r, 0, 0, r, 0, 0); ctx.clearRect(0, 0, w, height);
  ctx.font = "11px system-ui, sans-serif"; ctx.textBaseline = "middle";
  const x = (t) => LEFT + (t - from) / (to - from) * (w - LEFT - 10);
  ctx.fillStyle = css("--dim"); ctx.strokeStyle = css("--line");
  const raw = (to - from) / Math.max(2, (w - LEFT) / 110), p = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map((m) => m * p).find((s) => s >= raw);
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) { ctx.beginPath(); ctx.moveTo(x(t), TOP - 6); ctx.lineTo(x(t), height); ctx.stroke(); ctx.fillText(time(t), x(t) + 3, 9); }
  let y = TOP;
  lanes.forEach((lane, i) => {
    ctx.fillStyle = css("--fg"); ctx.fillText(lane.name.length > 20 ? lane.name.slice(0, 19) + "…" : lane.name, 8, y + ROW / 2, LEFT - 14);
    ctx.save(); ctx.beginPath(); ctx.rect(LEFT - 3, y, w - LEFT, rows[i] * ROW); ctx.clip();
    for (const s of lane.steps ?? []) {
      const a = x(s.from), b = Math.max(a + 2, x(s.to)); if (b < LEFT || a > w) continue;
      const top = y + Math.min(3, s.depth) * ROW + 2; ctx.globalAlpha = .3; ctx.fillStyle = css(s.failed ? "--bad" : "--good"); ctx.fillRect(a, top, b - a, ROW - 4); ctx.globalAlpha = 1;
      if (b - a > 30) { ctx.save(); ctx.beginPath(); ctx.rect(a, top, b - a, ROW); ctx.clip(); ctx.fillStyle = css("--fg"); ctx.fillText(s.name, Math.max(a, LEFT) + 3, top + ROW / 2 - 2); ctx.restore(); }
    }
    ctx.fillStyle = css(/exception/.test(lane.name) ? "--bad" : "--spot");
    let last = -9;
    for (const [a0, b0] of lane.spots ?? []) { const a = x(a0), b = x(b0); if (b < LEFT - 3 || a > w || b < last + 1) continue; last = Math.max(b, a + 2); ctx.fillRect(a, y + 4, last - a, ROW - 8); }
    ctx.restore(); y += rows[i] * ROW;
  });
  ctx.strokeStyle = css("--mark"); ctx.lineWidth = 1.5; ctx.beginPath(); ctx.moveTo(x(now), 0); ctx.lineTo(x(now), height); ctx.stroke(); ctx.lineWidth = 1;
}
const at = (e) => { const b = canvas.getBoundingClientRect(); return Math.min(D.end, Math.max(0, from + (e.clientX - b.left - LEFT) / (b.width - LEFT - 10) * (to - from))); };
function zoom(f, t) { const span = Math.min(Math.max(1, D.end), Math.max(10, (to - from) * f)); from = Math.max(0, t - (t - from) * span / (to - from)); to = from + span; if (to > Math.max(1, D.end)) { to = Math.max(1, D.end); from = Math.max(0, to - span); } draw(); }
function pan(d) { const span = to - from; from = Math.min(Math.max(0, D.end - span), Math.max(0, from + d * span)); to = from + span; draw(); }
let drag;
canvas.onpointerdown = (e) => { drag = true; canvas.setPointerCapture(e.pointerId); show(at(e)); };
canvas.onpointermove = (e) => { if (drag) show(at(e)); };
canvas.onpointerup = () => drag = false;
canvas.addEventListener("wheel", (e) => { e.preventDefault(); e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY) ? pan((e.deltaX || e.deltaY) / 800) : zoom(e.deltaY > 0 ? 1.25 : .8, at(e)); }, { passive: false });
$("in").onclick = () => zoom(.5, now); $("out").onclick = () => zoom(2, now); $("fit").onclick = () => { from = 0; to = Math.max(1, D.end); draw(); };
const times = [...new Set([0, D.end, ...D.steps.map((s) => s.from), ...lanes.flatMap((l) => (l.spots ?? []).map((s) => s[0]))])].sort((a, b) => a - b);
$("prev").onclick = () => show(times.findLast((t) => t < now) ?? 0); $("next").onclick = () => show(times.find((t) => t > now) ?? D.end);
addEventListener("keydown", (e) => { if (/INPUT|SELECT/.test(e.target.tagName)) return; const f = { ArrowLeft: "prev", ArrowRight: "next", "+": "in", "-": "out", "0": "fit" }[e.key]; if (f) { e.preventDefault(); $(f).click(); } });
function serial() {
  const c = D.consoles[con], out = $("printed"); out.replaceChildren(); if (!c) return;
  if (c.dropped) out.append(make("span", "[" + c.dropped + " characters before are not kept]\n", "count"));
  const k = c.pieces.findIndex(([t]) => t > now), i = k < 0 ? c.pieces.length : k;
  const text = (list) => list.map((p) => p[1]).join("").replace(/\r+\n/g, "\n").replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/[\x00-\x08\x0b-\x1f\x7f]/g, (ch) => String.fromCharCode(0x2400 + (ch.charCodeAt(0) & 0x7f)));
  const past = make("span", text(c.pieces.slice(Math.max(0, i - 2000), i))); out.append(past, make("span", text(c.pieces.slice(i, i + 500)), "later"));
  const s = $("serial"); if (i < c.pieces.length) s.scrollTop = Math.max(0, past.getBoundingClientRect().bottom - s.getBoundingClientRect().top + s.scrollTop - s.clientHeight / 2); else s.scrollTop = s.scrollHeight;
}
function screen() {
  const box = $("shown"); box.replaceChildren();
  const frame = D.frames.findLast((f) => f[0] <= now); if (!frame) return;
  const pre = make("pre");
  for (const [text, runs] of frame[1]) { let i = 0; for (const [n, a] of runs) { const s = make("span", text.slice(i, i + n)); s.style.color = D.colours[a & 15]; s.style.background = D.colours[a >> 4 & 15]; pre.append(s); i += n; } pre.append("\n"); }
  box.append(make("h2", "shown since " + time(frame[0])), pre);
}
const all = lanes.filter((l) => l.spots).flatMap((l) => l.spots.map((s) => [s, l.name])).sort((a, b) => a[0][0] - b[0][0]);
function events() {
  const list = $("list"), match = filter ? all.filter(([s, n]) => (n + " " + s[3]).toLowerCase().includes(filter)) : all; list.replaceChildren();
  let i = match.findIndex(([s]) => s[0] > now); if (i < 0) i = match.length;
  for (const [s, name] of match.slice(Math.max(0, i - 150), i + 100)) { const r = make("div", undefined, s[0] <= now ? "row" : "row later"); r.append(make("time", time(s[0])), make("b", name + " "), make("span", s[3].trim())); if (s[2] > 1) r.append(make("span", " … " + s[2] + " until " + time(s[1]), "count")); r.onclick = () => show(s[0]); list.append(r); }
  const on = list.children[Math.min(i, 150) - 1]; if (on) { on.classList.add("on"); const s = $("events"); s.scrollTop = on.offsetTop - s.offsetTop - s.clientHeight / 2; }
}
for (const s of D.steps) { const r = make("div", undefined, s.failed ? "row bad" : "row"); r.style.paddingLeft = 10 + 12 * Math.min(8, s.depth) + "px"; r.append(make("time", time(s.from)), make("span", s.name), make("span", "  " + time(s.to - s.from), "count")); r.onclick = () => show(s.failed ? s.to : s.from); r.from = s.from; r.to = s.to; $("steps").append(r); }
D.consoles.forEach((c, i) => { const o = make("option", c.name); o.value = i; $("con").append(o); }); $("con").onchange = (e) => { con = +e.target.value; serial(); };
$("filter").oninput = (e) => { filter = e.target.value.toLowerCase(); events(); };
function show(t) { now = t; $("now").textContent = time(t) + " · tick " + Math.round(t); if (t < from || t > to) { const span = to - from; from = Math.max(0, t - span / 2); to = from + span; } for (const r of $("steps").children) r.classList?.toggle("on", r.from <= t && t <= r.to); draw(); serial(); screen(); events(); }
addEventListener("resize", draw); matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
show(D.end);`;

/** JSON that no HTML parser sees anything in. */
const embedded = (value: unknown): string =>
  JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

export function timelinePage(timeline: Timeline, { title, verdict, failed, facts, report, png }: PageFacts): string {
  const e = escapeHtml, rows = facts.map(([name, value]) => `<dt>${e(name)}</dt><dd>${e(value)}</dd>`).join("");
  const printed = timeline.consoles.map(({ name, pieces }) => `${name}:\n${pieces.map(([, text]) => text).join("")}`).join("\n\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>${e(title)}</title><style>${STYLE}</style></head><body>
<header><h1>${e(title)}</h1><div class="verdict${failed ? " bad" : ""}">${e(verdict)}</div><dl>${rows}</dl></header>
${timeline.notes.map((note) => `<p style="padding:0 16px">${e(note)}</p>`).join("")}
${report ? `<details${failed ? " open" : ""}><summary>Report</summary><pre>${e(report)}</pre></details>` : ""}
<div id="bar"><button id="prev" title="Arrow left">◀</button><button id="next" title="Arrow right">▶</button><button id="in" title="+">zoom in</button><button id="out" title="-">zoom out</button><button id="fit" title="0">all</button><span id="now"></span></div>
<canvas id="lanes" aria-label="timeline"></canvas>
<main><section><h2>Script</h2><div id="steps"></div></section>
<section id="serial"><h2>Console <select id="con"></select></h2><pre id="printed"></pre><div id="screen"><div id="shown"></div>${
    png ? `<h2>the screen at the end</h2><img alt="the screen at the end" src="data:image/png;base64,${e(png)}">` : ""
  }</div></section>
<section id="events"><h2>Events <input id="filter" placeholder="filter" aria-label="filter"></h2><div id="list"></div></section></main>
<noscript><details open><summary>Consoles</summary><pre>${e(printed.slice(-100_000))}</pre></details></noscript>
<script type="application/json" id="data">${embedded({ ...timeline, colours: COLOURS })}</script>
<script>${SCRIPT}</script></body></html>
`;
}
