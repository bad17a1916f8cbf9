/** The functions of this machine as a directory: those of the configuration, with what was changed at run time. */

import { PlatformError } from '../../core/errors.ts';
import type { FunctionControl, FunctionRecord } from '../../core/function-control.ts';
import type { DirectoryEntry, FunctionDirectory } from '../../core/ports.ts';

/** The schemas of this machine. */
export interface LocalSchemas {
  get(registry: string, name: string): Promise<{ readonly content: string } | undefined>;
}

const SCHEMA_ARN = /^arn:[^:]+:schemas:[^:]*:[^:]*:schema\/([^/]+)\/([^/]+)$/;

export class LocalFunctionDirectory implements FunctionDirectory {
  readonly label = 'embedded';
  readonly #control: FunctionControl;
  readonly #schemas: LocalSchemas | undefined;

  constructor(control: FunctionControl, schemas?: LocalSchemas) {
    this.#control = control;
    this.#schemas = schemas;
  }

  /** Functions that were only created through the control plane do not run here, so they are no tools. */
  async list(): Promise<readonly DirectoryEntry[]> {
    return (await this.#control.list()).filter((each) => each.executes).map(toEntry);
  }

  /** Region and account do not matter, as for functions. */
  async schema(arn: string): Promise<string> {
    const schema = arn.slice(0, 200);
    const [, registry, name] = SCHEMA_ARN.exec(arn) ?? [];
    if (registry === undefined || name === undefined) {
      const form = 'arn:aws:schemas:<region>:<account>:schema/<registry>/<name>';
      throw new PlatformError('INVALID_ARGUMENTS', `"${schema}" is not the ARN of a schema: ${form}.`, { schema });
    }
    const found = await this.#schemas?.get(registry, name);
    if (found !== undefined) return found.content;
    const next = `Put it into the folder clouds.aws.schemas as ${registry}/${name}.json`;
    throw new PlatformError('NOT_FOUND', `There is no schema "${schema}" here. ${next}.`, { schema });
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
