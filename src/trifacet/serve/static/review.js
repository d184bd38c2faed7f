"use strict";
// The review page: keyboard first. An answer is on the server's disk before the next photo shows.

const TEXTS = {
  en: {
    look: "Look through", flagged: "Flagged", rule: "Rule", settle: "Settle", kind: "Finding", attribute: "About",
    reviewer: "Reviewer", keys: "Keys", given: "Given label", whole: "all photos of this person", others: "The person's other photos",
    remap: "Click a key, then press the new one.", reset: "Reset", close: "Close", all: "all", fine: "fine", flag: "flag",
    confirm: "confirm", dismiss: "dismiss", right: "labels are right", drop: "drop", unusable: "unusable", notFace: "not a face",
    unsure: "unsure", skip: "skip", undo: "undo", redo: "redo", zoom: "zoom", end: "Nothing waits for you in this pass.",
    saved: "saved", undone: "taken back", redone: "ruled again", stale: "You answered this elsewhere meanwhile: look again.",
    nothing: "nothing to take back", name: "Write who reviews first.", gone: "This photo is gone, or no photo any more.",
    person: "person", years: "years", says: "says", server: "The server does not answer. Nothing was saved; try again.",
  },
  ko: {
    look: "모두 보기", flagged: "표시된 사진", rule: "판정", settle: "의견 조정", kind: "발견", attribute: "속성",
    reviewer: "검토자", keys: "단축키", given: "현재 라벨", whole: "이 사람의 모든 사진", others: "이 사람의 다른 사진",
    remap: "키를 누른 뒤 새 키를 입력하세요.", reset: "초기화", close: "닫기", all: "전체", fine: "이상 없음", flag: "표시",
    confirm: "확인", dismiss: "무시", right: "라벨이 맞음", drop: "제외", unusable: "사용 불가", notFace: "얼굴 아님",
    unsure: "모르겠음", skip: "건너뛰기", undo: "되돌리기", redo: "다시 실행", zoom: "확대", end: "이 단계에서 남은 사진이 없습니다.",
    saved: "저장됨", undone: "되돌렸습니다", redone: "다시 적용했습니다", stale: "다른 창에서 이미 답했습니다. 다시 확인하세요.",
    nothing: "되돌릴 것이 없습니다", name: "먼저 검토자 이름을 입력하세요.", gone: "사진이 없거나 더 이상 열 수 없습니다.",
    person: "사람", years: "세", says: "의견", server: "서버가 응답하지 않습니다. 저장되지 않았으니 다시 시도하세요.",
  },
};
const ROWS = ["123456789", "qwertyuio", "asdfghjkl"]; // the keys of the first, second and third attribute
const COMMON = { right: "Enter", drop: "x", unusable: "v", notFace: "n", unsure: "c", skip: " ", flag: "f", confirm: "Enter",
  dismiss: "x", fine: " ", undo: "z", redo: "Z", whole: "p", zoom: "b" };

const $ = (id) => document.getElementById(id);
const page = { about: null, pass: "rule", item: null, ahead: null, undo: [], redo: [], busy: false, words: TEXTS.en, actions: [] };
const store = {
  get: (name, other) => JSON.parse(localStorage.getItem(`trifacet-${name}`) ?? JSON.stringify(other)),
  set: (name, value) => localStorage.setItem(`trifacet-${name}`, JSON.stringify(value)),
};
const readable = (text) => text.replaceAll("_", " ");
const keyName = (key) => (key === " " ? "space" : key);

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

// What may be done now: name, key, what the button says, what it sends.
function actionsOf(item) {
  const own = store.get("keys", {});
  const made = [];
  const add = (name, key, text, run, group = "") => made.push({ name, key: own[name] ?? key, text, run, group });
  const w = page.words;
  const verdict = (value) => () => answer({ verdict: value });
  if (page.pass === "look") {
    add("fine", COMMON.fine, w.fine, verdict("seen"));
    add("flag", COMMON.flag, w.flag, verdict("flagged"));
  } else if (page.pass === "flagged") {
    add("confirm", COMMON.confirm, w.confirm, verdict("confirmed"));
    add("dismiss", COMMON.dismiss, w.dismiss, verdict("dismissed"));
  } else {
    page.about.attributes.forEach((attribute, i) => attribute.classes.forEach((value, j) => {
      const key = (ROWS[i] ?? "")[j] ?? "";
      add(`${attribute.name}=${value}`, key, readable(value), (stays) => answer({ [attribute.name]: value }, stays), attribute.name);
    }));
    add("right", COMMON.right, w.right, () => answer(asGiven(item)));
    for (const [name, value] of [["drop", "dropped"], ["unusable", "unusable"], ["notFace", "not_a_face"]]) {
      add(name, COMMON[name], w[name], () => answer({ use: value }));
    }
    add("unsure", COMMON.unsure, w.unsure, verdict("unsure"));
    add("skip", COMMON.skip, w.skip, verdict("skipped"));
  }
  add("undo", COMMON.undo, w.undo, () => takeBack(page.undo, page.redo, w.undone));
  add("redo", COMMON.redo, w.redo, () => takeBack(page.redo, page.undo, w.redone));
  add("whole", COMMON.whole, "", () => { $("whole").checked = !$("whole").checked; });
  add("zoom", COMMON.zoom, w.zoom, () => $("stage").classList.toggle("zoomed"));
  return made;
}

