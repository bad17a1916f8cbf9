/** The servers that tenants have registered, as targets beside those of the configuration. */

import type { Target } from '../core/target.ts';
import type { TargetSet } from '../gateway/target-set.ts';
import type { RegistrationStore } from '../registry/registration-store.ts';
import type { TargetFactory } from './make-targets.ts';

export interface RegisteredServersParts {
  readonly registrations: RegistrationStore;
  readonly targets: TargetSet;
  readonly factory: TargetFactory;
}

export class RegisteredServers {
  readonly #parts: RegisteredServersParts;
  readonly #tenants = new Map<string, Promise<void>>();
  readonly #revisions = new WeakMap<Target, string>();

  constructor(parts: RegisteredServersParts) {
    this.#parts = parts;
  }

  /** Reads the servers that a tenant registered, once; later changes come by themselves. */
  prepare(tenant: string): Promise<void> {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const preparing = this.sync(tenant);
    this.#tenants.set(tenant, preparing);
    preparing.catch(() => this.#tenants.delete(tenant));
    return preparing;
  }

  /** Makes the tenant's registered servers and its targets agree. */
  async sync(tenant: string): Promise<void> {
    const { registrations, targets, factory } = this.#parts;
    const wanted = new Map(
      (await registrations.list(tenant)).flatMap((registration) =>
        registration.type === 'mcp' ? [[registration.name.toLowerCase(), registration] as const] : [],
      ),
    );
    for (const target of targets.owned(tenant)) {
      const registration = wanted.get(target.id);
      if (registration !== undefined && this.#revisions.get(target) === registration.revision) continue;
      targets.remove(target.id, tenant);
      void target.close();
    }
    for (const [id, registration] of wanted) {
      if (targets.owned(tenant).some((target) => target.id === id)) continue;
      const target = factory.registered(id, registration);
      this.#revisions.set(target, registration.revision);
      targets.add(target, tenant);
    }
  }
}
