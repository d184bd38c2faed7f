"use strict";
// The review page: keyboard first. An answer is on the server's disk before the next photo shows.

const ROWS = ["123456789", "qwertyuio", "asdfghjkl"]; // the keys of the first, second and third attribute
const KEYS = { right: "Enter", drop: "x", unusable: "v", notFace: "n", unsure: "c", skip: " ", flag: "f", confirm: "Enter",
  dismiss: "x", fine: " ", undo: "z", redo: "Z", whole: "p", zoom: "b", years: "y" };
const TOOLS = ["undo", "redo", "zoom"];
const SWIPES = { look: ["fine", "flag"], flagged: ["confirm", "dismiss"], rule: ["right", "skip"], settle: ["right", "skip"] }; // → ←
const SWIPE_PX = 60;
const LARGE_PX = 1024, ZOOMED_PX = 2048, SMALL_PX = 192;
const FILTERS = ["kinds", "attribute", "classes", "split"];

const $ = (id) => document.getElementById(id);
const page = { about: null, pass: "rule", item: null, ahead: null, way: { back: null, forth: null }, isWholeChosen: false, words: TEXTS.en, actions: [],
  pictures: { large: { px: LARGE_PX, n: 4, pictures: new Map() }, small: { px: SMALL_PX, n: 64, pictures: new Map() } } };
const store = {
  get: (name, other) => JSON.parse(localStorage.getItem(`trifacet-${name}`) ?? JSON.stringify(other)),
  set: (name, value) => localStorage.setItem(`trifacet-${name}`, JSON.stringify(value)),
};
const phrased = (text) => page.words.phrases.reduce((told, [pattern, words]) => told.replace(pattern, words), text);
const readable = (text) => page.words.names[text] ?? String(text ?? "–").replaceAll("_", " ");
const keyName = (key) => ({ " ": "space", Enter: "⏎" })[key] ?? key;
const percent = (share) => `${Math.round(100 * share)} %`;
const who = () => $("who").value.trim();

async function call(path, body) {
  const asked = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, asked);
  return { status: answer.status, told: await answer.json() };
}

function say(text, isWrong = false) {
  $("message").textContent = text;
  $("message").classList.toggle("wrong", isWrong);
}

