// Measures the page's resampler and prints what it found as JSON: decibels by rate and frequency.
import { pathToFileURL } from 'node:url';

const { Resampler, pcm16, RATE } = await import(pathToFileURL(process.argv[2]));
const AMPLITUDE = 0.9, FIRST = 2000, COUNT = 16000;

function through(rate, hertz) {
  const resampler = new Resampler(rate), out = [], block = new Float32Array(128);
  for (let at = 0; at < rate * 1.5; at += 128) {
    for (let i = 0; i < 128; i++) block[i] = AMPLITUDE * Math.sin(2 * Math.PI * hertz * (at + i) / rate);
    resampler.push(block, (value) => out.push(value));
  }
  return out;
}
// The best sine of this frequency, and what is left without it.
function judge(out, hertz) {
  let a = 0, b = 0, all = 0, left = 0;
  for (let i = FIRST; i < FIRST + COUNT; i++) {
    const w = 2 * Math.PI * hertz * i / RATE;
    a += out[i] * Math.sin(w) * 2 / COUNT;
    b += out[i] * Math.cos(w) * 2 / COUNT;
  }
  for (let i = FIRST; i < FIRST + COUNT; i++) {
    const w = 2 * Math.PI * hertz * i / RATE, sine = a * Math.sin(w) + b * Math.cos(w);
    all += sine ** 2;
    left += (out[i] - sine) ** 2;
  }
  return { gain_db: 20 * Math.log10(Math.hypot(a, b) / AMPLITUDE), snr_db: 10 * Math.log10(all / left), phase: Math.atan2(b, a) };
}
function power(out) {
  let sum = 0;
  for (let i = FIRST; i < FIRST + COUNT; i++) sum += out[i] ** 2;
  return 10 * Math.log10(sum / COUNT / (AMPLITUDE ** 2 / 2));
}

const found = {};
for (const rate of [8000, 16000, 22050, 32000, 44100, 48000, 96000]) {
  const passed = {}, aliases = {};
  for (const hertz of [50, 300, 1000, 2500, 3500, 5000, 6000, 7000]) if (hertz < 0.45 * rate) passed[hertz] = judge(through(rate, hertz), hertz);
  for (const hertz of [8050, 8500, 9000, 10000, 12000, 15000, 19000, 23000, 40000]) if (hertz < rate / 2) aliases[hertz] = power(through(rate, hertz));
  const resampler = new Resampler(rate), whole = new Float32Array(rate * 3);
  let n = 0;
  for (let at = 0; at < whole.length; at += 128) resampler.push(whole.subarray(at, at + 128), () => n++);
  resampler.finish(() => n++);
  found[rate] = { passed, aliases, n };
}
found.clipping = [1.5, 1, 0.5, 0, -1, -1.5].map(pcm16);
console.log(JSON.stringify(found));
