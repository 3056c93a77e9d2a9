// The microphone, and words for each way in which there is none.
export const SAMPLES = 512;   // 32 ms
const WHY = {
  NotAllowedError: ['The microphone was refused.', 'Allow it in the browser’s address bar and in the system’s settings, then press Start again.'],
  NotFoundError: ['No microphone was found.', 'Plug one in, then press Start again.'],
  NotReadableError: ['The microphone cannot be opened; another program may be using it.', 'Close that program, or choose another microphone.'],
  OverconstrainedError: ['That microphone is no longer there.', 'Choose another one.'],
};

export function explained(error) {
  return WHY[error.name] || ['The sound could not be opened: ' + (error.message || error.name), 'Reload the page; another browser may do better.'];
}

/** Why this browser cannot do it at all, if it cannot. */
export function impossible() {
  if (!isSecureContext) return ['Browsers give the microphone only to pages over https:// and from this machine.', 'Start voxctl demo with --tls, or reach it through a tunnel: ssh -L 8765:127.0.0.1:8765 HOST'];
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) return ['This browser has no microphone for pages.', 'Any of the last years’ Chrome, Firefox, Edge or Safari has.'];
  return null;
}

export class Capture {
  /** `on`: sound({pcm, peak, level, at}), ended(), muted(bool). */
  constructor(on) { this.on = on; }
  async open(device, clean) {
    // The graph runs before the microphone opens, so that nothing is set up while its first samples arrive.
    this.context = new AudioContext({ latencyHint: 'interactive' });
    await this.context.audioWorklet.addModule('worklet.js');
    this.node = new AudioWorkletNode(this.context, 'capture', { numberOfOutputs: 0, processorOptions: { samples: SAMPLES } });
    this.node.port.onmessage = ({ data }) => (data ? this.on.sound(data) : this.flushed?.());
    await this.context.resume();
    await this.listen(device, clean);
  }
  /** Take the sound of this microphone from now on. */
  async listen(device, clean) {
    const audio = { channelCount: 1, echoCancellation: clean, noiseSuppression: clean, autoGainControl: clean };
    if (device) audio.deviceId = { exact: device };
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    const source = this.context.createMediaStreamSource(stream), [track] = stream.getAudioTracks();
    source.connect(this.node);
    this.drop();
    Object.assign(this, { stream, source });
    this.latency = (track.getSettings().latency || 0) * 1000;
    track.onended = () => this.on.ended();
    track.onmute = () => this.on.muted(true);
    track.onunmute = () => this.on.muted(false);
  }
  drop() {
    this.source?.disconnect();
    this.stream?.getTracks().forEach((track) => { track.onended = null; track.stop(); });
  }
  /** Give the last samples, then let go of everything. */
  async close() {
    if (this.node) {
      const flushed = new Promise((done) => { this.flushed = done; setTimeout(done, 500); });
      this.node.port.postMessage('enough');
      await flushed;
    }
    this.drop();
    await this.context?.close().catch(() => {});   // it is closed already
  }
}

export async function microphones() {
  const all = await navigator.mediaDevices?.enumerateDevices() ?? [];
  return all.filter(({ kind, label }) => kind === 'audioinput' && label);
}