function part(tag, text = "", name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function row(cells, tag = "td") {
  const made = part("tr");
  made.append(...cells.map((cell) => (cell instanceof Node ? cell : part(tag, cell))));
  return made;
}

function picture(number, px, alt) {
  const made = new Image();
  made.alt = alt;
  made.src = `photo/${number}?px=${px}`;
  return made;
}

// A picture, the one that was loaded before where it still is kept.
function kept(kind, number, alt) {
  const { px, n, pictures } = page.pictures[kind];
  const made = pictures.get(number) ?? picture(number, px, alt);
  made.alt = alt;
  pictures.delete(number);
  pictures.set(number, made);
  if (pictures.size > n) pictures.delete(pictures.keys().next().value);
  return made;
}

// What may be done now: name, key, what the button says, what it does, and the attribute that it is about.
function actionsOf(item) {
  const own = store.get("keys", {});
  const made = [];
  const add = (name, key, text, run, group = "") => made.push({ name, key: own[name] ?? key, text, run, group });
  const w = page.words;
  const verdict = (value) => () => answer({ verdict: value });
  if (item && page.pass === "look") {
    add("fine", KEYS.fine, w.fine, verdict("seen"));
    add("flag", KEYS.flag, w.flag, verdict("flagged"));
  } else if (item && page.pass === "flagged") {
    add("confirm", KEYS.confirm, w.confirm, verdict("confirmed"));
    add("dismiss", KEYS.dismiss, w.dismiss, verdict("dismissed"));
  } else if (item) {
    page.about.attributes.forEach((attribute, i) => attribute.classes.forEach((value, j) => {
      const key = (ROWS[i] ?? "")[j] ?? "";
      add(`${attribute.name}=${value}`, key, readable(value), (stays) => answer({ [attribute.name]: value }, stays), attribute.name);
    }));
    if (item.labels.age_years !== null) add("years", KEYS.years, readable("age_years"), () => $("years").focus(), band());
    add("right", KEYS.right, w.right, (stays) => answer(asGiven(item), stays, true));
    for (const [name, value] of [["drop", "dropped"], ["unusable", "unusable"], ["notFace", "not_a_face"]]) {
      add(name, KEYS[name], w[name], (stays) => answer({ use: value }, stays));
    }
    add("unsure", KEYS.unsure, w.unsure, verdict("unsure"));
    add("skip", KEYS.skip, w.skip, verdict("skipped"));
  }
  add("undo", KEYS.undo, w.undo, () => takeBack("back", w.undone));
  add("redo", KEYS.redo, w.redo, () => takeBack("forth", w.redone));
  if (item) {
    add("zoom", KEYS.zoom, w.zoom, zoom);
    add("whole", KEYS.whole, w.whole(item.n_of_person), () => $("whole").click());
  }
  return made;
}

const band = () => page.about.attributes.find((a) => a.is_age)?.name;

// The labels in question, or all of them, ruled to be as they were given, and the photo to stay in use or out of it.
function asGiven(item) {
  const names = page.about.attributes.map((a) => a.name).filter((name) => item.labels[name] !== null);
  const doubted = page.pass === "settle" ? item.differs : item.why.map((reason) => reason.attribute);
  const asked = doubted.map((name) => (name === "age_years" ? band() : name));
  const chosen = names.filter((name) => asked.includes(name));
  const ruled = chosen.length || asked.includes("use") ? chosen : names;
  const isUse = page.pass !== "settle" || asked.includes("use");
  const given = Object.fromEntries(ruled.map((name) => [name, item.labels[name]]));
  return isUse ? { ...given, use: item.labels.dropped_because ?? "" } : given;
}

const isOfPerson = (name) => page.about.attributes.some((a) => a.name === name && a.of_person) || name === "age_years";

// What is said of all photos of the person: all that is answered where the reviewer chose so; what is the same in all
// of them where a finding is about the person, or the answer is that the labels are right.
function ofPerson(changes, isGiven) {
  if (!$("whole").checked) return [];
  const names = Object.keys(changes);
  return page.isWholeChosen && !isGiven ? names : names.filter(isOfPerson);
}

// One thing at a time: a key that comes before the next photo stands is not taken for an answer about it.
async function guarded(work) {
  const { dataset } = document.body;
  if ("busy" in dataset) return;
  dataset.busy = "";
  try {
    await work();
  } catch {
    say(page.words.server, true);
  } finally {
    delete dataset.busy;
  }
}

const answer = (changes, stays = false, isGiven = false) => guarded(async () => {
  const { item } = page;
  if (!who()) { say(page.words.name, true); $("who").focus(); return; }
  const said = ofPerson(changes, isGiven);
  const body = { row: item.row, who: who(), changes, seen: item.seen, of_person: said, settle: page.pass === "settle" };
  const { status, told } = await call("api/rule", body);
  if (status === 409) { say(page.words.stale, true); await show(item.row); return; }
  if (status !== 200) { say(told.error ?? String(status), true); return; }
  page.way = told.way;
  say(page.words.saved);
  if (stays) { await show(item.row); return; }
  if (said.length) page.ahead = null; // what was fetched before may be of this person
  await advance(item.row);
});

const takeBack = (direction, words) => guarded(async () => {
  const step = page.way[direction];
  if (!step) { say(page.words.nothing, true); return; }
  const { status, told } = await call("api/undo", { number: step.number, who: who() });
  if (status !== 200) { say(status === 409 ? page.words.stale : told.error, true); await advance(); return; }
  page.way = told.way;
  say(words);
  if (step.row < 0) await advance();
  else await show(step.row);
});

function query(after) {
  const chosen = FILTERS.map((name) => [name, $(name).value]).filter(([, value]) => value);
  return new URLSearchParams([["who", who() || "-"], ["pass", page.pass], ["after", after], ...chosen]);
}

async function advance(after = -1) {
  const ahead = page.ahead?.after === after ? await page.ahead.coming : null;
  page.ahead = null;
  const found = ahead ?? (await call(`api/next?${query(after)}`)).told;
  if (found.error) { say(found.error, true); return; }
  if (!ahead) page.way = found.way;
  const done = found.done + (ahead ? 1 : 0); // it was counted before the answer that led here
  count(Math.min(done, found.n_photos), found.n_photos);
  draw(found.item);
  if (found.item) look(found.item.row);
}

// Fetches what comes behind this photo, its picture and the one behind it, while the reviewer looks.
function look(number) {
  const coming = call(`api/next?${query(number)}`).then(({ told }) => {
    if (page.item?.row === number) count(told.done, told.n_photos);
    if (!told.item || told.item.row === number) return null;
    kept("large", told.item.row, told.item.photo_id);
    if (told.then !== null) kept("large", told.then, "");
    return told;
  }).catch(() => null);
  page.ahead = { after: number, coming };
}

async function show(number) {
  const { told } = await call(`api/item/${number}?${new URLSearchParams({ who: who() || "-", pass: page.pass })}`);
  draw(told);
  look(number);
}

function count(done, nPhotos) {
  $("count").textContent = `${done.toLocaleString()} / ${nPhotos.toLocaleString()}`;
  $("fill").style.width = `${nPhotos ? (100 * done) / nPhotos : 0}%`;
  $("bar").setAttribute("aria-valuemax", nPhotos);
  $("bar").setAttribute("aria-valuenow", done);
}

function draw(item) {
  page.item = item;
  document.querySelector("main").dataset.state = item ? "photo" : "end";
  document.querySelector("main").dataset.pass = page.pass;
  $("end").hidden = Boolean(item);
  const isFiltered = FILTERS.some((id) => $(id).value);
  $("end").textContent = [page.words.end, isFiltered ? page.words.filtered : "", page.words.apply].filter(Boolean).join(" ");
  $("stage").classList.remove("zoomed");
  $("whole").checked = Boolean(item) && page.pass === "rule" && item.n_of_person > 1 && item.why.some((r) => isOfPerson(r.attribute));
  page.isWholeChosen = false;
  page.actions = actionsOf(item);
  drawTools();
  document.body.dataset.row = item ? item.row : "end";
  if (!item) return;
  drawPhoto(kept("large", item.row, item.photo_id));
  $("name").textContent = item.person ? `${item.photo_id} · ${page.words.person} ${item.person}` : item.photo_id;
  drawLabels(item);
  drawWhy(item);
  drawAnswers(item);
  drawOthers(item);
}

function drawPhoto(made) {
  made.id = "photo";
  made.draggable = false;
  const tellGone = () => say(page.words.gone, true);
  if (made.complete && !made.naturalWidth) tellGone();
  else made.addEventListener("error", tellGone, { once: true });
  $("photo").replaceWith(made);
}

function drawLabels(item) {
  const w = page.words;
  const proposals = new Map(item.why.filter((r) => r.proposed).map((r) => [r.attribute, r]));
  const names = [...page.about.attributes.map((a) => a.name), ...(item.labels.age_years === null ? [] : ["age_years"])];
  const rows = names.map((name) => {
    const told = proposals.get(name);
    const cell = part("td", told ? readable(told.proposed) : "", "says");
    if (told?.confidence !== null && told) cell.append(part("span", ` ${percent(told.confidence)}`, "sure"));
    const given = name === "age_years" ? String(item.labels[name]) : readable(item.labels[name]);
    return row([head(readable(name)), part("td", given), ...(proposals.size ? [cell] : [])]);
  });
  if (item.labels.dropped_because) rows.push(row([head(w.left_out), part("td", readable(item.labels.dropped_because))]));
  const heads = [w.attributeHead, w.given, ...(proposals.size ? [w.model] : [])];
  $("labels").replaceChildren(row(heads, "th"), ...rows);
}

function head(text) {
  const made = part("th", text);
  made.scope = "row";
  return made;
}

function drawWhy(item) {
  const why = item.why.map((reason) => {
    const told = [readable(reason.kind), reason.attribute && readable(reason.attribute), phrased(reason.detail)].filter(Boolean).join(" · ");
    const box = part("div", "", "reason");
    box.append(part("p", told));
    if (reason.other !== null) box.append(picture(reason.other, SMALL_PX, `${page.words.beside}: ${reason.other_id}`));
    return box;
  });
  const others = page.pass !== "settle" ? [] : item.rulings.filter((r) => item.differs.includes(r.attribute)).map((r) => {
    const box = part("div", "", "reason");
    box.append(part("p", [`${r.who} ${page.words.says}: ${readable(r.attribute)} ${readable(r.new || "kept")}`, r.reason].filter(Boolean).join(" · ")));
    return box;
  });
  $("why").replaceChildren(...why, ...others);
}

// A button that a pointer pressed lets go of the keyboard: else the next Enter would press it again.
function onPress(made, run) {
  made.addEventListener("click", (event) => { if (event.detail) made.blur(); run(event); });
}

function button(action) {
  const made = part("button");
  made.type = "button";
  made.dataset.action = action.name;
  made.append(part("span", action.text));
  if (action.key) made.append(part("kbd", keyName(action.key)));
  onPress(made, (event) => action.run(event.shiftKey));
  return made;
}

function drawTools() {
  const tools = page.actions.filter((action) => TOOLS.includes(action.name)).map(button);
  const [right, left] = SWIPES[page.pass].map((name) => page.words[name]);
  $("tools").replaceChildren(...tools, part("span", page.item ? page.words.swipe(right, left) : "", "hint"));
}

function drawAnswers(item) {
  const groups = new Map();
  for (const action of page.actions) {
    if (TOOLS.includes(action.name)) continue;
    if (action.name === "whole") { $("wholeKey").textContent = keyName(action.key); drawWhole(action.text); continue; }
    if (!groups.has(action.group)) {
      const group = part("div", "", "group");
      if (action.group) group.append(part("span", headOf(action.group, item), "of"));
      groups.set(action.group, group);
    }
    if (action.name === "years") { groups.get(action.group).append(yearsField(action, item)); continue; }
    const made = button(action);
    mark(made, action.name, item);
    groups.get(action.group).append(made);
  }
  $("answers").replaceChildren(...groups.values());
  $("wholeLine").hidden = item.n_of_person < 2;
}

// Years are written, and Enter rules: the band follows them.
function yearsField(action, item) {
  const line = part("label", "", "years");
  const field = part("input");
  const [least, most] = page.about.years;
  Object.assign(field, { id: "years", type: "number", min: least, max: most, placeholder: item.own.age_years ?? item.labels.age_years });
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") field.blur();
    if (event.key === "Enter" && field.value) answer({ age_years: field.value }, event.shiftKey);
  });
  line.append(part("span", action.text), field, part("kbd", keyName(action.key)));
  return line;
}

