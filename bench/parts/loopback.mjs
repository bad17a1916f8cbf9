/** Loaded before a peer that would listen on every interface: it listens on loopback instead. */

import { Server } from 'node:net';

// oxlint-disable-next-line typescript/unbound-method -- called below with its `this`
const listen = Server.prototype.listen;
Server.prototype.listen = function listenOnLoopback(first, ...rest) {
  if (typeof first === 'object' && first !== null) return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest);
  const callback = rest.find((value) => typeof value === 'function');
  return listen.call(
    this,
    { port: Number(first ?? 0), host: '127.0.0.1' },
    ...(callback === undefined ? [] : [callback]),
  );
};
