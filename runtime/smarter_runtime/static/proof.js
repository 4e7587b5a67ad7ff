// Solves a challenge beside the page: finds the number with which the SHA-256 of `<challenge>:<number>` begins with so
// many zero bits. `crypto.subtle` would take a promise for each of the many hashes, and is missing without HTTPS.

const ROUNDS = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
const START = new Int32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);
const BLOCK_BYTES = 64;
const LENGTH_BYTES = 8;
const words = new Int32Array(64);

onmessage = ({ data: { challenge, difficulty } }) => {
  postMessage(solution(challenge, difficulty));
};

function solution(challenge, difficulty) {
  const prefix = new TextEncoder().encode(`${challenge}:`);
  // What is the same for all numbers is hashed once.
  const settled = prefix.length - (prefix.length % BLOCK_BYTES);
  const state = START.slice();
  const whole = new DataView(prefix.buffer);
  for (let at = 0; at < settled; at += BLOCK_BYTES) absorb(state, whole, at);
  const bytes = new Uint8Array(2 * BLOCK_BYTES);
  const ending = new DataView(bytes.buffer);
  bytes.set(prefix.subarray(settled));
  const hash = new Int32Array(8);
  for (let number = 0; ; number++) {
    const end = finish(bytes, ending, prefix.length - settled, String(number), settled);
    hash.set(state);
    for (let at = 0; at < end; at += BLOCK_BYTES) absorb(hash, ending, at);
    if (Math.clz32(hash[0]) >= difficulty) return String(number);
  }
}

/** Write the number and what SHA-256 has at the end; return how many bytes the last blocks have. */
function finish(bytes, view, start, digits, settled) {
  const length = start + digits.length;
  for (let i = 0; i < digits.length; i++) bytes[start + i] = digits.charCodeAt(i);
  const end = Math.ceil((length + 1 + LENGTH_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
  bytes.fill(0, length, end);
  bytes[length] = 0x80;
  view.setUint32(end - 4, 8 * (settled + length));
  return end;
}

function absorb(state, view, at) {
  for (let i = 0; i < 16; i++) words[i] = view.getInt32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const early = words[i - 15];
    const late = words[i - 2];
    const one = turn(early, 7) ^ turn(early, 18) ^ (early >>> 3);
    const two = turn(late, 17) ^ turn(late, 19) ^ (late >>> 10);
    words[i] = words[i - 16] + words[i - 7] + one + two;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3];
  let e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i++) {
    const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
    const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = (d + one) | 0;
    d = c, c = b, b = a, a = (one + two) | 0;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

function turn(word, by) {
  return (word >>> by) | (word << (32 - by));
}