function drawWhole(text) {
  const names = page.about.attributes.filter((a) => a.of_person).map((a) => readable(a.name)).join(", ");
  $("wholeText").textContent = $("whole").checked && !page.isWholeChosen ? `${text}: ${names}` : text;
}

function headOf(name, item) {
  const isAge = page.about.attributes.some((a) => a.name === name && a.is_age);
  return isAge && item.labels.age_years !== null ? `${readable(name)} · ${item.labels.age_years}` : readable(name);
}

// What was given, what a model proposes, what reviewers said and what this one ruled, on the button that says it.
function mark(made, action, item) {
  const [name, value] = action.split("=");
  if (value === undefined) return;
  const tags = [];
  if (item.labels[name] === value) { made.classList.add("given"); tags.push(page.words.given); }
  const told = item.why.find((r) => r.attribute === name && r.proposed === value);
  if (told) {
    made.classList.add("proposed");
    tags.push(told.confidence === null ? page.words.model : `${page.words.model} ${percent(told.confidence)}`);
  }
  if (page.pass === "settle") tags.push(...item.rulings.filter((r) => r.attribute === name && r.new === value).map((r) => r.who));
  if (item.own[name] === value) { made.classList.add("own"); made.setAttribute("aria-pressed", "true"); }
  if (tags.length) made.firstChild.append(part("span", tags.join(", "), "tag"));
}

