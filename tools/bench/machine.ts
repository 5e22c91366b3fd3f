/** The machine that figures are of, in general terms. */
import { closeSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Machine } from './results.js'
import { median } from './statistics.js'

/** By the numbers that `statfs` gives on Linux. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  801189825: 'zfs',
  16914836: 'tmpfs',
  2035054128: 'overlayfs',
  4076150800: 'f2fs',
}
const SYNCS = 200
const SYNCED_BYTES = 4096

/** @param folder where the databases are */
export function describeMachine(folder: string): Machine {
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: cpus().length,
    memoryMb: totalmem() / 2 ** 20,
    fileSystem: FILE_SYSTEMS[statfsSync(folder).type] ?? 'another file system',
    syncMs: syncTime(folder),
  }
}

function syncTime(folder: string): number {
  const path = join(folder, `endmark-bench-sync-${process.pid}`)
  const descriptor = openSync(path, 'w')
  try {
    const times: number[] = []
    for (let count = 0; count < SYNCS; count++) {
      writeSync(descriptor, Buffer.alloc(SYNCED_BYTES, count), 0, SYNCED_BYTES, 0)
      const begun = performance.now()
      fdatasyncSync(descriptor)
      times.push(performance.now() - begun)
    }
    return median(times)
  } finally {
    closeSync(descriptor)
    rmSync(path)
  }
}
