"""How is a drawing written as a page that opens offline?"""

from __future__ import annotations

from html import escape

from onetwo_like.core.drawing import Drawing, printable
from onetwo_like.core.drawing_svg import svg

# Nothing may be loaded from anywhere, whatever the names of steps hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

_STYLE = """\
:root{color-scheme:light dark}
html,body{margin:0;height:100%;overflow:hidden;background:#fff}
@media(prefers-color-scheme:dark){html,body{background:#14171d}}
body>svg{width:100%!important;height:100%!important;max-width:none!important;cursor:grab;touch-action:none}
body>svg:active{cursor:grabbing}
nav{position:fixed;top:10px;right:10px;display:flex;gap:4px}
nav button{font:13px system-ui,sans-serif;padding:4px 9px}
.frame{cursor:pointer}
.frame:focus{outline:none}
.frame:focus-visible>g>rect{stroke-width:3!important}
"""

# No data in the script: it works on the elements of the image, whose structure drawing_svg explains.
_SCRIPT = """\
const svg = document.querySelector("svg"), sheet = svg.querySelector(".sheet");
const kids = (g, what) => [...g.children].filter(k => k.matches(what));

// Piles everything anew, and says how high it is: see the module drawing_svg for what holds what.
function piled(g) {
  if (g.matches(".pile")) {
    let y = 0;
    for (const row of kids(g, "g")) {
      row.setAttribute("transform", `translate(0,${y})`);
      y += piled(row);
    }
    return y;
  }
  if (g.matches(".row")) {
    const boxes = kids(g, ".box,.pile"), heights = boxes.map(piled), height = Math.max(0, ...heights);
    for (const line of kids(g, "path")) line.setAttribute("d", `M${line.dataset.x},0V${height}`);
    for (const tail of kids(g, ".tail")) {
      const own = heights[tail.dataset.of], from = tail.querySelector(".head") ? 8 : 0;
      tail.setAttribute("transform", `translate(${tail.dataset.x},${own})`);
      tail.querySelector(".edge").setAttribute("d", `M0,${from}V${Math.max(from, height - own)}`);
    }
    return height;
  }
  if (g.matches(".frame") && g.getAttribute("aria-expanded") === "true") {
    const open = kids(g, ".open")[0], top = +g.dataset.top;
    const inner = kids(open, ".pile")[0], height = top + inner_height(inner) + 16;
    kids(open, "rect")[0].setAttribute("height", height);
    return height;
  }
  return +g.dataset.h;
}
function inner_height(pile) {
  const at = pile.getAttribute("transform"), height = piled(pile);
  pile.setAttribute("transform", at);
  return height;
}
function fold(frame, shut) {
  frame.setAttribute("aria-expanded", String(!shut));
  kids(frame, ".open")[0].setAttribute("display", shut ? "none" : "inline");
  kids(frame, ".shut")[0].setAttribute("display", shut ? "inline" : "none");
}
const frames = [...svg.querySelectorAll(".frame")];
function fold_all(shut) {
  frames.forEach(frame => fold(frame, shut));
  piled(sheet.firstElementChild);
  fit();
}
function toggle(frame) {
  fold(frame, frame.getAttribute("aria-expanded") === "true");
  piled(sheet.firstElementChild);
}

// The view: what part of the image the window shows.
let view;
function show() { svg.setAttribute("viewBox", [view.x, view.y, view.w, view.h].join(" ")); }
function fit() {
  const box = sheet.getBBox(), w = innerWidth, h = innerHeight;
  const scale = Math.max((box.width + 32) / w, (box.height + 88) / h, 0.75);
  view = {w: w * scale, h: h * scale, x: 0, y: 0};
  view.x = box.x + 16 + box.width / 2 - view.w / 2;
  view.y = box.y + 16 + (box.height - view.h) / 2 - 20 * scale;  // the buttons are above
  show();
}
function zoom(by, x, y) {
  view.x += x * view.w * (1 - by); view.y += y * view.h * (1 - by);
  view.w *= by; view.h *= by;
  show();
}
svg.addEventListener("wheel", e => {
  e.preventDefault();
  zoom(Math.exp(e.deltaY * 0.0015), e.clientX / innerWidth, e.clientY / innerHeight);
}, {passive: false});
let from = null, moved = false;
svg.addEventListener("pointerdown", e => { from = e; moved = false; });
addEventListener("pointermove", e => {
  if (!from || !e.buttons) return;
  if (Math.abs(e.clientX - from.clientX) + Math.abs(e.clientY - from.clientY) < 4 && !moved) return;
  moved = true;
  view.x -= (e.clientX - from.clientX) * view.w / innerWidth;
  view.y -= (e.clientY - from.clientY) * view.h / innerHeight;
  from = e;
  show();
});
addEventListener("pointerup", () => { from = null; });
svg.addEventListener("click", e => {
  const box = e.target.closest(".box");  // a step in a frame is not the frame
  if (box && box.matches(".frame") && !moved) toggle(box);
});
svg.addEventListener("keydown", e => {
  if ((e.key === "Enter" || e.key === " ") && e.target.matches(".frame")) { e.preventDefault(); toggle(e.target); }
});
const acts = {
  closer: () => zoom(0.8, 0.5, 0.5), further: () => zoom(1.25, 0.5, 0.5), whole: fit,
  fold: () => fold_all(true), unfold: () => fold_all(false),
};
document.querySelectorAll("nav button").forEach(b => b.addEventListener("click", acts[b.dataset.act]));
addEventListener("resize", fit);
fit();
"""
_VIEW = (
    ("closer", "+", "closer"),
    ("further", "\N{MINUS SIGN}", "further away"),
    ("whole", "all", "the whole"),
)
_FOLDING = (("fold", "fold", "fold all frames"), ("unfold", "unfold", "open all frames"))


def html(drawing: Drawing) -> str:
    """The page: the image, and a script to move, to zoom and to fold frames. It loads nothing."""
    nested = any(box.inside is not None and box.inside.boxes for box in drawing.boxes)
    buttons = "".join(
        f'<button data-act="{act}" title="{tip}">{name}</button>'
        for act, name, tip in (*_VIEW, *(_FOLDING if nested else ()))
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(printable(drawing.title))}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        f"{svg(drawing, foldable=True)}<nav>{buttons}</nav>\n<script>\n{_SCRIPT}</script>\n</body>\n</html>\n"
    )