function drawOthers(item) {
  const shown = item.others.map((other) => {
    const figure = part("figure");
    const labels = page.about.attributes.map(({ name }) => readable(other.labels[name])).join(", ");
    figure.append(kept("small", other.row, other.photo_id), part("figcaption", labels));
    return figure;
  });
  $("others").replaceChildren(...shown);
  $("othersHead").hidden = !shown.length;
}

function drawChrome() {
  const language = store.get("language", "en");
  page.words = TEXTS[language] ?? TEXTS.en;
  document.documentElement.lang = language;
  $("language").textContent = page.words.language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = page.words[element.dataset.text];
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", page.words[element.dataset.label]);
  $("bar").setAttribute("aria-label", page.words.progress);
  const tabs = Object.keys(page.about.passes).map((name) => {
    const tab = part("button", page.words[name]);
    tab.type = "button";
    tab.setAttribute("aria-current", String(name === page.pass));
    tab.dataset.pass = name;
    onPress(tab, () => choose(name));
    return tab;
  });
  $("passes").replaceChildren(...tabs);
  const { attributes, kinds, splits } = page.about;
  const classes = attributes.flatMap((a) => a.classes.map((value) => [`${a.name}:${value}`, `${readable(a.name)}: ${readable(value)}`]));
  const plain = (names) => names.map((name) => [name, readable(name)]);
  const choices = { kinds: plain(kinds), attribute: plain(attributes.map((a) => a.name)), classes, split: plain(splits) };
  for (const id of FILTERS) {
    const chosen = $(id).value;
    $(id).replaceChildren(new Option(page.words.all, ""), ...choices[id].map(([value, text]) => new Option(text, value)));
    $(id).value = chosen;
    $(id).parentElement.hidden = !choices[id].length;
  }
}

