/** Removing what something else may still use: AWS is asked again until it is free, for some minutes. */

import { passing } from '../../provisioning/cloud-errors.ts';
import type { StepAttempt, Steps } from '../../provisioning/provisioner.ts';
import { cloudCodeOf } from '../../provisioning/resource-provisioner.ts';

const FREE = { everyMs: 5_000, timeoutMs: 900_000 };
/** Five minutes: what AWS is about to be rid of itself is gone by then, and what a person has put there is not. */
const MAX_QUESTIONS = 60;
const USED: ReadonlySet<string> = new Set(['DependencyViolation', 'InvalidIPAddress.InUse', 'ResourceInUse']);

/**
 * @param remove - Removes everything, and leaves alone what is gone already.
 * @throws PlatformError `CLOUD_REFUSED` with AWS's own words for who uses it, when it does not come free.
 */
export async function untilFree(steps: Steps, name: string, remove: () => Promise<void>): Promise<void> {
  const ask = async ({ attempt }: StepAttempt): Promise<true> => {
    try {
      await remove();
      return true;
    } catch (error) {
      throw USED.has(cloudCodeOf(error)) && attempt < MAX_QUESTIONS ? passing(error) : error;
    }
  };
  await steps.until(name, ask, FREE);
}
