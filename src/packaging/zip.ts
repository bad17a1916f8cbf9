/**
 * A ZIP archive of a folder, the same bytes for the same files: entries in the order of their names, one fixed date,
 * and of each file's mode only whether it may be run. Lambda and every unzip program read it.
 *
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */

import { open, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { PlatformError } from '../core/errors.ts';

/** 1 January 1980, the first day that the format knows. */
const DOS_DATE = 0x21;
const UTF8_NAMES = 0x0800;
const DEFLATE = 8;
const STORE = 0;
const MADE_BY_UNIX = 0x031e;
/** Offsets and sizes have 32 bits, the number of entries 16. Lambda takes far less. */
const MAX_BYTES = 0xff_ff_ff_ff;
const MAX_ENTRIES = 0xff_ff;

interface Entry {
  readonly name: Buffer;
  readonly crc: number;
  readonly method: number;
  readonly packed: number;
  readonly size: number;
  readonly mode: number;
  readonly offset: number;
}

export interface ZipSummary {
  /** Bytes of the archive. */
  readonly bytes: number;
  /** Bytes of its files, unpacked. */
  readonly unpacked: number;
  readonly files: number;
}

/**
 * Writes all files below `folder` to `target`, which must lie outside of it. Links have been resolved before: one that
 * is found is refused, because an archive of links would not be the same elsewhere.
 *
 * @throws PlatformError `PAYLOAD_TOO_LARGE` for more than the format holds, and what the file system says.
 */
export async function zipFolder(folder: string, target: string): Promise<ZipSummary> {
  const names = await filesBelow(folder);
  if (names.length > MAX_ENTRIES) throw tooLarge(`${names.length} files`);
  const file = await open(target, 'w', 0o644);
  const entries: Entry[] = [];
  let offset = 0;
  let unpacked = 0;
  try {
    for (const name of names) {
      const { entry, parts } = await entryOf(folder, name, offset);
      for (const part of parts) await file.write(part);
      offset += parts.reduce((sum, part) => sum + part.length, 0);
      if (offset > MAX_BYTES) throw tooLarge(`${offset} bytes`);
      unpacked += entry.size;
      entries.push(entry);
    }
    const directory = Buffer.concat([...entries.map(centralHeader), endRecord(entries, offset)]);
    await file.write(directory);
    return { bytes: offset + directory.length, unpacked, files: entries.length };
  } finally {
    await file.close();
  }
}

/** Paths with `/`, in the order of their bytes. */
async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
      const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) found.push(path);
      else throw new PlatformError('USAGE', `${join(folder, path)} is neither a file nor a folder. Remove it.`);
    }
  };
  await walk('');
  return found.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
}

async function entryOf(folder: string, path: string, offset: number): Promise<{ entry: Entry; parts: Buffer[] }> {
  const full = join(folder, path);
  const [bytes, info] = await Promise.all([readFile(full), stat(full)]);
  const deflated = deflateRawSync(bytes, { level: 9 });
  const isSmaller = deflated.length < bytes.length;
  const data = isSmaller ? deflated : bytes;
  const entry: Entry = {
    name: Buffer.from(path),
    crc: crc32(bytes),
    method: isSmaller ? DEFLATE : STORE,
    packed: data.length,
    size: bytes.length,
    mode: (info.mode & 0o111) === 0 ? 0o100644 : 0o100755,
    offset,
  };
  return { entry, parts: [localHeader(entry), data] };
}

/** The fields that both headers share: flags, method, time, date, checksum, sizes, length of the name. */
function shared(entry: Entry): Buffer {
  const fields = Buffer.alloc(24);
  fields.writeUInt16LE(UTF8_NAMES, 0);
  fields.writeUInt16LE(entry.method, 2);
  fields.writeUInt16LE(0, 4);
  fields.writeUInt16LE(DOS_DATE, 6);
  fields.writeUInt32LE(entry.crc, 8);
  fields.writeUInt32LE(entry.packed, 12);
  fields.writeUInt32LE(entry.size, 16);
  fields.writeUInt16LE(entry.name.length, 20);
  return fields;
}

function localHeader(entry: Entry): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt32LE(0x04034b50, 0);
  head.writeUInt16LE(20, 4);
  return Buffer.concat([head, shared(entry), entry.name]);
}

function centralHeader(entry: Entry): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x02014b50, 0);
  head.writeUInt16LE(MADE_BY_UNIX, 4);
  head.writeUInt16LE(20, 6);
  const tail = Buffer.alloc(14);
  tail.writeUInt32LE(entry.mode * 0x1_00_00, 6);
  tail.writeUInt32LE(entry.offset, 10);
  tail.writeUInt32LE(entry.offset, 10);
  return Buffer.concat([head, shared(entry), tail, entry.name]);
}

function endRecord(entries: readonly Entry[], offset: number): Buffer {
  const size = entries.reduce((sum, entry) => sum + 46 + entry.name.length, 0);
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(entries.length, 8);
  record.writeUInt16LE(entries.length, 10);
  record.writeUInt32LE(size, 12);
  record.writeUInt32LE(offset, 16);
  return record;
}

function tooLarge(what: string): PlatformError {
  return new PlatformError('PAYLOAD_TOO_LARGE', `The archive would hold ${what}, more than a ZIP file does.`);
}
