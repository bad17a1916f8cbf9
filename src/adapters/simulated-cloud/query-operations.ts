/** Services whose requests are forms with an `Action`, and whose answers are XML: IAM, EC2. */

import type { AwsReply, AwsRequest } from './aws-service.ts';
import { membersToXml } from './xml.ts';
import type { XmlValue } from './xml.ts';

/** A form, most of whose names have dots and numbers: `Tags.member.1.Key`, `Filter.2.Value.1`. */
export class Form {
  readonly #fields: ReadonlyMap<string, string>;

  constructor(fields: Iterable<readonly [string, string]>) {
    this.#fields = new Map(fields);
  }

  /** Fields of the body, or of the query where there is no body. */
  static of({ body, query }: AwsRequest): Form {
    return new Form(body.length > 0 ? new URLSearchParams(body.toString('utf8')) : query);
  }

  get action(): string {
    return this.#fields.get('Action') ?? '';
  }

  text(name: string): string | undefined {
    const text = this.#fields.get(name);
    return text === '' ? undefined : text;
  }

  /** `NAME.1`, `NAME.2` and so on. */
  list(name: string): string[] {
    const found: string[] = [];
    for (let n = 1; ; n++) {
      const text = this.#fields.get(`${name}.${n}`);
      if (text === undefined) return found;
      found.push(text);
    }
  }

  /** Parts of `NAME.1.…`, `NAME.2.…`, each with a form of its own. */
  parts(name: string): Form[] {
    const found: Form[] = [];
    for (let n = 1; ; n++) {
      const part = this.part(`${name}.${n}`);
      if (part === undefined) return found;
      found.push(part);
    }
  }

  /** What begins with `NAME.`, without it. */
  part(name: string): Form | undefined {
    const start = `${name}.`;
    const fields = [...this.#fields].filter(([key]) => key.startsWith(start));
    return fields.length === 0 ? undefined : new Form(fields.map(([key, value]) => [key.slice(start.length), value]));
  }
}

/** What an operation answers within its result element. */
export type Members = { readonly [name: string]: XmlValue };

export type QueryOperation = (form: Form, request: AwsRequest) => Promise<Members>;

/** `<CreateRoleResponse><CreateRoleResult>…`, as most services of this kind answer. */
export function queryReply(action: string, namespace: string, members: Members, requestId: string): AwsReply {
  const result = `<${action}Result>${membersToXml(members)}</${action}Result>`;
  const metadata = `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`;
  const text = `<${action}Response xmlns="${namespace}">${result}${metadata}</${action}Response>`;
  return { status: 200, headers: { 'content-type': 'text/xml' }, body: text };
}
