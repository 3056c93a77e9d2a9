// Start, stop, and what follows from what.
import { Capture, SAMPLES, explained, impossible, microphones } from './capture.js';
import { Link } from './link.js';
import * as view from './view.js';

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get('token') || '';
const MS = 16, KEPT = 4000, MIDDLE = 20;
const saves = document.querySelectorAll('[data-save]');
const target = $('target').textContent;
let capture, link, busy = false, on = false, over = true, told = '', noted = '', gaps = 0, samples = 0, ends = [], lags = [], mics = [], trips = [];
const middle = (all) => [...all].sort((a, b) => a - b)[all.length >> 1] ?? 0;
const keep = (all, one, most = MIDDLE) => { all.push(one); if (all.length > most) all.shift(); };

function buttons() {
  $('record').disabled = busy || !(on || over);
  $('record').setAttribute('aria-pressed', on);
  $('record').children[1].textContent = on ? 'Stop' : over ? 'Start' : 'Finishing';
  $('copy').disabled = !view.text.trim();
  saves.forEach((one) => { one.disabled = !link?.id || !view.text.trim(); });
}

function heard({ pcm, peak, level, at }) {
  if (!link) return;
  samples += pcm.byteLength / 2;
  link.send(pcm, at);
  keep(ends, [samples / (MS * 1000), at], KEPT);
  keep(mics, Date.now() - at + SAMPLES / MS / 2 + capture.latency);
  view.level(peak, level);
  view.clock(samples / (MS * 1000));
}

/** When the sound at `s` seconds was at the microphone, on this machine's clock. */
function spokenAt(s) {
  const found = ends.find(([end]) => end >= s);
  return found && found[1] - (found[0] - s) * 1000;
}

// What passes by itself. What the page itself has to say stays until something else is said.
function tell(message, cure) {
  if (message || told) view.problem(message, cure, true);
  told = message;
}

const WORDS = { opening: ['wait', 'Connecting to the model'], live: ['live', 'Live'], reconnecting: ['wait', 'Model lost, reconnecting'], finishing: ['wait', 'Finishing'], done: ['idle', 'Done'], failed: ['down', 'Stopped'] };

function news({ words, tail, phase, note, error, gaps: missing, at_ms, low_accuracy }) {
  missing.slice(gaps).forEach((gap) => view.missing(...gap));
  gaps = missing.length;
  view.say(words, tail);
  view.state(...WORDS[phase]);
  if (error) view.problem(error.message, error.hint);
  else if (phase === 'reconnecting') tell('The model does not answer: ' + note, 'Go on speaking; nothing is lost while it is tried again.');
  else if (note && note !== noted) {
    tell(note);
    setTimeout(() => told === note && tell(''), 8000);
  } else if (told !== note) tell('');
  noted = note;
  $('target').textContent = low_accuracy ? `${target} · low accuracy` : target;
  const spoken = words.length && phase === 'live' && spokenAt(words.at(-1)[2]);
  if (spoken) {
    keep(lags, Date.now() - spoken);
    view.latency(middle(lags), middle(mics), middle(trips));
  }
  if (phase === 'done' || phase === 'failed') ended();
  buttons();
}

async function ended() {
  over = true;
  link.close();
  if (on) await quiet();
  buttons();
}

async function quiet() {
  on = false;
  await capture.close();
  view.silent();
}

async function start() {
  const why = impossible();
  if (why) return view.problem(...why);
  busy = true;
  buttons();
  view.problem('');
  view.state('wait', 'Asking for the microphone');
  const early = [];
  capture = new Capture({
    sound: (sound) => (link && !link.over ? heard(sound) : early.push(sound)),
    ended: () => { view.problem('The microphone was unplugged.', 'What was said before is transcribed.'); stop(); },
    muted: (is) => view.problem(is ? 'The system has muted the microphone.' : '', '', true),
  });
  try {
    link?.close();
    link = null;
    await capture.open($('device').value, $('clean').checked);
  } catch (error) {
    await capture.close();
    view.state('down', 'No microphone');
    view.problem(...explained(error));
    busy = false;
    return buttons();
  }
  view.clear();
  view.clock(samples = gaps = 0);
  view.latency();
  [ends, lags, mics, trips] = [[], [], [], []];
  [on, busy, over] = [true, false, false];
  view.state('wait', 'Connecting');
  link = new Link(token, {
    news,
    ack: (ms) => keep(trips, ms),
    away: (n) => {
      view.state('wait', 'Connection lost');
      tell('The connection to voxctl demo is lost.', `Go on speaking: ${(n * SAMPLES / MS / 1000).toFixed(0)} s are kept here and sent when it is back.`);
    },
    failed: (message, cure) => { view.state('down', 'Stopped'); view.problem(message, cure); ended(); },
  });
  early.forEach(heard);
  buttons();
  view.devices(await microphones(), $('device').value);
}

async function stop() {
  if (!on) return;
  busy = true;
  buttons();
  await quiet();
  busy = false;
  if (!over) {
    view.state('wait', 'Finishing');
    link.stop();
  }
  buttons();
}

const toggle = () => (on ? stop() : start());

async function change() {
  if (!on) return;
  try {
    await capture.listen($('device').value, $('clean').checked);
  } catch (error) {
    view.problem(...explained(error));
  }
}

async function copy() {
  const label = $('copy').firstChild;
  try {
    await navigator.clipboard.writeText(view.text.trim());
    label.textContent = 'Copied';
    setTimeout(() => { label.textContent = 'Copy'; }, 1500);
  } catch {
    getSelection().selectAllChildren($('log'));
    view.problem('The browser did not let the text be copied.', 'It is selected now: press Ctrl-C or ⌘C.', true);
  }
}

async function save(format) {
  try {
    const answer = await fetch(`transcript/${link.id}.${format}`, { headers: { Authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(await answer.text());
    const when = new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace(/[T:]/g, '-');
    const a = Object.assign(document.createElement('a'), { href: URL.createObjectURL(await answer.blob()), download: `voxctl-${when}.${format}` });
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 10000);
  } catch (error) {
    view.problem(`The ${format} could not be downloaded: ${error.message}`, 'Copy the text instead.');
  }
}

const scheme = matchMedia('(prefers-color-scheme: dark)'), { dataset } = document.documentElement;
const dress = () => { dataset.theme = localStorage.theme || (scheme.matches ? 'dark' : 'light'); };
scheme.onchange = dress;
$('theme').onclick = () => {
  localStorage.theme = dataset.theme === 'dark' ? 'light' : 'dark';
  dress();
};
dress();

$('record').onclick = toggle;
$('copy').onclick = copy;
saves.forEach((one) => { one.onclick = () => save(one.dataset.save); });
$('device').onchange = $('clean').onchange = change;
navigator.mediaDevices?.addEventListener('devicechange', async () => view.devices(await microphones(), $('device').value));
addEventListener('keydown', (event) => {
  const { target: at, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || at.matches('input, select')) return;
  if (key === ' ' && !at.matches('button:not(#record)')) {
    event.preventDefault();
    if (!busy) toggle();
  } else if (key === 'c' && !$('copy').disabled) copy();
  else if (key === 's' && !saves[0].disabled) save('txt');
});
addEventListener('pagehide', () => link?.socket?.close(1000));

microphones().then((all) => view.devices(all, ''));
$('where').textContent = target === 'embedded' ? 'Your voice goes no further than the machine that runs voxctl.' : `Your voice goes to ${target}.`;
const why = impossible();
if (why) view.problem(...why);
buttons();