function choose(name) {
  page.pass = name;
  store.set("pass", name);
  again();
}

const again = () => guarded(async () => { page.ahead = null; drawChrome(); await advance(); });

function zoom() {
  const stage = $("stage");
  if (!stage.classList.toggle("zoomed")) return;
  const [wide, high] = [stage.scrollWidth - stage.clientWidth, stage.scrollHeight - stage.clientHeight];
  stage.scrollTo(wide / 2, high / 2);
  const large = picture(page.item.row, ZOOMED_PX, page.item.photo_id);
  const { row: shown } = page.item;
  large.decode().then(() => { if (page.item?.row === shown && stage.classList.contains("zoomed")) drawPhoto(large); }).catch(() => {});
}

// A finger's swipe answers; on a zoomed photo, finger and mouse move it. A second tap or click at once zooms.
function listenToStage() {
  const stage = $("stage");
  let from = null;
  stage.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, y: event.clientY, left: stage.scrollLeft, top: stage.scrollTop, isTouch: event.pointerType !== "mouse" };
  });
  stage.addEventListener("pointermove", (event) => {
    if (!from || from.isTouch || !event.buttons || !stage.classList.contains("zoomed")) return;
    stage.scrollTo(from.left + from.x - event.clientX, from.top + from.y - event.clientY);
  });
  stage.addEventListener("pointerup", (event) => {
    const begun = from;
    from = null;
    if (!begun?.isTouch || stage.classList.contains("zoomed") || !page.item) return;
    const [x, y] = [event.clientX - begun.x, event.clientY - begun.y];
    if (Math.abs(x) < SWIPE_PX || Math.abs(x) < 2 * Math.abs(y)) return;
    const name = SWIPES[page.pass][x > 0 ? 0 : 1];
    page.actions.find((action) => action.name === name)?.run();
  });
  stage.addEventListener("pointercancel", () => { from = null; });
  stage.addEventListener("dblclick", () => { if (page.item) zoom(); });
}

// The key of an action, whatever alphabet the keyboard is set to: a Korean ㅂ is where q is.
function keysOf(event) {
  const at = event.code.replace(/^(Key|Digit)(?=.$)/, "").toLowerCase();
  const isLatin = event.key !== "Process" && (event.key.length > 1 || event.key.charCodeAt(0) < 128);
  const pressed = isLatin ? event.key : event.shiftKey ? at.toUpperCase() : at;
  return { pressed, plain: at.length === 1 ? at : event.key };
}

function listenToKeys(event) {
  const isTyping = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "checkbox";
  const isPressing = event.target.tagName === "BUTTON" && ["Enter", " "].includes(event.key);
  const isElsewhere = document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || event.repeat;
  if (isTyping || isPressing || isElsewhere) return;
  const { pressed, plain } = keysOf(event);
  const exact = page.actions.find((action) => action.key === pressed && !(event.shiftKey && pressed === " "));
  const action = exact ?? (event.shiftKey ? page.actions.find((a) => a.key && a.key === plain) : undefined);
  if (!action) return;
  event.preventDefault();
  action.run(event.shiftKey && (!exact || pressed === "Enter"));
}

