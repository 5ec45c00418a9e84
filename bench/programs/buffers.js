// Node: JavaScript objects live in V8's own heap, but buffers, zlib streams and much of the runtime use malloc.
'use strict';
const zlib = require('zlib');
const crypto = require('crypto');

const turns = Math.max(1, Math.floor(500 * Number(process.argv[2])));
let state = 12345;
const chance = (n) => {
  state = (state * 48271) % 2147483647;
  return state % n;
};

const total = crypto.createHash('sha256');
const kept = [];
for (let turn = 0; turn < turns; turn++) {
  const records = [];
  for (let i = 0; i < 400; i++) records.push({ id: i, name: 'name' + chance(1000), list: [chance(9), chance(99)] });
  const text = JSON.stringify(records);
  const packed = zlib.deflateSync(Buffer.from(text), { level: 1 });
  if (zlib.inflateSync(packed).toString() !== text) throw new Error('inflate');
  total.update(text);
  for (let i = 0; i < 300; i++) {
    const b = Buffer.allocUnsafeSlow(16 + chance(20000));
    b.fill(i & 255, 0, 16);
    kept[chance(1000)] = b;
  }
}
let sum = 0;
for (const b of kept) if (b) sum += b[3];
console.log(total.digest('hex').slice(0, 16), sum);
