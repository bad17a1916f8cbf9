/**
 * Evaluates JSONata inside the realm that `jsonata-worker.mjs` makes. Everything crosses its border as JSON text:
 * `request` is set from outside, and `serve()` resolves to the answer.
 */
'use strict';

var request = '';

(function () {
  const { jsonata, hash: outerHash, uuid: outerUuid, limits } = host;
  const hash = (text, algorithm) => {
    const digest = String(outerHash(String(text), String(algorithm)));
    return digest === '' ? refuse('the algorithm is one of MD5, SHA-1, SHA-256, SHA-384, SHA-512') : digest;
  };
  const uuid = () => String(outerUuid());

  const EXIT = Symbol.for('jsonata.__evaluate_exit');
  const MOST_KEPT = 500;
  const kept = new Map();

  let steps = 0;
  let random = () => 0;

  function refuse(message) {
    throw { message };
  }

  function tooLong(what) {
    refuse(`${what} is longer than ${limits.characters} characters`);
  }

  /** Called for every node: counts the work, and looks at the size of what it made. */
  function checkNode(node, input, environment, value) {
    if (++steps > limits.steps) refuse(`the expression takes more than ${limits.steps} steps`);
    if (typeof value === 'string' && value.length > limits.characters) tooLong('a string');
    if (Array.isArray(value) && value.length > limits.items) refuse(`an array has more than ${limits.items} items`);
  }

  /** Characters of JSON text that a value makes, refusing what is no JSON and stopping when it is too much. */
  function measure(value, most) {
    let size = 0;
    const walk = (each, depth) => {
      if (depth > limits.depth) refuse(`the value is nested deeper than ${limits.depth} levels`);
      if (typeof each === 'function' || each?._jsonata_lambda || each?._jsonata_function) {
        refuse('the value is a function');
      }
      if (typeof each === 'number' && !Number.isFinite(each)) refuse('the value is no finite number');
      size += typeof each === 'string' ? each.length + 2 : 4;
      if (size > most) return;
      if (Array.isArray(each)) for (const item of each) walk(item, depth + 1);
      else if (typeof each === 'object' && each !== null) {
        for (const key of Object.keys(each)) {
          size += key.length + 3;
          walk(each[key], depth + 1);
        }
      }
    };
    walk(value, 0);
    return size;
  }

  /** Functions of JSONata whose results can be far larger than their arguments, and what is checked before they run. */
  const GUARDS = {
    pad: ['<s-ns?:s>', (text, width) => Math.abs(width) > limits.characters && tooLong('a padded string')],
    join: [
      '<a<s>s?:s>',
      (texts, separator) => {
        const between = typeof separator === 'string' ? separator.length : 0;
        let size = 0;
        for (const text of texts ?? []) size += String(text).length + between;
        if (size > limits.characters) tooLong('a joined string');
      },
    ],
    replace: [
      '<s-(sf)(sf)n?:s>',
      (text, pattern, replacement) => {
        if (typeof text !== 'string' || typeof replacement !== 'string') return;
        if ((text.length + 1) * replacement.length > limits.characters * 16) tooLong('a replaced string');
      },
    ],
    string: [
      '<x-b?:s>',
      (value) => {
        if (typeof value === 'object' && measureQuietly(value) > limits.characters) tooLong('a string');
      },
    ],
    formatNumber: ['<n-so?:s>', (value, picture) => checkPicture(picture)],
    formatInteger: ['<n-s:s>', (value, picture) => checkPicture(picture)],
    fromMillis: ['<n-s?s?:s>', (value, picture) => checkPicture(picture)],
    toMillis: ['<s-s?:n>', (value, picture) => checkPicture(picture)],
  };

  /** $string leaves functions out, so they are no reason to refuse here. */
  function measureQuietly(value) {
    try {
      return measure(value, limits.characters);
    } catch {
      return 0;
    }
  }

  function checkPicture(picture) {
    if (typeof picture === 'string' && (picture.length > 1000 || /\d{5}/.test(picture))) {
      refuse('a picture string is too long or asks for too many digits');
    }
  }

  const originals = {};

  function guard(expression) {
    for (const [name, [signature, check]] of Object.entries(GUARDS)) {
      expression.registerFunction(
        name,
        function (...values) {
          check(...values);
          return originals[name].apply(this, values);
        },
        signature,
      );
    }
  }

  function integer(value, what) {
    return Number.isSafeInteger(value) ? value : refuse(`${what} must be an integer`);
  }

  function partition(values, size) {
    if (values === undefined) return undefined;
    if (integer(size, 'the size of a part') < 1) refuse('the size of a part is at least 1');
    const parts = [];
    for (let index = 0; index < values.length; index += size) parts.push(values.slice(index, index + size));
    return parts;
  }

  function range(first, last, step) {
    if (first === undefined || last === undefined) return undefined;
    const by = step === undefined ? 1 : step;
    if (by === 0) refuse('the step of a range is not zero');
    const count = Math.floor((last - first) / by) + 1;
    if (!(count <= limits.items)) refuse(`a range has at most ${limits.items} items`);
    return Array.from({ length: Math.max(0, count) }, (_, index) => first + index * by);
  }

  function parse(text) {
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      return refuse('$parse was given a string that is not JSON');
    }
  }

  function seeded(seed) {
    let mixed = (Math.trunc(seed) + 0x9e3779b9) | 0;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 4294967296;
  }

  function compile(text) {
    const known = kept.get(text);
    if (known !== undefined) return known;
    const expression = jsonata(text, { stack: limits.stack, sequence: limits.items });
    expression.assign(EXIT, checkNode);
    guard(expression);
    expression.registerFunction('partition', partition, '<an:a<a>>');
    expression.registerFunction('range', range, '<nnn?:a<n>>');
    expression.registerFunction(
      'hash',
      (value, algorithm) => (value === undefined ? undefined : hash(value, algorithm)),
      '<s-s:s>',
    );
    expression.registerFunction('random', (seed) => (seed === undefined ? random() : seeded(seed)), '<n?:n>');
    expression.registerFunction('uuid', uuid, '<:s>');
    expression.registerFunction('parse', parse, '<s-:x>');
    expression.assign('eval', undefined);
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(text, expression);
    return expression;
  }

  async function evaluate(text, bindings, field) {
    try {
      const value = await compile(text).evaluate(undefined, bindings);
      if (value !== undefined) measure(value, limits.result);
      return value;
    } catch (error) {
      throw { expression: text, field, message: String(error?.message ?? error), isFinal: true };
    }
  }

  async function fill(template, bindings, field) {
    if (typeof template === 'string') {
      if (!template.startsWith('{%') || !template.endsWith('%}')) return template;
      const text = template.slice(2, -2).trim();
      const value = await evaluate(text, bindings, field);
      if (value === undefined) throw { expression: text, field, isUndefined: true, isFinal: true };
      return value;
    }
    if (Array.isArray(template)) {
      const filled = [];
      for (const [index, each] of template.entries()) filled.push(await fill(each, bindings, `${field}[${index}]`));
      return filled;
    }
    if (typeof template === 'object' && template !== null) {
      const filled = [];
      for (const key of Object.keys(template))
        filled.push([key, await fill(template[key], bindings, `${field}/${key}`)]);
      return Object.fromEntries(filled);
    }
    return template;
  }

  globalThis.serve = async function () {
    steps = 0;
    const { template, bindings, field, seed } = JSON.parse(request);
    let draws = seed;
    random = () => seeded(draws++);
    try {
      await ready;
      const value = await fill(template, bindings, field);
      const isTooLarge = measure(value, limits.result) > limits.result;
      return JSON.stringify(isTooLarge ? { isTooLarge } : { value });
    } catch (error) {
      const { expression, isUndefined, message } = error?.isFinal
        ? error
        : { message: String(error?.message ?? error) };
      return JSON.stringify({ failed: { field: error?.field ?? field, expression, isUndefined, message } });
    }
  };

  const ready = (async () => {
    for (const name of Object.keys(GUARDS)) originals[name] = (await jsonata(`$${name}`).evaluate()).implementation;
  })();
})();
