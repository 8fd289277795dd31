// How are elements made, and figures written as the Python half of the page writes them?
"use strict";
const GLANCE = 160;   // letters of a text shown in the table
const DASH = "–";
const NOISE = 1e-12;  // what is left of 0 after sums in another order

// Whatever is inside is text or an element, never markup.
const make = (tag, className, ...inside) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...inside.filter((part) => part !== null && part !== undefined));
  return element;
};
const pressed = (label, act) => {
  const button = make("button", "button", label);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
};
const grouped = (x, decimals) => Math.abs(x).toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
const number = (x) => {
  if (x === null) return DASH;
  const size = Math.abs(x);
  const shown = size > NOISE && size < 0.001 ? size < 0.0001 ? size.toExponential(1) : String(+size.toPrecision(2))
    : Number.isInteger(x) ? grouped(x, 0) : grouped(x, size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0);
  return (x < -NOISE ? "−" : "") + shown;
};
const signed = (x) => (x > NOISE ? "+" : "") + number(x);
const count = (x) => x === null ? DASH : grouped(x, 0);
const dollars = (x) => {
  if (x === null) return DASH;
  if (x === 0) return "$0";
  return "$" + grouped(x, x >= 1 ? 2 : Math.min(12, 2 - Math.floor(Math.log10(x))));
};
const seconds = (s) => s === null ? DASH
  : s < 1 ? (s * 1e3).toFixed(s < 0.01 ? 2 : 0) + " ms" : grouped(s, s < 10 ? 2 : s < 100 ? 1 : 0) + " s";
const asText = (value) => {
  if (typeof value === "string") return value;
  const line = JSON.stringify(value);
  return line.length > 60 ? JSON.stringify(value, null, 2) : line;
};
const glance = (text) => {
  text = text.trim();
  if (text.length <= GLANCE) return text;
  const at = text.lastIndexOf(" ", GLANCE);
  return text.slice(0, at > GLANCE / 2 ? at : GLANCE) + "…";
};
