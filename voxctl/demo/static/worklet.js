// The audio thread: whatever the microphone gives, mixed to one channel, at 16 kHz, in messages of 32 ms.
import { RATE, Resampler, pcm16 } from './resampler.js';

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions: { samples } }) {
    super();
    this.resampler = new Resampler(sampleRate);
    this.delay = (this.resampler.half / sampleRate) * 1000;
    this.samples = samples;
    this.clear();
    this.give = (value) => this.take(value);
    this.port.onmessage = () => {   // the only message: enough
      this.resampler.finish(this.give);
      if (this.n) this.post();
      this.port.postMessage(null);
      this.over = true;
    };
  }
  clear() {
    this.pcm = new Int16Array(this.samples);
    this.n = this.peak = this.power = 0;
  }
  take(value) {
    const size = Math.abs(value);
    if (size > this.peak) this.peak = size;
    this.power += value * value;
    this.pcm[this.n++] = pcm16(value);
    if (this.n === this.samples) this.post();
  }
  post() {
    const { buffer } = this.pcm.slice(0, this.n);
    const level = Math.sqrt(this.power / this.n);
    this.port.postMessage({ pcm: buffer, peak: this.peak, level, at: Date.now() - this.delay }, [buffer]);
    this.clear();
  }
  process([channels]) {
    if (this.over) return false;
    if (!channels.length) return true;
    let mixed = channels[0];
    if (channels.length > 1) mixed = mixed.map((_, i) => channels.reduce((sum, one) => sum + one[i], 0) / channels.length);
    this.resampler.push(mixed, this.give);
    return true;
  }
}
registerProcessor('capture', Capture);