// The given labels that are doubted, or all of them, ruled to be right.
function asGiven(item) {
  const names = page.about.attributes.map((a) => a.name).filter((name) => item.labels[name] !== null);
  const doubted = names.filter((name) => item.why.some((reason) => reason.attribute === name));
  const chosen = doubted.length ? doubted : names;
  return chosen.length ? Object.fromEntries(chosen.map((name) => [name, item.labels[name]])) : { verdict: "dismissed" };
}

async function guarded(work) {
  if (page.busy) return;
  page.busy = true;
  try {
    await work();
  } catch {
    say(page.words.server, true);
  } finally {
    page.busy = false;
  }
}

const answer = (changes, stays = false) => guarded(async () => {
  const { item } = page;
  if (!item) return;
  if (!$("who").value.trim()) { say(page.words.name, true); $("who").focus(); return; }
  const isWhole = $("whole").checked;
  const body = { row: item.row, who: $("who").value.trim(), changes, seen: item.seen, whole_person: isWhole, settle: page.pass === "settle" };
  const { status, told } = await call("api/rule", body);
  if (status === 409) { say(page.words.stale, true); await show(item.row); return; }
  if (status !== 200) { say(told.error ?? String(status), true); return; }
  page.undo.push({ number: told.numbers[0], row: item.row });
  page.redo = [];
  say(page.words.saved);
  if (stays) { await show(item.row); return; }
  if (isWhole) page.ahead = null; // what was fetched before shows this person's photos as they were
  await advance(item.row);
});

const takeBack = (from, to, words) => guarded(async () => {
  const last = from.pop();
  if (!last) { say(page.words.nothing, true); return; }
  const { status, told } = await call("api/undo", { number: last.number, who: $("who").value.trim() });
  if (status !== 200) { say(status === 409 ? page.words.stale : told.error, true); return; }
  to.push({ number: told.numbers[0], row: last.row });
  say(words);
  page.ahead = null;
  await show(last.row);
});

function query(after) {
  const asked = { who: $("who").value.trim() || "-", pass: page.pass, after, kinds: $("kinds").value, attribute: $("attribute").value };
  return `api/next?${new URLSearchParams(asked)}`;
}

async function advance(after = -1) {
  const ahead = page.ahead && page.ahead.after === after ? await page.ahead.coming : null;
  page.ahead = null;
  const found = ahead ?? (await call(query(after))).told;
  if (found.error) { say(found.error, true); return; }
  const done = found.done + (ahead ? 1 : 0); // it was counted before the answer that led here
  draw(found.item, Math.min(done, found.n_photos), found.n_photos);
  if (found.item) look(found.item.row);
}

// Fetches what comes behind this photo, and its picture, while the reviewer looks.
function look(row) {
  const coming = call(query(row)).then(({ told }) => {
    if (!told.item || told.item.row === row) return null;
    new Image().src = `photo/${told.item.row}?px=1024`;
    return told;
  }).catch(() => null);
  page.ahead = { after: row, coming };
}

async function show(row) {
  const { told } = await call(`api/item/${row}?${new URLSearchParams({ who: $("who").value.trim() || "-" })}`);
  draw(told);
  page.ahead = null;
}

function draw(item, done, nPhotos) {
  page.item = item;
  document.querySelector("main").dataset.state = item ? "photo" : "end";
  $("end").hidden = Boolean(item);
  $("end").textContent = page.words.end;
  if (nPhotos !== undefined) {
    $("count").textContent = `${done.toLocaleString()} / ${nPhotos.toLocaleString()}`;
    $("fill").style.width = `${nPhotos ? (100 * done) / nPhotos : 100}%`;
  }
  $("stage").classList.remove("zoomed");
  $("whole").checked = false;
  $("answers").replaceChildren();
  if (!item) { page.actions = actionsOf(null).filter((a) => ["undo", "redo"].includes(a.name)); return; }
  $("photo").src = `photo/${item.row}?px=1024`;
  $("photo").alt = item.photo_id;
  $("name").textContent = item.person ? `${item.photo_id} · ${page.words.person} ${item.person}` : item.photo_id;
  document.body.dataset.row = item.row;
  drawLabels(item);
  drawWhy(item);
  drawAnswers(item);
  drawOthers(item);
}

function drawLabels(item) {
  const rows = page.about.attributes.flatMap(({ name }) => [part("dt", readable(name)), part("dd", readable(item.labels[name] ?? "–"))]);
  if (item.labels.age_years !== null) rows.push(part("dt", page.words.years), part("dd", String(item.labels.age_years)));
  if (item.labels.dropped_because) rows.push(part("dt", page.words.drop), part("dd", readable(item.labels.dropped_because)));
  $("labels").replaceChildren(...rows);
}

