// Any rate to 16 kHz, as the sound comes in: a polyphase Kaiser-windowed sinc. For the worklet and for Node alike.
export const RATE = 16000;
const BETA = 10.06;               // 100 dB
const EDGE = 0.95, WIDTH = 0.1;   // where it falls, and how steeply, in parts of the lower rate's half
const gcd = (a, b) => (b ? gcd(b, a % b) : a);

function bessel(x) {
  let sum = 1, term = 1;
  for (let k = 1; term > 1e-16 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

export class Resampler {
  constructor(rate) {
    const common = gcd(rate, RATE), ratio = Math.min(1, RATE / rate);
    this.up = RATE / common;
    this.down = rate / common;
    this.half = this.up === this.down ? 0 : Math.ceil((100 - 7.95) / (2.285 * Math.PI * WIDTH * ratio) / 2);
    this.taps = 2 * this.half || 1;
    this.filter = this.half ? this.design(EDGE * ratio) : Float32Array.of(1);
    this.kept = new Float32Array(this.taps + 8192);
    this.n = Math.max(0, this.half - 1);   // silence before the first sample, so that it comes out first
    this.phase = 0;
  }
  design(edge) {
    const { up, half, taps } = this, filter = new Float32Array(up * taps);
    for (let phase = 0; phase < up; phase++) {
      const one = filter.subarray(phase * taps, (phase + 1) * taps);
      for (let k = 0; k < taps; k++) {
        const t = k - half + 1 - phase / up, x = Math.PI * edge * t, u = t / half;
        one[k] = Math.abs(u) < 1 ? bessel(BETA * Math.sqrt(1 - u * u)) * (x ? Math.sin(x) / x : 1) : 0;
      }
      const sum = one.reduce((a, b) => a + b);
      one.forEach((value, k) => { one[k] = value / sum; });
    }
    return filter;
  }
  /** Take samples; `give` gets those that come out, one by one. */
  push(samples, give) {
    const { kept, filter, taps, up, down } = this;
    for (let from = 0; from < samples.length; from += 4096) {
      const part = samples.subarray(from, from + 4096);
      kept.set(part, this.n);
      this.n += part.length;
      let at = 0;
      for (; at + taps <= this.n; this.phase %= up) {
        let sum = 0;
        for (let k = 0, o = this.phase * taps; k < taps; k++) sum += kept[at + k] * filter[o + k];
        give(sum);
        this.phase += down;
        at += Math.floor(this.phase / up);
      }
      const past = Math.min(at, this.n);   // a step may lead beyond what there is
      kept.copyWithin(0, past, this.n);
      this.n -= past;
    }
  }
  /** Give what is still inside: in all, as much time as went in. */
  finish(give) { this.push(new Float32Array(this.half), give); }
}

export const pcm16 = (value) => Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
