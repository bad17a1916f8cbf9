/**
 * Which version and code a function reference leads to now. Lists ask without waiting: what is not known yet is looked
 * up behind their back, and whoever listens is told once it is.
 */

import type { FunctionControl } from '../core/function-control.ts';
import { parseFunctionReference } from '../core/lambda-arn.ts';
import type { CodeIdentity } from '../core/target.ts';

/** Whoever knows versions: the control plane of this machine or of AWS. */
export type VersionSource = Pick<FunctionControl, 'get' | 'onChange'>;

/** More functions than anybody lists; those beyond are not remembered, so that lists never chase each other. */
const MAX_KNOWN = 10_000;

interface Lookup {
  found: Promise<CodeIdentity | undefined>;
  /** Absent until the lookup has ended, and for a function that does not exist. */
  identity: CodeIdentity | undefined;
}

export class CodeVersions {
  readonly #source: VersionSource;
  readonly #onLearned: () => void;
  readonly #stop: () => void;
  /** By function, then qualifier. */
  readonly #known = new Map<string, Map<string, Lookup>>();
  #pending = 0;
  #hasLearned = false;

  /**
   * @param hooks.onChanged - A function's versions, aliases, code or tags have changed.
   * @param hooks.onLearned - Everything that {@link peek} was asked for is known.
   */
  constructor(
    source: VersionSource,
    hooks: { readonly onChanged: (name: string) => void; readonly onLearned: () => void },
  ) {
    this.#source = source;
    this.#onLearned = hooks.onLearned;
    this.#stop = source.onChange((name) => {
      this.#known.delete(name);
      hooks.onChanged(name);
    });
  }

  /** `undefined` for a function, version or alias that does not exist. */
  of(reference: string): Promise<CodeIdentity | undefined> {
    return this.#lookup(reference)?.found ?? this.#ask(reference);
  }

  /** What is known already. */
  peek(reference: string): CodeIdentity | undefined {
    return this.#lookup(reference)?.identity;
  }

  /** Looks again at a function whose code has just been loaded: an edit may have come before anybody watched it. */
  async recheck(reference: string): Promise<void> {
    const known = this.#lookup(reference);
    if (known === undefined) return;
    const [before, now] = await Promise.all([known.found, this.#ask(reference)]);
    if (now === undefined || (before?.sha256 === now.sha256 && before.version === now.version)) return;
    known.identity = now;
    known.found = Promise.resolve(now);
    this.#onLearned();
  }

  close(): void {
    this.#stop();
    this.#known.clear();
  }

  /** `undefined` when there is no room to remember it. */
  #lookup(reference: string): Lookup | undefined {
    const { name = reference, qualifier = '' } = parseFunctionReference(reference) ?? {};
    const ofFunction = this.#known.get(name) ?? new Map<string, Lookup>();
    const known = ofFunction.get(qualifier);
    if (known !== undefined) return known;
    if (this.#known.size >= MAX_KNOWN && !this.#known.has(name)) return undefined;
    const lookup: Lookup = { found: this.#ask(reference), identity: undefined };
    this.#known.set(name, ofFunction.set(qualifier, lookup));
    this.#pending++;
    void lookup.found.then((identity) => this.#learned(lookup, identity));
    return lookup;
  }

  #learned(lookup: Lookup, identity: CodeIdentity | undefined): void {
    lookup.identity = identity;
    this.#hasLearned ||= identity !== undefined;
    if (--this.#pending > 0 || !this.#hasLearned) return;
    this.#hasLearned = false;
    this.#onLearned();
  }

  async #ask(reference: string): Promise<CodeIdentity | undefined> {
    const { name = reference, qualifier } = parseFunctionReference(reference) ?? {};
    try {
      const { version, codeSha256 } = await this.#source.get(name, qualifier);
      return { version, sha256: codeSha256 };
    } catch {
      // A function that is registered before it exists has no code to remember.
      return undefined;
    }
  }
}
