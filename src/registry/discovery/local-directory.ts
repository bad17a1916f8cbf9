/** The functions of this machine as a directory: those of the configuration, with what was changed at run time. */

import { PlatformError } from '../../core/errors.ts';
import type { FunctionControl, FunctionRecord } from '../../core/function-control.ts';
import type { DirectoryEntry, FunctionDirectory } from '../../core/ports.ts';

export class LocalFunctionDirectory implements FunctionDirectory {
  readonly label = 'embedded';
  readonly #control: FunctionControl;

  constructor(control: FunctionControl) {
    this.#control = control;
  }

  /** Functions that were only created through the control plane do not run here, so they are no tools. */
  async list(): Promise<readonly DirectoryEntry[]> {
    return (await this.#control.list()).filter((each) => each.executes).map(toEntry);
  }

  schema(arn: string): Promise<string> {
    const message = `There is no schema registry here for "${arn.slice(0, 200)}". Name a file in functions.<name>.schema.`;
    return Promise.reject(new PlatformError('NOT_FOUND', message, { schema: arn.slice(0, 200) }));
  }

  /** Who may reach the gateway may invoke what it publishes; the policy has decided that before. */
  async mayInvoke(functionName: string): Promise<boolean> {
    return (await this.#control.list()).some(
      ({ name, arn, executes }) => executes && [name, arn].includes(functionName),
    );
  }

  onChange(listener: () => void): () => void {
    return this.#control.onChange(() => listener());
  }
}

function toEntry(record: FunctionRecord): DirectoryEntry {
  const { name, arn, runtime, description, tags, timeoutSeconds, memoryMb, version, codeSha256 } = record;
  return { name, arn, runtime, description, tags, timeoutSeconds, memoryMb, version, codeSha256 };
}