function drawWhy(item) {
  const why = item.why.map((r) => part("p", [readable(r.kind), r.attribute && readable(r.attribute), r.detail].filter(Boolean).join(" · ")));
  const others = item.rulings.map((r) => part("p", `${r.who} ${page.words.says}: ${readable(r.attribute)} ${readable(r.new)} ${r.reason}`));
  $("why").replaceChildren(...why, ...(page.pass === "settle" ? others : []));
}

function drawAnswers(item) {
  page.actions = actionsOf(item);
  const groups = new Map();
  for (const action of page.actions) {
    if (action.name === "whole") { $("wholeKey").textContent = keyName(action.key); continue; }
    if (!groups.has(action.group)) {
      groups.set(action.group, part("div", "", "group"));
      if (action.group) groups.get(action.group).append(part("span", readable(action.group)));
    }
    const button = part("button", `${action.text} `);
    button.dataset.action = action.name;
    const [name, value] = action.name.split("=");
    button.classList.toggle("given", value !== undefined && item.labels[name] === value);
    button.classList.toggle("own", value !== undefined && item.own[name] === value);
    if (action.key) button.append(part("kbd", keyName(action.key)));
    button.addEventListener("click", (event) => { button.blur(); action.run(event.shiftKey); });
    groups.get(action.group).append(button);
  }
  $("answers").replaceChildren(...groups.values());
}

function drawOthers(item) {
  const shown = item.others.slice(0, 24).map((other) => {
    const figure = part("figure");
    const picture = part("img");
    picture.src = `photo/${other.row}?px=128`;
    picture.alt = other.photo_id;
    picture.loading = "lazy";
    const labels = page.about.attributes.map(({ name }) => readable(other.labels[name] ?? "–")).join(", ");
    figure.append(picture, part("figcaption", labels));
    return figure;
  });
  $("others").replaceChildren(...shown);
}

function drawChrome() {
  page.words = TEXTS[store.get("language", "en")];
  document.documentElement.lang = store.get("language", "en");
  $("language").textContent = store.get("language", "en") === "en" ? "한국어" : "English";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = page.words[element.dataset.text];
  const tabs = Object.keys(page.about.passes).map((name) => {
    const tab = part("button", page.words[name]);
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-selected", String(name === page.pass));
    tab.dataset.pass = name;
    tab.addEventListener("click", () => { tab.blur(); choose(name); });
    return tab;
  });
  $("passes").replaceChildren(...tabs);
  for (const [id, names] of [["kinds", page.about.kinds], ["attribute", page.about.attributes.map((a) => a.name)]]) {
    const chosen = $(id).value;
    $(id).replaceChildren(new Option(page.words.all, ""), ...names.map((name) => new Option(readable(name), name)));
    $(id).value = chosen;
  }
}

function choose(name) {
  page.pass = name;
  store.set("pass", name);
  again();
}

const again = () => guarded(async () => { page.ahead = null; drawChrome(); await advance(); });

function drawBindings() {
  const rows = page.actions.filter((a) => a.key !== undefined).flatMap((action) => {
    const button = part("button", keyName(action.key) || "–");
    button.type = "button";
    button.addEventListener("click", () => {
      button.textContent = "…";
      button.addEventListener("keydown", (event) => {
        event.preventDefault();
        event.stopPropagation();
        store.set("keys", { ...store.get("keys", {}), [action.name]: event.key });
        drawAnswers(page.item);
        drawBindings();
      }, { once: true });
    });
    return [part("span", action.text || page.words.whole), button];
  });
  $("bindings").replaceChildren(...rows);
}

document.addEventListener("keydown", (event) => {
  const isTyping = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "checkbox";
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || $("mapping").open || event.repeat) return;
  const exact = page.actions.find((a) => a.key === event.key);
  const action = exact ?? page.actions.find((a) => a.key && a.key === event.key.toLowerCase() && a.group);
  if (!action) return;
  event.preventDefault();
  action.run(event.shiftKey && !exact);
});

async function begin() {
  page.about = (await call("api/about")).told;
  page.pass = page.about.passes[store.get("pass", "rule")] ? store.get("pass", "rule") : "rule";
  $("who").value = store.get("who", "");
  drawChrome();
  $("who").addEventListener("change", () => { store.set("who", $("who").value.trim()); $("who").blur(); again(); });
  $("kinds").addEventListener("change", again);
  $("attribute").addEventListener("change", again);
  $("photo").addEventListener("error", () => say(page.words.gone, true));
  $("language").addEventListener("click", () => { store.set("language", store.get("language", "en") === "en" ? "ko" : "en"); again(); });
  $("keys").addEventListener("click", () => { drawBindings(); $("mapping").showModal(); });
  $("mapping").addEventListener("close", () => {
    if ($("mapping").returnValue === "reset") { store.set("keys", {}); if (page.item) drawAnswers(page.item); }
  });
  await again();
}

begin().catch(() => say(TEXTS.en.server, true));
