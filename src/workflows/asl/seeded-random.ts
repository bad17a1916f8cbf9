/** A number that follows from a seed. Not for secrets. */

/** From 0 up to, not including, 1: one round of splitmix32 over the seed. */
export function seededRandom(seed: number): number {
  let mixed = (Math.trunc(seed) + 0x9e3779b9) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 4_294_967_296;
}
