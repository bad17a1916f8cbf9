/**
 * List prices in US dollars, for estimates: Azure's public prices for East US as of the day below. Other regions cost up
 * to half as much again; a bill is what counts.
 */

export const PRICES_OF = '2025-06-01';

/** Block blobs in the hot tier, the first 50 TB, per GB and month. */
export const BLOB_GB_MONTH: Readonly<Record<string, number>> = {
  Standard_LRS: 0.0208,
  Standard_ZRS: 0.026,
  Standard_GRS: 0.0458,
  Standard_RAGRS: 0.0574,
  Standard_GZRS: 0.0468,
  Standard_RAGZRS: 0.0585,
};

/** The same in the cool tier. */
export const COOL_GB_MONTH: Readonly<Record<string, number>> = {
  Standard_LRS: 0.0115,
  Standard_ZRS: 0.0144,
  Standard_GRS: 0.0253,
  Standard_RAGRS: 0.0316,
  Standard_GZRS: 0.0259,
  Standard_RAGZRS: 0.0324,
};