function drawBindings() {
  const rows = page.actions.map((action) => {
    const line = part("div");
    const made = part("button", keyName(action.key) || "–");
    made.type = "button";
    made.setAttribute("aria-label", `${action.text}: ${keyName(action.key) || "–"}`);
    made.dataset.binds = action.name;
    made.addEventListener("click", () => {
      made.textContent = "…";
      made.addEventListener("keydown", (event) => { event.preventDefault(); bind(action, event); }, { once: true });
    });
    line.append(part("span", action.text), made);
    return line;
  });
  $("bindings").replaceChildren(...rows);
}

function bind(action, event) {
  const key = keysOf(event).pressed;
  const other = page.actions.find((a) => a.key === key && a.name !== action.name);
  $("clash").textContent = other ? page.words.taken(other.text) : "";
  if (!other && key !== "Escape" && key !== "Tab") store.set("keys", { ...store.get("keys", {}), [action.name]: key });
  redraw();
  drawBindings();
  document.querySelector(`[data-binds="${CSS.escape(action.name)}"]`).focus();
}

function redraw() {
  page.actions = actionsOf(page.item);
  drawTools();
  if (page.item) drawAnswers(page.item);
}

async function drawTeam() {
  const { told } = await call(`api/team?${query(-1)}`);
  const w = page.words;
  const people = told.reviewers.map((one) => {
    const bar = part("div", "", "bar");
    const fill = part("div");
    fill.style.width = `${one.n_photos ? (100 * one.done) / one.n_photos : 0}%`;
    bar.append(fill);
    const wide = part("td", "", "wide");
    wide.append(bar);
    return row([one.who, wide, `${one.done.toLocaleString()} / ${one.n_photos.toLocaleString()}`]);
  });
  const table = part("table", "", "numbers");
  table.append(row([part("th", w.reviewer), part("th", w[page.pass]), part("th", w.progress)]), ...people);
  $("progressOf").replaceChildren(table);
  const agreed = told.agreement.map((one) => row([
    readable(one.attribute), part("td", one.reviewers.join(", "), "text"), one.kappa === null ? "–" : one.kappa.toFixed(2),
    percent(one.same), one.n_photos.toLocaleString(),
  ]));
  const numbers = part("table", "", "numbers");
  const heads = [part("th", w.attributeHead), part("th", w.who, "text"), part("th", "κ"), part("th", w.same), part("th", w.photos)];
  numbers.append(row(heads), ...agreed);
  $("agreed").replaceChildren(agreed.length ? numbers : part("p", w.nobody));
}

async function begin() {
  page.about = (await call("api/about")).told;
  page.pass = page.about.passes[store.get("pass", "rule")] ? store.get("pass", "rule") : "rule";
  $("who").value = store.get("who", "");
  drawChrome();
  listenToStage();
  document.addEventListener("keydown", listenToKeys);
  $("whole").addEventListener("change", () => { page.isWholeChosen = true; redraw(); });
  $("who").addEventListener("change", () => { store.set("who", who()); $("who").blur(); again(); });
  for (const id of FILTERS) $(id).addEventListener("change", () => { $(id).blur(); again(); });
  onPress($("language"), () => { store.set("language", store.get("language", "en") === "en" ? "ko" : "en"); again(); });
  onPress($("menu"), () => { $("menu").setAttribute("aria-expanded", String($("more").classList.toggle("open"))); });
  $("keys").addEventListener("click", () => { drawBindings(); $("mapping").showModal(); });
  $("team").addEventListener("click", () => guarded(async () => { await drawTeam(); $("people").showModal(); }));
  for (const [id, opener] of [["mapping", "keys"], ["people", "team"]]) $(id).addEventListener("close", () => $(opener).blur()); // else Enter opens it again
  $("mapping").addEventListener("close", () => { if ($("mapping").returnValue === "reset") { store.set("keys", {}); redraw(); } });
  await again();
}

begin().catch(() => say(TEXTS.en.server, true));
