/** Paths of Azure Resource Manager. Azure compares all but values of users without case, and SDKs rely on it. */

/** Where a request leads. Names as they came; {@link keyOf} compares them. */
export type ArmPath =
  | { readonly kind: 'groups'; readonly subscription: string }
  | { readonly kind: 'group'; readonly subscription: string; readonly group: string }
  /** Everything in a group, or in a subscription. */
  | { readonly kind: 'resources'; readonly subscription: string; readonly group: string | undefined }
  | {
      readonly kind: 'resource';
      readonly subscription: string;
      readonly group: string;
      readonly namespace: string;
      readonly type: string;
      readonly name: string;
    }
  | {
      readonly kind: 'type';
      readonly subscription: string;
      readonly group: string | undefined;
      readonly namespace: string;
      readonly type: string;
    }
  | {
      readonly kind: 'operation';
      readonly namespace: string;
      readonly location: string;
      /** `operations` answers with a status, `operationresults` with the thing itself. */
      readonly answers: 'operations' | 'operationresults';
      readonly id: string;
    }
  | { readonly kind: 'name-check'; readonly subscription: string };

const SUBSCRIPTION = '^/subscriptions/(?<subscription>[^/]+)';
const GROUP = `${SUBSCRIPTION}/resourcegroups/(?<group>[^/]+)`;
const PROVIDER = '/providers/(?<namespace>[^/]+)';

const SHAPES: readonly (readonly [RegExp, ArmPath['kind']])[] = [
  [new RegExp(`${SUBSCRIPTION}/resourcegroups/?$`, 'i'), 'groups'],
  [new RegExp(`${GROUP}/?$`, 'i'), 'group'],
  [new RegExp(`${GROUP}/resources/?$`, 'i'), 'resources'],
  [new RegExp(`${SUBSCRIPTION}/resources/?$`, 'i'), 'resources'],
  [new RegExp(`${GROUP}${PROVIDER}/(?<type>[^/]+)/(?<name>[^/]+)$`, 'i'), 'resource'],
  [new RegExp(`${GROUP}${PROVIDER}/(?<type>[^/]+)/?$`, 'i'), 'type'],
  [
    new RegExp(
      `${SUBSCRIPTION}${PROVIDER}/locations/(?<location>[^/]+)/(?<answers>operations|operationresults)/(?<id>[^/]+)$`,
      'i',
    ),
    'operation',
  ],
  [new RegExp(`${SUBSCRIPTION}${PROVIDER}/checknameavailability$`, 'i'), 'name-check'],
  [new RegExp(`${SUBSCRIPTION}${PROVIDER}/(?<type>[^/]+)/?$`, 'i'), 'type'],
];

/** `undefined` for what is simulated nowhere. */
export function readArmPath(path: string): ArmPath | undefined {
  for (const [pattern, kind] of SHAPES) {
    const groups = pattern.exec(path)?.groups;
    if (groups === undefined) continue;
    const names = Object.fromEntries(Object.entries(groups).map(([name, text]) => [name, decode(text)]));
    const answers = names['answers']?.toLowerCase();
    return { ...names, kind, ...(answers === undefined ? {} : { answers }) } as ArmPath;
  }
  return undefined;
}

function decode(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function groupId(subscription: string, group: string): string {
  return `/subscriptions/${subscription}/resourceGroups/${group}`;
}

export function resourceArmId(of: {
  readonly subscription: string;
  readonly group: string;
  readonly namespace: string;
  readonly type: string;
  readonly name: string;
}): string {
  return `${groupId(of.subscription, of.group)}/providers/${of.namespace}/${of.type}/${of.name}`;
}

/** What ids are compared and kept by. */
export function keyOf(id: string): string {
  return id.toLowerCase();
}
