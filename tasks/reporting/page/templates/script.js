"use strict";
document.documentElement.classList.add("scripted");

// Panels that a choice shows one of. Without this script all of them stand below each other.
for (const chooser of document.querySelectorAll("select[data-switches]")) {
  const panels = document.querySelectorAll(`[data-panel="${chooser.dataset.switches}"]`);
  const show = () => {
    for (const panel of panels) {
      panel.hidden = panel.dataset.name !== chooser.value;
      if (panel.tagName === "DETAILS") panel.open = !panel.hidden;
    }
  };
  chooser.addEventListener("change", show);
  show();
}

// The maps: the point nearest to pointer or finger says what it is; a class or a title stands out.
for (const map of document.querySelectorAll(".mapped")) {
  const svg = map.querySelector("svg"), tip = map.querySelector(".tip"), spot = map.querySelector(".spot");
  const layers = [...svg.querySelectorAll(".layer")];
  const titles = JSON.parse(map.querySelector("script").textContent);
  const points = layers.flatMap((layer, l) => [...layer.children].map((circle, i) => ({
    circle, layer: layer.dataset.layer, title: titles[l][i][0], about: titles[l][i][1],
    x: +circle.getAttribute("cx"), y: +circle.getAttribute("cy"),
  })));
  let only = null;
  const hide = () => { tip.textContent = ""; tip.style.display = "none"; spot.setAttribute("cx", -50); };
  const tell = (point) => {
    spot.setAttribute("cx", point.x);
    spot.setAttribute("cy", point.y);
    tip.textContent = "";
    const title = document.createElement("strong"), about = document.createElement("span");
    title.textContent = point.title;
    about.textContent = point.about;
    tip.append(title, about);
    tip.style.display = "block";
    const box = svg.getBoundingClientRect(), unit = box.width / svg.viewBox.baseVal.width;
    const left = Math.min(Math.max(point.x * unit - tip.offsetWidth / 2, 0), box.width - tip.offsetWidth);
    const above = point.y * unit - tip.offsetHeight - 12;
    tip.style.left = `${left}px`;
    tip.style.top = `${above < 0 ? point.y * unit + 12 : above}px`;
  };
  const nearest = (event) => {
    const box = svg.getBoundingClientRect(), unit = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * unit, y = (event.clientY - box.top) * unit;
    let best = null, least = (24 * unit) ** 2;
    for (const point of points) {
      const away = (point.x - x) ** 2 + (point.y - y) ** 2;
      if (away < least && (only === null || point.layer === only)) { best = point; least = away; }
    }
    if (best) tell(best); else hide();
  };
  svg.addEventListener("pointermove", nearest);
  svg.addEventListener("pointerdown", nearest);
  svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
  const buttons = map.querySelectorAll("button[data-layer]");
  for (const button of buttons) {
    button.addEventListener("click", () => {
      only = only === button.dataset.layer ? null : button.dataset.layer;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other.dataset.layer === only));
      for (const layer of layers) layer.classList.toggle("dim", only !== null && layer.dataset.layer !== only);
      hide();
    });
  }
  const field = map.querySelector("input");
  let turn = 0;
  const find = (next) => {
    const wanted = field.value.trim().toLowerCase();
    const found = wanted ? points.filter((point) => point.title.toLowerCase().includes(wanted)) : [];
    found.sort((a, b) => a.title.length - b.title.length);  // a whole title comes before those that hold it
    turn = next ? turn + 1 : 0;
    for (const point of points) point.circle.classList.toggle("found", found.includes(point));
    svg.classList.toggle("finding", found.length > 0);
    if (found.length) tell(found[turn % found.length]); else hide();
  };
  field.addEventListener("input", () => find(false));
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") find(true); });
}
