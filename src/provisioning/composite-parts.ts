/**
 * What a composite that ships is made of. It is known before the composite runs, so that its price is, and so that what no
 * part would take is refused with the request and not once half of the whole is there.
 */

import type { CatalogService } from './catalogue.ts';
import type { RequestProblem } from './problems.ts';
import type { Params, PriceEstimate } from './service.ts';

/** A part as the composite's machine asks for it, as far as that is known before it runs. */
export interface CompositePart {
  readonly cloud: string;
  readonly service: string;
  readonly params: Params;
  /** Where its parameters come from: the composite's for each of the part's, as the rest of a JSON pointer. @default the same */
  readonly from?: (parameter: string) => string;
}

export type PartsOf = (params: Params) => readonly CompositePart[];

/** A composite whose parts are checked with it and counted in its price. */
export function withParts(whole: CatalogService, partsOf: PartsOf, shipped: readonly CatalogService[]): CatalogService {
  const serviceOf = ({ cloud, service }: CompositePart): CatalogService => {
    const found = shipped.find((each) => each.cloud === cloud && each.service === service);
    if (found === undefined) throw new Error(`${whole.service} is made of ${cloud} ${service}, which is not there`);
    return found;
  };
  return {
    ...whole,
    check: async (params) => {
      const result = await whole.check(params);
      if ('problems' in result) return result;
      const checked = partsOf(result.params).map((part) => problemsOf(part, serviceOf(part)));
      const problems = (await Promise.all(checked)).flat();
      return problems.length === 0 ? result : { problems };
    },
    estimate: (params, region) => sumOf(partsOf(params).map((part) => priceOf(part, serviceOf(part), region))),
  };
}

async function problemsOf(part: CompositePart, service: CatalogService): Promise<readonly RequestProblem[]> {
  const result = await service.check(part.params);
  if ('params' in result) return [];
  const { from = (parameter) => parameter } = part;
  return result.problems.map(({ pointer, ...problem }) => {
    const [, root, parameter = '', ...rest] = pointer.split('/');
    return { ...problem, pointer: ['', root, from(parameter), ...rest].join('/') };
  });
}

/** Its defaults count too. What it does not take has no price: the request is refused before anybody asks for one. */
function priceOf(part: CompositePart, service: CatalogService, region: string | undefined): PriceEstimate {
  const filled = service.definition?.params.safeParse(part.params);
  return service.estimate(filled?.success === true ? (filled.data as Params) : part.params, region);
}

function sumOf(prices: readonly PriceEstimate[]): PriceEstimate {
  const monthlyUsd = Math.round(prices.reduce((sum, each) => sum + each.monthlyUsd, 0) * 100) / 100;
  const usage = [...new Set(prices.flatMap((each) => each.usage))];
  // The oldest: of no price is said that it is newer than it is.
  return { monthlyUsd, usage, pricesOf: prices.map((each) => each.pricesOf).toSorted()[0] ?? '' };
}
