// One WebSocket after another that look like one: sound is numbered, kept until it is acknowledged, and sent again.
const KEEP = 3000;            // messages that wait for a connection: 96 s, more than the server waits for us
const SILENT_MS = 6000;       // a connection that acknowledges nothing for so long is given up
const PATIENCE_MS = 90000;

export class Link {
  /** `on`: news(news), ack(rtt_ms), away(seconds held), failed(message, hint). */
  constructor(token, on) {
    Object.assign(this, { token, on, id: '', words: 0, next: 0, held: [], forgotten: 0, tries: 0, over: false });
    this.watch = setInterval(() => this.look(), 1000);
    this.connect();
  }
  connect() {
    const url = new URL('live', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    url.search = new URLSearchParams({ token: this.token, id: this.id, words: this.words });
    this.ready = false;
    const socket = this.socket = new WebSocket(url);
    socket.onmessage = ({ data }) => { if (socket === this.socket) this.take(JSON.parse(data)); };
    socket.onclose = () => { if (socket === this.socket) this.lost(); };
  }
  take(said) {
    if (said.type === 'ready') {
      this.id = said.id;
      this.tries = 0;
      this.awaySince = 0;
      this.ready = true;
      this.forget(said.next);
      for (const one of this.held) this.put(one);
      if (this.count !== undefined) this.sendStop();
    } else if (said.type === 'ack') {
      const one = this.held.find(({ number }) => number === said.number);
      if (one) this.on.ack(performance.now() - one.sentAt);
      this.forget(said.next);
    } else if (said.type === 'news') {
      const words = said.words.slice(this.words - said.from);
      this.words = said.from + said.words.length;
      this.on.news({ ...said, words });
    } else if (said.type === 'refused') {
      this.close();
      this.on.failed(said.message, said.hint);
    }
  }
  forget(next) {
    while (this.held.length && this.held[0].number < next) this.held.shift();
  }
  send(pcm, at) {
    const bytes = new ArrayBuffer(16 + pcm.byteLength), header = new DataView(bytes);
    header.setUint32(0, this.next, true);
    header.setFloat64(8, at, true);
    new Uint8Array(bytes, 16).set(new Uint8Array(pcm));
    const one = { number: this.next++, bytes, sentAt: 0 };
    this.held.push(one);
    if (this.ready) this.put(one);
    return one.number;
  }
  put(one) {
    one.sentAt = performance.now();
    this.socket.send(one.bytes);
  }
  /** No more sound; what is still held goes first. */
  stop() {
    this.count = this.next;
    if (this.ready) this.sendStop();
  }
  sendStop() { this.socket.send(JSON.stringify({ type: 'stop', count: this.count })); }

  look() {
    const waiting = this.ready && this.held[0];
    if (waiting && performance.now() - waiting.sentAt > SILENT_MS) {   // as when a laptop changed its network
      this.socket.close();
      this.lost();
    } else if (!this.ready && this.awaySince) this.on.away(this.held.length);
  }
  lost() {
    this.socket = null;
    if (this.over) return;
    const wasReady = this.ready;
    this.ready = false;
    this.awaySince ||= performance.now();
    if (performance.now() - this.awaySince > PATIENCE_MS || this.held.length > KEEP) {
      this.fail('voxctl demo did not answer for too long. What was said meanwhile is not transcribed.', 'Is it still running?');
      return;
    }
    this.on.away(this.held.length);
    const wait = wasReady ? 100 : Math.min(3000, 250 * 2 ** this.tries++) * (0.7 + 0.6 * Math.random());
    setTimeout(() => wasReady || this.tries < 2 ? this.connect() : this.ask(), wait);
  }
  /** A refused socket says nothing; a refused page does. */
  async ask() {
    if (this.over) return;
    try {
      const answer = await fetch(location.href, { method: 'HEAD' });
      if (answer.status === 403) {
        this.fail('voxctl demo was started anew, and this page belongs to the run before.', 'Copy your text, then open the address that it printed.');
        return;
      }
    } catch { /* nobody is there; the socket will tell when somebody is */ }
    if (!this.over) this.connect();
  }
  fail(message, hint) {
    this.close();
    this.on.failed(message, hint);
  }
  close() {
    this.over = true;
    clearInterval(this.watch);
    this.socket?.close();
  }
}
