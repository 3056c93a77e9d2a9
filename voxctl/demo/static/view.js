// What is on the page: text, level, times, words for what is going on. It knows nothing of sound or sockets.
const $ = (id) => document.getElementById(id);
const reader = $('reader'), log = $('log'), meter = $('meter'), hint = $('hint');
const PAUSE_S = 2, NEAR_PX = 80, NONE = '\u00a0';
const tail = Object.assign(document.createElement('i'), { ariaHidden: true });
let stick = true, spokenTo = 0, hintUntil = 0, quietSince = 0;

const atEnd = () => reader.scrollHeight - reader.scrollTop - reader.clientHeight < NEAR_PX;
function follow() {
  if (stick) reader.scrollTop = reader.scrollHeight;
  $('newest').hidden = stick;
}
// Whoever scrolls up reads; only they come back.
reader.addEventListener('scroll', () => { stick = atEnd(); $('newest').hidden = stick; }, { passive: true });
new ResizeObserver(follow).observe(reader);
$('newest').onclick = () => { stick = true; follow(); reader.focus(); };

export let text = '';

export function clear() {
  text = tail.textContent = '';
  spokenTo = quietSince = 0;
  log.replaceChildren();
  stick = true;
  follow();
}

export function say(words, uncertain) {
  if (words.length || uncertain) $('empty').hidden = true;
  for (const [piece, from, to] of words) {
    let last = log.lastElementChild;
    if (!last || last.className || from - spokenTo >= PAUSE_S) last = log.appendChild(document.createElement('p'));
    const begun = last.querySelector('span');
    last.append(Object.assign(document.createElement('span'), { textContent: begun ? piece : piece.trimStart() }), tail);
    text += piece;
    spokenTo = to;
  }
  if (uncertain && !tail.isConnected) log.appendChild(document.createElement('p')).append(tail);
  if (tail.textContent !== uncertain) tail.textContent = uncertain;
  follow();
}

export function missing(from, to, why) {
  const said = `${(to - from).toFixed(1)} s are missing here: ${why}`;
  log.append(Object.assign(document.createElement('p'), { className: 'missing', textContent: said }));
  follow();
}

export function state(kind, words) {
  $('state').dataset.state = kind;
  if ($('state').textContent !== words) $('state').textContent = words;
}

export function problem(message, cure, note = false) {
  $('problem').hidden = !message;
  $('problem').classList.toggle('note', note);
  const said = [message, cure].filter(Boolean).join('\n');
  if ($('problem').textContent !== said) $('problem').textContent = said;   // else it would be read out again
}

const decibel = (x) => Math.max(-60, 20 * Math.log10(x + 1e-9));
function advise(words, forMs) {
  hintUntil = performance.now() + forMs;
  if (hint.textContent !== words) hint.textContent = words;
}

export function level(peak, power) {
  const now = performance.now(), db = decibel(power), clips = peak >= 0.99;
  meter.firstChild.style.transform = `scaleX(${(db + 60) / 60})`;
  meter.lastChild.style.left = `${(decibel(peak) + 60) / 0.6}%`;
  meter.lastChild.style.opacity = peak > 0.001 ? 0.5 : 0;
  meter.classList.toggle('clipping', clips);
  meter.setAttribute('aria-valuenow', Math.round(db));
  meter.setAttribute('aria-valuetext', clips ? 'clipping' : db < -50 ? 'too quiet' : 'good');
  if (clips) advise('Too loud: the sound is clipped', 2500);
  if (db >= -50) quietSince = 0;
  else quietSince ||= now;
  if (quietSince && now - quietSince > 3000) advise(peak ? 'Too quiet: come closer' : 'No sound at all: is the microphone muted?', 400);
  if (now > hintUntil && hint.textContent !== NONE) hint.textContent = NONE;
}
export function silent() {
  level(0, 0);
  meter.setAttribute('aria-valuetext', 'off');
  hint.textContent = NONE;
}

export function clock(seconds) {
  const shown = new Date(seconds * 1000).toISOString().slice(11, 19);
  $('clock').textContent = shown.replace(/^00:0?/, '').replace(/^0(?=\d:\d\d:)/, '');
}

const brief = (ms) => (ms < 0.5 ? '< 1 ms' : ms < 995 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
export function latency(total, mic, net) {
  $('latency').className = total === undefined ? 'off' : '';
  const shown = [total, mic, net, Math.max(0, total - mic - net)].map(brief);
  ['total', 'mic', 'net', 'model'].forEach((id, i) => { $(id).textContent = shown[i]; });
}

export function devices(all, chosen) {
  const shown = all.filter(({ deviceId }) => deviceId !== 'default' && deviceId !== 'communications');
  $('device').replaceChildren(new Option('Default microphone', ''), ...shown.map((one) => new Option(one.label, one.deviceId)));
  $('device').value = shown.some(({ deviceId }) => deviceId === chosen) ? chosen : '';
}
